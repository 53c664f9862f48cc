FROM debian:12
WORKDIR src
RUN rm -rf /var/lib/apt/list/*
RUN cp a b && ./bin/../run
COPY a.txt b.txt /dest
COPY file.tar.gz /x/
ADD app.py /app/
SHELL /bin/bash -c
EXPOSE 8080/TCP
STOPSIGNAL SIGFOO
