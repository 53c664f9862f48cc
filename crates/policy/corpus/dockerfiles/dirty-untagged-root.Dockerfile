FROM centos
RUN yum update -y && yum install java-1.8.0-openjdk
USER root
COPY target/app.jar /app.jar
ENTRYPOINT java -jar /app.jar
