# A worker of this project. The wheel holds the platform; the project's own folders are copied beside it.
FROM python:3.11-slim
WORKDIR /project
COPY requirements requirements
# By their hashes, first what builds those that have no wheel for this machine; see `make constraints`.
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt \
    && pip install --no-cache-dir --require-hashes --no-build-isolation -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY src src
RUN pip install --no-cache-dir --no-build-isolation --no-deps .
COPY schemas schemas
COPY producers producers
COPY consumers consumers
COPY streams streams
RUN useradd --create-home worker && mkdir /data && chown worker /data
USER worker
EXPOSE 8700
CMD ["verbwire", "worker"]
