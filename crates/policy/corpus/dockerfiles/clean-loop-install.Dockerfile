FROM debian:13.1-slim@sha256:7777777777777777777777777777777777777777777777777777777777777777
RUN set -e; \
    apt-get update; \
    for package in jq=1.7.1-6 git=1:2.47.3-0; do apt-get install -y --no-install-recommends "$package"; done; \
    rm -rf /var/lib/apt/lists/*
USER 1000
HEALTHCHECK NONE
