ARG AIRFLOW_BASE=registry.example.internal/aiml/python:3.12.11@sha256:3131313131313131313131313131313131313131313131313131313131313131
FROM ${AIRFLOW_BASE}
ARG AIRFLOW_VERSION=3.2.1
ENV AIRFLOW_HOME=/opt/airflow
USER root
COPY constraints-${AIRFLOW_VERSION}.txt /tmp/constraints.txt
RUN python3 -m pip install --no-cache-dir --index-url https://nexus.example.internal/repository/pypi/simple \
      --constraint /tmp/constraints.txt "apache-airflow[celery,postgres]==${AIRFLOW_VERSION}" \
 && rm /tmp/constraints.txt
WORKDIR ${AIRFLOW_HOME}
USER 1001
ENTRYPOINT ["airflow"]
CMD ["api-server"]
HEALTHCHECK NONE
