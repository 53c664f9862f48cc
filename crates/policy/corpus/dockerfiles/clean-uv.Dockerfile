FROM python:3.14.1-slim-trixie@sha256:1616161616161616161616161616161616161616161616161616161616161616
COPY --from=ghcr.io/astral-sh/uv:0.11.2@sha256:2626262626262626262626262626262626262626262626262626262626262626 /uv /usr/local/bin/uv
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-cache
COPY src ./src
USER 10001
CMD ["/app/.venv/bin/python", "-m", "service"]
HEALTHCHECK CMD ["/app/.venv/bin/python", "-m", "service.health"]
