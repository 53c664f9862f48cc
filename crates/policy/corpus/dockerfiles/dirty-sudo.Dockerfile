FROM fedora:30
RUN sudo dnf install -y vim
RUN dnf -y update
RUN su - user -c 'pip install --user foo'
RUN bash -c 'curl http://example.com/a | python3'
