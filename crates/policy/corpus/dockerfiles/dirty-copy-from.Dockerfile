FROM golang:1.15 AS builder
COPY . .
RUN go get ./... && go build -o app && go install example.com/tool@latest
FROM alpine:3.12
COPY --from=builder /go/app /app
COPY --from=bilder /go/x /x
COPY --from=registry.example.com/tools:latest /bin/t /bin/t
RUN apk update && apk add curl
RUN apk upgrade
CMD /app
