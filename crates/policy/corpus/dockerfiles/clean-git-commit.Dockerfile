FROM docker.io/library/debian:13.1@sha256:1919191919191919191919191919191919191919191919191919191919191919 AS src
SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
ARG REVISION=4f2c1de5f3a9c7b1e6d8c0a2b4d6e8f0a1c3e5d7
RUN git clone https://git.example.com/platform/tool.git /src \
 && cd /src && git checkout "$REVISION" \
 && make -C /src
FROM docker.io/library/debian:13.1-slim@sha256:2020202020202020202020202020202020202020202020202020202020202020
COPY --from=src /src/bin/tool /usr/local/bin/tool
USER 10000
CMD ["tool"]
HEALTHCHECK NONE
