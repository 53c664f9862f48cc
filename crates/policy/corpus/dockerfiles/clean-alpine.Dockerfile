FROM alpine:3.24.1@sha256:1717171717171717171717171717171717171717171717171717171717171717
RUN apk add --no-cache nginx=1.28.0-r3 tini=0.19.0-r3
COPY nginx.conf /etc/nginx/nginx.conf
USER nginx
EXPOSE 8080
HEALTHCHECK CMD wget -q -O /dev/null http://localhost:8080/healthz
ENTRYPOINT ["/sbin/tini", "--"]
CMD ["nginx", "-g", "daemon off;"]
