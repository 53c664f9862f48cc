FROM debian:trixie-20260803-slim@sha256:3333333333333333333333333333333333333333333333333333333333333333
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates=20250419 curl=8.14.1-2 \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 app
USER 10001
HEALTHCHECK CMD curl --fail http://localhost:8080/ || exit 1
CMD ["/usr/bin/curl", "--version"]
