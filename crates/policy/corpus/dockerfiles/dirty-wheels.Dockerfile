FROM python:3.9-slim
COPY wheels/*.whl /tmp/
RUN pip install /tmp/*.whl
RUN pip install https://example.com/x-1.0-py3-none-any.whl
RUN pip install --only-binary :all: numpy==1.20
COPY libs/*.jar /opt/
COPY bin/tool /usr/local/bin/tool
ADD https://example.com/tool.zip /opt/
RUN unzip /opt/tool.zip
