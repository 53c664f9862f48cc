# syntax=docker/dockerfile:1
FROM python:3.14.1-slim-trixie@sha256:1616161616161616161616161616161616161616161616161616161616161616
WORKDIR /app
COPY requirements.lock .
RUN --mount=type=secret,id=netrc,target=/root/.netrc pip install --no-cache-dir --require-hashes -r requirements.lock
COPY src src
USER nobody
CMD ["python", "src/main.py"]
HEALTHCHECK CMD ["python", "src/health.py"]
