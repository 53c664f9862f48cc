FROM registry.access.redhat.com/ubi9/ubi:9.6-1754@sha256:1818181818181818181818181818181818181818181818181818181818181818
COPY certs/corporate-ca.crt /etc/pki/ca-trust/source/anchors/corporate-ca.crt
RUN update-ca-trust extract
COPY yum.repos.d/ /etc/yum.repos.d/
RUN dnf install -y --nodocs --setopt=install_weak_deps=False python3.12-3.12.9-1.el9 && dnf clean all
USER 1001
CMD ["python3.12", "--version"]
HEALTHCHECK NONE
