FROM debian:13.1-slim@sha256:7777777777777777777777777777777777777777777777777777777777777777
ARG TOOL_VERSION=3.14.2
ARG TOOL_SHA256=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN curl -fsSL -o /tmp/tool.tar.gz "https://downloads.example.org/tool/v${TOOL_VERSION}/tool-src.tar.gz" \
 && echo "${TOOL_SHA256}  /tmp/tool.tar.gz" | sha256sum -c - \
 && tar -xzf /tmp/tool.tar.gz -C /opt \
 && rm /tmp/tool.tar.gz
USER 1000
