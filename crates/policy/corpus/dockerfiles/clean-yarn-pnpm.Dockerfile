FROM node:24.9.0-alpine3.24@sha256:2828282828282828282828282828282828282828282828282828282828282828
WORKDIR /app
COPY package.json pnpm-lock.yaml ./
RUN corepack enable && pnpm install --frozen-lockfile --prod
COPY . .
USER node
CMD ["node", "server.js"]
HEALTHCHECK CMD ["node", "health.js"]
