# The gateway's image: one process that needs no shell and writes only to /tmp.
FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
# Without pip, because the final stage copies this environment and must not be able to install anything.
RUN python -m venv --without-pip /opt/headgate

# The lock file comes before the source, so that a change of code does not rebuild this layer. Wheels need no compiler.
COPY requirements.lock ./
RUN pip --python /opt/headgate/bin/python install --only-binary=:all: --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
RUN pip --python /opt/headgate/bin/python install --no-deps .


FROM python:3.13-slim

ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="headgate" \
      org.opencontainers.image.description="A second factor in front of an unchanged Drupal site." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

# Remove pip: the base image contains one, and a second one inside ensurepip.
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
    && rm -rf /usr/local/lib/python3.13/ensurepip \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin headgate

COPY --from=build /opt/headgate /opt/headgate
# Every key with its default. A mount over /etc/headgate replaces this file.
COPY --chmod=0444 config/gateway.yaml /etc/headgate/gateway.yaml

ENV PATH=/opt/headgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEADGATE_CONFIG=/etc/headgate/gateway.yaml

# A number, because Kubernetes' runAsNonRoot can't resolve a name.
USER 10001:10001
EXPOSE 8080

# Not urllib, because it would use a proxy from the environment. An admin listener on 0.0.0.0 answers on 127.0.0.1 too.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-Ic", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('HEADGATE_ADMIN__PORT', 9090)), timeout=2); c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["headgate"]
CMD ["serve"]
