FROM debian:13.1@sha256:1919191919191919191919191919191919191919191919191919191919191919
SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
RUN fetch() { curl --fail --silent --show-error --location --output "$2" "$1"; }; \
    fetch https://downloads.example.org/src/lib-4.5.6.tar.xz /tmp/lib.tar.xz; \
    sha256sum --check <<< "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee  /tmp/lib.tar.xz"; \
    tar -xf /tmp/lib.tar.xz -C /usr/src; rm /tmp/lib.tar.xz
USER 1000
HEALTHCHECK NONE
