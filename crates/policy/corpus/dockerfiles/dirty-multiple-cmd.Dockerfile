FROM debian:12
CMD ["a"]
CMD ["b"]
ENTRYPOINT ["x"]
ENTRYPOINT ["y"]
HEALTHCHECK CMD a
HEALTHCHECK CMD b
ENV PATH=/opt/bin:$PATH:
ENV LD_LIBRARY_PATH=:/opt/lib
RUN cd /opt
RUN cd /srv && ls
MAINTAINER ada@example.com
