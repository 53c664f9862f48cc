FROM registry.access.redhat.com/ubi9/python-39:1-117.1684741281
ARG PYTHON_VERSION=3.8
ENV AIRFLOW_VERSION=2.2.0
RUN pip install apache-airflow==2.3.0
RUN curl -fL -o /opt/app-2.1.tgz https://example.com/app-2.0.tgz
