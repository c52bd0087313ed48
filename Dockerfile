# The bundled extension, frozen, for use with your own osqueryd; see docs/containers.md.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm
# The same release of Debian as above: the bundle needs a C library at least as new as that of its build.
ARG RUN_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${PYTHON_IMAGE} AS dev
# PyInstaller strips with binutils.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
ENV PATH=/opt/venv/bin:$PATH
COPY requirements/dev.lock requirements/
RUN python3 -m venv /opt/venv \
    && pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/dev.lock
COPY pyproject.toml README.md LICENSE ./
COPY kit kit
COPY sdk sdk
COPY tables tables
COPY plugins plugins
COPY extensions extensions
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e .

FROM dev AS build
# With the commit's time (`git log -1 --format=%ct`) every build gives the same bytes.
ARG SOURCE_DATE_EPOCH=0
RUN osquery-sdk build extensions/kolide_ext --output /out

FROM ${RUN_IMAGE}
COPY --from=build /out/kolide_ext.bundle /usr/lib/osquery/extensions/kolide_ext
RUN ln -s /usr/lib/osquery/extensions/kolide_ext/kolide_ext.ext /usr/local/bin/kolide_ext
# This user suffices for the embedded engine. Only root can open the socket of an osqueryd that runs as root:
# use --user 0 for it.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/kolide_ext"]
CMD ["--socket", "/var/osquery/osquery.em", "--timeout", "30"]
