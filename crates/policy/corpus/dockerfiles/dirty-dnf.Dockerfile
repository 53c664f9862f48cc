FROM registry.access.redhat.com/ubi8:latest
RUN dnf install python36 nodejs
RUN dnf -y module enable nodejs:12 && dnf -y install nodejs
RUN microdnf -y install gcc
RUN dnf config-manager --add-repo http://repo.example.com/x.repo
RUN echo gpgcheck=0 >> /etc/yum.conf
RUN sed -i 's/gpgcheck=1/gpgcheck=0/' /etc/yum.repos.d/x.repo
