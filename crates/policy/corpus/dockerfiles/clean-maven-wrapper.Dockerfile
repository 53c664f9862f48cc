FROM registry.access.redhat.com/ubi9/openjdk-17:1.23-2@sha256:2121212121212121212121212121212121212121212121212121212121212121 AS build
WORKDIR /home/default
COPY --chown=185 pom.xml ./
COPY --chown=185 .mvn/settings.xml .mvn/settings.xml
COPY --chown=185 src src
RUN mvn -B -s .mvn/settings.xml -DskipTests package
FROM registry.access.redhat.com/ubi9/openjdk-17-runtime:1.23-2@sha256:3030303030303030303030303030303030303030303030303030303030303030
COPY --from=build /home/default/target/service.jar /deployments/
USER 185
HEALTHCHECK NONE
