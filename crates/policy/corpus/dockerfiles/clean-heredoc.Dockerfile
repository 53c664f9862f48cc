# syntax=docker/dockerfile:1
FROM debian:trixie-20260803@sha256:9999999999999999999999999999999999999999999999999999999999999999
RUN <<EOF
set -eu
groupadd --system --gid 2000 svc
useradd --system --uid 2000 --gid 2000 --home-dir /srv svc
install -d -o svc -g svc -m 0750 /srv/data
EOF
COPY <<EOF /etc/motd
welcome
EOF
USER svc
WORKDIR /srv
HEALTHCHECK NONE
CMD ["sleep", "infinity"]
