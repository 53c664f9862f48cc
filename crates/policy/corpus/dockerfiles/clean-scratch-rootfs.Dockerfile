FROM scratch
ADD rootfs.tar.xz /
CMD ["/bin/sh"]
USER 1000
HEALTHCHECK NONE
