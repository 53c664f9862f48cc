FROM registry.access.redhat.com/ubi9/ubi-minimal:9.6-1755@sha256:8888888888888888888888888888888888888888888888888888888888888888
RUN microdnf install -y --nodocs --setopt=install_weak_deps=0 git-core-2.47.3 jq-1.6 && microdnf clean all
COPY scripts/ /usr/local/bin/
USER 1001
WORKDIR /workspace
ENTRYPOINT ["/usr/local/bin/run-task"]
HEALTHCHECK NONE
