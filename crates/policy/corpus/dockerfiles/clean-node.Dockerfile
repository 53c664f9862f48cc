FROM node:24.9.0-bookworm-slim@sha256:6666666666666666666666666666666666666666666666666666666666666666 AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:24.9.0-bookworm-slim@sha256:6666666666666666666666666666666666666666666666666666666666666666
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
HEALTHCHECK CMD ["node", "dist/health.js"]
CMD ["node", "dist/main.js"]
