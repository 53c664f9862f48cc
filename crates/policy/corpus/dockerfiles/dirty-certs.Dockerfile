FROM registry.access.redhat.com/ubi9/python-39:1-100
USER root
RUN pip install --no-cache-dir -r requirements.txt
COPY ca.crt /etc/pki/ca-trust/source/anchors/
RUN update-ca-trust
COPY ca-bundle.pem /opt/app-root/lib/python3.9/site-packages/certifi/cacert.pem
ENV PIP_TRUSTED_HOST=nexus.example.com
RUN pip config set global.trusted-host nexus.example.com
