# The operator alone, on the versions that its lock pins: no compiler, no pip, no root.
# Golden sets in Parquet, for 165 MB more: --build-arg EXTRAS=parquet.
# Another base with Python 3.11 or newer, its venv module and libstdc++: --build-arg BASE=..., pinned by its digest too.
ARG BASE=docker.io/library/python:3.12.11-slim-bookworm@sha256:519591d6871b7bc437060736b9f7456b8731f1499a57e22e6c285135ae657bf7

FROM ${BASE} AS build
ARG EXTRAS=""
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
# pip and the build backend stay in this stage. What has no wheel would have to be compiled, and fails.
COPY requirements/build.lock requirements/operator.lock requirements/parquet.lock requirements/
RUN python3 -m venv /opt/build \
 && python3 -m venv --without-pip /opt/modelrollout \
 && /opt/build/bin/pip install --no-compile --require-hashes --only-binary=:all: -r requirements/build.lock \
 && /opt/build/bin/pip --python /opt/modelrollout/bin/python install --no-compile --require-hashes \
    --only-binary=:all: -r requirements/operator.lock \
 && for extra in ${EXTRAS}; do /opt/build/bin/pip --python /opt/modelrollout/bin/python install --no-compile \
    --no-deps --require-hashes --only-binary=:all: -r requirements/${extra}.lock || exit 1; done
COPY pyproject.toml README.md ./
COPY operator ./operator
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/build/bin/pip --python /opt/modelrollout/bin/python install --no-compile --no-deps --no-index /wheels/*.whl

FROM ${BASE}
# The base's own pip, wherever Python or Debian put it: nobody installs anything into a running operator.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
    /usr/lib/python3*/ensurepip /usr/share/python-wheels
# Its user stands in no /etc/passwd, and the Kubernetes client asks for a home when it is imported.
ENV HOME=/ PATH=/opt/modelrollout/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/modelrollout /opt/modelrollout
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["modelrollout-operator"]
CMD ["run", "--config", "/etc/modelrollout/config.yaml"]
