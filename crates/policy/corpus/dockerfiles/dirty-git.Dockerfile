FROM debian:12
RUN git clone --depth 1 --branch v1.2.3 https://git.example.com/a/b.git
RUN git clone -b main https://git.example.com/a/c.git /c
RUN git clone git://git.example.com/a/d.git
ADD https://git.example.com/a/e.git#main /e
RUN pip install git+https://git.example.com/a/f.git
RUN pip install "git+https://git.example.com/a/f.git@v1"
