FROM registry.access.redhat.com/ubi9/openjdk-21:1.21-3@sha256:4444444444444444444444444444444444444444444444444444444444444444 AS build
USER root
WORKDIR /build
COPY settings.xml /build/settings.xml
COPY pom.xml .
COPY src ./src
RUN mvn --batch-mode --settings settings.xml package

FROM registry.access.redhat.com/ubi9/openjdk-21-runtime:1.21-3@sha256:5555555555555555555555555555555555555555555555555555555555555555
COPY --from=build --chown=185:0 /build/target/app.jar /deployments/app.jar
USER 185
HEALTHCHECK CMD ["java", "-cp", "/deployments/app.jar", "example.Health"]
