FROM debian:13.1-slim@sha256:7777777777777777777777777777777777777777777777777777777777777777
ARG TARGETARCH
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN case "${TARGETARCH}" in \
      amd64) sum=cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc ;; \
      arm64) sum=dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd ;; \
      *) echo "unsupported ${TARGETARCH}" >&2; exit 1 ;; \
    esac; \
    curl -fsSLo /tmp/src.tgz "https://downloads.example.org/x/1.0.4/x-${TARGETARCH}-src.tgz"; \
    echo "${sum} */tmp/src.tgz" | sha256sum --check --strict; \
    mkdir /usr/src/x; tar -C /usr/src/x -xzf /tmp/src.tgz; rm /tmp/src.tgz
USER nobody
HEALTHCHECK NONE
