FROM maven:3.6-jdk-8
COPY . /src
WORKDIR /src
RUN mvn -Dmaven.wagon.http.ssl.insecure=true clean install
RUN wget http://repository.example.org/ojdbc8.jar -O lib/ojdbc8.jar
FROM openjdk:8-jre
COPY --from=0 /src/target/*.jar /app.jar
RUN keytool -importcert -noprompt -alias ca -file /ca.crt -keystore cacerts -storepass changeit
