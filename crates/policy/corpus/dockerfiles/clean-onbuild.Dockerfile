FROM registry.example.internal/base/node:24.9.0@sha256:2525252525252525252525252525252525252525252525252525252525252525
ONBUILD COPY package.json package-lock.json /app/
ONBUILD RUN cd /app && npm ci
ONBUILD COPY . /app
WORKDIR /app
USER 1001
CMD ["npm", "start"]
HEALTHCHECK NONE
