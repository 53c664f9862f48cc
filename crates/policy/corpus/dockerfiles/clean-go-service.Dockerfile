# syntax=docker/dockerfile:1
FROM golang:1.26.2-bookworm@sha256:1111111111111111111111111111111111111111111111111111111111111111 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY cmd ./cmd
COPY internal ./internal
RUN --mount=type=cache,target=/go/pkg/mod CGO_ENABLED=0 go build -trimpath -o /out/server ./cmd/server

FROM scratch
COPY --from=build /out/server /server
USER 65532:65532
EXPOSE 8080
HEALTHCHECK CMD ["/server", "healthcheck"]
ENTRYPOINT ["/server"]
