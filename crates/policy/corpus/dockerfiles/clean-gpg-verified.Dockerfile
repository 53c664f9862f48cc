FROM debian:13.1-slim@sha256:7777777777777777777777777777777777777777777777777777777777777777
RUN set -eux; \
    wget -O /tmp/app.tar.gz https://downloads.example.org/app/2.4.1/app-2.4.1-src.tar.gz; \
    wget -O /tmp/app.tar.gz.asc https://downloads.example.org/app/2.4.1/app-2.4.1-src.tar.gz.asc; \
    export GNUPGHOME="$(mktemp -d)"; \
    gpg --batch --import /usr/share/keys/app.asc; \
    gpg --batch --verify /tmp/app.tar.gz.asc /tmp/app.tar.gz; \
    tar -xf /tmp/app.tar.gz -C /usr/src
USER 1000
HEALTHCHECK NONE
