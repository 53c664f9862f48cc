ARG VERSION=1.2
ARG UNUSED=x
FROM debian:$VERSION
RUN echo $VERSION
ARG TAGET_DIR=/opt
RUN mkdir -p ${TARGET_DIR}/x
FROM base-${SUFFIX}
COPY --from=builder /a /b
COPY ../secret /x
