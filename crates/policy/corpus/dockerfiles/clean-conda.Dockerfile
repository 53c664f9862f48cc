FROM mambaorg/micromamba:2.3.2@sha256:2424242424242424242424242424242424242424242424242424242424242424
COPY --chown=1000:1000 conda-lock.yml /tmp/conda-lock.yml
RUN micromamba install -y -n base -f /tmp/conda-lock.yml && micromamba clean --all --yes
USER 1000
WORKDIR /home/mambauser
CMD ["python"]
HEALTHCHECK NONE
