FROM registry.access.redhat.com/ubi9/python-311:9.5-1730@sha256:2222222222222222222222222222222222222222222222222222222222222222
ENV PIP_INDEX_URL=https://nexus.example.internal/repository/pypi-all/simple \
    PIP_NO_CACHE_DIR=1
WORKDIR /opt/app-root/src
COPY requirements.txt .
RUN pip install --require-hashes -r requirements.txt
COPY app ./app
USER 1001
HEALTHCHECK CMD ["python", "-m", "app.health"]
CMD ["python", "-m", "app"]
