# The gateway's image: one process, no shell needed, nothing written but /tmp.
FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
# Without pip: what the final stage copies can install nothing.
RUN python -m venv --without-pip /opt/headgate

# The lock before the source: a change of code leaves this layer as it is. Wheels only, so no compiler is ever needed.
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

# The base image brings its own pip, and a second one inside ensurepip.
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
    && rm -rf /usr/local/lib/python3.13/ensurepip \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin headgate

COPY --from=build /opt/headgate /opt/headgate
# Every key with its default; a mount over /etc/headgate takes its place.
COPY --chmod=0444 config/gateway.yaml /etc/headgate/gateway.yaml

ENV PATH=/opt/headgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEADGATE_CONFIG=/etc/headgate/gateway.yaml

# A number, not a name: runAsNonRoot can't look a name up.
USER 10001:10001
EXPOSE 8080

# http.client rather than urllib, which would ask a proxy named in the environment. An admin listener on 0.0.0.0 answers here too.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-Ic", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('HEADGATE_ADMIN__PORT', 9090)), timeout=2); c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["headgate"]
CMD ["serve"]
