# Get latest version of Ubuntu
FROM ubuntu:24.10
ENV DEBIAN_FRONTEND=noninteractive
RUN apt update && apt install -y build-essential r-base python3 python3-pip wget curl
WORKDIR /swish
RUN Rscript -e "install.packages('data.table')"
RUN wget https://www.example.org/ftp/python/2.7.18/Python-2.7.18.tgz
RUN tar -xvf Python-2.7.18.tgz
RUN cd Python-2.7.18 && ./configure --enable-optimizations && make && make install
