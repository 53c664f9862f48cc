# syntax=docker/dockerfile:1
FROM debian:13.1-slim@sha256:7777777777777777777777777777777777777777777777777777777777777777
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y --no-install-recommends gcc=4:14.2.0-1
USER 1000
HEALTHCHECK NONE
