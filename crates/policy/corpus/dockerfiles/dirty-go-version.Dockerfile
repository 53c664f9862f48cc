FROM golang:1.13-alpine as Build
ENV GOPROXY=direct GOFLAGS=-mod=mod GONOSUMDB=* GOINSECURE=example.com
RUN go install example.com/cmd/tool
RUN go get -u example.com/x
RUN apk add --no-cache --allow-untrusted /x.apk
