FROM debian:12
RUN for u in a b; do curl -sk https://example.com/$u.tar.gz | tar xz; done
RUN if [ -n "$X" ]; then pip install foo; else pip install bar==1; fi
RUN export V=latest; wget https://example.com/$V/x.zip
