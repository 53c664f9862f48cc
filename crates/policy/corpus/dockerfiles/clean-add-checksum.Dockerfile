# syntax=docker/dockerfile:1
FROM registry.access.redhat.com/ubi9/ubi-minimal:9.6-1755@sha256:8888888888888888888888888888888888888888888888888888888888888888
ADD --checksum=sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb https://downloads.example.org/src/lib-1.2.3.tar.gz /tmp/lib.tar.gz
RUN microdnf install -y --nodocs gcc-11.5.0 make-4.3 && microdnf clean all
USER 1001
