# Two images from one file. Both run one process, need no shell and write nothing but to /tmp.
#   docker build -t headgate .                      production: without the demo and its known passwords
#   docker build -t headgate:demo --target demo .   the demo; docker run --rm -p 8080:8080 -p 8081:8081 headgate:demo
#
# A tag can be moved to another image. `make pin` writes the digest of today's image behind it; commit that.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
# Without pip, so that nothing can be installed in the final images.
RUN python -m venv --without-pip /opt/headgate

# The lock comes before the source, so that a change of code keeps this layer. Wheels only, so no compiler is needed.
COPY requirements.lock ./
RUN pip --python /opt/headgate/bin/python install --only-binary=:all: --require-hashes -r requirements.lock


FROM build AS build-headgate

COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
RUN rm -r gateway/demo && pip --python /opt/headgate/bin/python install --no-deps .


FROM build AS build-demo

COPY requirements-demo.lock ./
RUN pip --python /opt/headgate/bin/python install --only-binary=:all: --require-hashes -r requirements-demo.lock

COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
RUN pip --python /opt/headgate/bin/python install --no-deps .


FROM ${PYTHON_IMAGE} AS runtime

ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="headgate" \
      org.opencontainers.image.description="A second factor in front of an unchanged Drupal site." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

# The base image has pip, and a second one inside ensurepip.
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
    && rm -rf /usr/local/lib/python3.13/ensurepip \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin headgate

ENV PATH=/opt/headgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

ENTRYPOINT ["headgate"]


FROM runtime AS demo

COPY --from=build-demo /opt/headgate /opt/headgate

USER 10001:10001
EXPOSE 8080 8081

# Inside a container, loopback can't be reached from outside. The simulated Drupal needs a port that can be published.
CMD ["demo", "--host", "0.0.0.0", "--drupal-port", "8081"]


FROM runtime AS headgate

COPY --from=build-headgate /opt/headgate /opt/headgate
# Every key with its default. A mount over /etc/headgate replaces it.
COPY --chmod=0444 config/gateway.yaml /etc/headgate/gateway.yaml

ENV HEADGATE_CONFIG=/etc/headgate/gateway.yaml

# A number, because runAsNonRoot can't look up a name.
USER 10001:10001
EXPOSE 8080

# http.client, because urllib would use a proxy from the environment. An admin listener on 0.0.0.0 answers here, too.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-Ic", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('HEADGATE_ADMIN__PORT', 9090)), timeout=2); c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)"]

CMD ["serve"]
