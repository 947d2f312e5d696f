# A worker of this project. The wheel holds the platform; the project's own folders are copied beside it.
FROM python:3.11-slim
WORKDIR /project
COPY pyproject.toml constraints.txt README.md hatch_build.py ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt .
COPY schemas schemas
COPY producers producers
COPY consumers consumers
COPY streams streams
RUN useradd --create-home worker && mkdir /data && chown worker /data
USER worker
EXPOSE 8700
CMD ["verbwire", "worker"]
