FROM rust:1.98.0-slim-trixie@sha256:1414141414141414141414141414141414141414141414141414141414141414 AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN cargo build --release --locked
FROM gcr.io/distroless/cc-debian13:nonroot@sha256:1515151515151515151515151515151515151515151515151515151515151515
COPY --from=build /src/target/release/app /app
ENTRYPOINT ["/app"]
