# The same programs in less time and space: the compiler stays in a stage of its own, which runs beside the installation of R;
# make uses every core; what nobody needs later (tests, static library, recommended packages, package lists) is left out.
FROM debian:bookworm AS python2
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make wget zlib1g-dev libssl-dev libffi-dev libsqlite3-dev libbz2-dev libreadline-dev
WORKDIR /src
RUN wget -nv https://www.python.org/ftp/python/2.7.18/Python-2.7.18.tgz \
 && echo "da3080e3b488f648a3d7a4560ddee895284c3380b11d6de75edb986526b9a814  Python-2.7.18.tgz" | sha256sum -c - \
 && tar -xf Python-2.7.18.tgz --strip-components=1
RUN ./configure --without-ensurepip
RUN make -j"$(nproc)"
RUN make install DESTDIR=/out \
 && rm -rf /out/usr/local/lib/python2.7/test /out/usr/local/lib/python2.7/*/test /out/usr/local/lib/python2.7/config/*.a /out/usr/local/lib/*.a \
 && strip /out/usr/local/bin/python2.7

FROM debian:bookworm
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends r-base-core r-cran-data.table python3 python3-pip python3-setuptools wget curl ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=python2 /out/ /
WORKDIR /swish
