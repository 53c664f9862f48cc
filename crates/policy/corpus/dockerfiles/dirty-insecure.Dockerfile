FROM registry.access.redhat.com/ubi8/ubi:8.4
RUN curl -k -o /usr/bin/oc https://mirror.example.com/pub/openshift-v4/clients/ocp/stable/oc && chmod +x /usr/bin/oc
RUN pip3 install --trusted-host nexus.example.com --index-url http://nexus.example.com/repository/pypi/simple --extra-index-url https://other.example.com/simple numpy pandas==1.3.0
RUN git config --global http.sslVerify false && git clone https://git.example.com/a/b.git
RUN npm config set strict-ssl false
ENV NODE_TLS_REJECT_UNAUTHORIZED=0
ENV PYTHONHTTPSVERIFY=0
RUN yum install -y --nogpgcheck https://rpms.example.org/x/x-1.0.rpm
