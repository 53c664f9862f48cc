ARG JAVA_IMAGE=registry.access.redhat.com/ubi9/openjdk-17:1.23-2@sha256:2121212121212121212121212121212121212121212121212121212121212121
FROM ${JAVA_IMAGE}
USER 0
ENV SPARK_HOME=/opt/spark \
    PATH=/opt/spark/bin:$PATH
COPY spark-src /usr/src/spark
WORKDIR /usr/src/spark
RUN ./dev/make-distribution.sh --name custom -Pkubernetes && mkdir -p "$SPARK_HOME" && cp -r dist/. "$SPARK_HOME"/
RUN chgrp -R 0 "$SPARK_HOME" && chmod -R g=u "$SPARK_HOME"
USER 185
WORKDIR /opt/spark/work-dir
ENTRYPOINT ["/opt/spark/kubernetes/dockerfiles/spark/entrypoint.sh"]
HEALTHCHECK NONE
