FROM docker.io/someuser/tools:v1
RUN curl -LO https://dl.example.com/release/kubectl && chmod +x kubectl && mv kubectl /usr/local/bin
RUN curl -sL -o /usr/local/bin/jq https://git.example.com/jq/releases/latest/download/jq-linux64
RUN wget --no-check-certificate https://git.example.com/yq/releases/download/v4.2/yq_linux_amd64 -O /usr/bin/yq
RUN rpm -ivh https://rpms.example.org/epel-release-latest-8.noarch.rpm
RUN dnf install -y git skopeo
