# The operator alone, on the versions that its lock pins: no compiler, no pip cache, no root.
ARG BASE=python:3.12.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The build backend stays in this stage. What has no wheel would have to be compiled, and fails.
COPY requirements/build.lock requirements/operator.lock requirements/
RUN python3 -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary=:all: -r requirements/build.lock \
 && python3 -m venv /opt/modelrollout \
 && /opt/modelrollout/bin/pip install --require-hashes --only-binary=:all: -r requirements/operator.lock
COPY pyproject.toml README.md ./
COPY operator ./operator
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/modelrollout/bin/pip install --no-deps --no-index /wheels/*.whl

FROM ${BASE}
ENV PATH=/opt/modelrollout/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/modelrollout /opt/modelrollout
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["modelrollout-operator"]
CMD ["run", "--config", "/etc/modelrollout/config.yaml"]
