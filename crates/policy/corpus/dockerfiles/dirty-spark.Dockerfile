FROM quay.io/someone/openjdk-8:1.0
ARG SPARK_VERSION=2.4.6
ARG HADOOP_VERSION=2.7
ENV SPARK_VERSION=3.0.1
RUN curl -L https://archive.example.org/dist/spark/spark-${SPARK_VERSION}/spark-${SPARK_VERSION}-bin-hadoop${HADOOP_VERSION}.tgz | tar -xz -C /opt
ADD https://repository.example.org/maven2/org/example/aws-sdk-1.11.jar /opt/spark/jars/
RUN wget -P /opt/spark/jars https://repository.example.org/maven2/com/example/hadoop-aws-3.2.jar
RUN ln -s /opt/spark-${SPARK_VERSION}-bin-hadoop${HADOOP_VERSION} /opt/spark
