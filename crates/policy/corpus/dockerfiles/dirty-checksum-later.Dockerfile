FROM debian:12
RUN curl -fsSLo /tmp/a.tgz https://example.com/a-1.0.tgz
RUN echo "aaaa /tmp/b.tgz" | sha256sum -c -
RUN tar xzf /tmp/a.tgz
