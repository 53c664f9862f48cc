FROM node:18
RUN curl -sL https://deb.example.com/setup_18.x | bash -
RUN curl https://get.example.com/install.sh | sudo -E sh
RUN npm install -g yarn && npm install
RUN wget -qO- http://downloads.example.org/tool/latest/tool-linux-amd64.tar.gz | tar xz -C /usr/local/bin
