# The operator alone: no compiler, no pip cache, no root.
FROM python:3.12.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY operator ./operator
RUN python -m venv /opt/modelrollout \
 && /opt/modelrollout/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM python:3.12.11-slim-bookworm
ENV PATH=/opt/modelrollout/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/modelrollout /opt/modelrollout
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["modelrollout-operator"]
CMD ["run", "--config", "/etc/modelrollout/config.yaml"]
