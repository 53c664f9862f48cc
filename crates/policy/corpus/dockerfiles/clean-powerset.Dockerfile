FROM registry.example.com/team/app:2026.3.1@sha256:2929292929292929292929292929292929292929292929292929292929292929
LABEL org.opencontainers.image.source=https://git.example.com/team/app
COPY --chmod=0755 entrypoint.sh /usr/local/bin/entrypoint.sh
VOLUME /data
STOPSIGNAL SIGTERM
USER 1001
ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]
HEALTHCHECK CMD ["/usr/local/bin/entrypoint.sh", "health"]
