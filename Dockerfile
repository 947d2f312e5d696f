# A worker of this project: the platform is installed, the project's own folders lie beside it. A project that is not this
# repository installs verbwire from an index instead, see docs/containers.md.
FROM python:3.11-slim AS build
# For the compiled codec; without a compiler the image works as well, slower.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/verbwire
ENV PATH=/opt/verbwire/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements requirements
# What it depends on is a layer of its own, installed again only when that changes: by its hashes, first what builds those
# that have no wheel for this machine; see `make constraints`.
RUN pip install --require-hashes --only-binary :all: -r requirements/build.txt \
    && pip install --require-hashes --no-build-isolation -r requirements/run.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY src src
RUN pip install --no-build-isolation --no-deps .

FROM python:3.11-slim
ENV PATH=/opt/verbwire/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Kubernetes' runAsNonRoot wants a number. A new volume on /data belongs to whom /data belongs here.
RUN useradd --uid 10001 --create-home worker && install --directory --owner worker --mode 700 /data
COPY --from=build /opt/verbwire /opt/verbwire
WORKDIR /project
COPY pyproject.toml ./
COPY schemas schemas
COPY producers producers
COPY consumers consumers
COPY streams streams
USER 10001
ENV VERBWIRE_DATA=/data
VOLUME /data
EXPOSE 8700
STOPSIGNAL SIGTERM
CMD ["verbwire", "worker"]
