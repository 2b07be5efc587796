# CloudBill. `make up` starts everything on this machine; `make help` lists the rest.
# Settings come from the environment: PORT=8081 make up, DATABASE_URL=... make up.

UV_VERSION := 0.13.8
PYTHON ?=
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help up down reset status test check proof bench fmt lock install

help:
	@echo "make up          start everything: servers, API, worker, Stripe simulator, console (DETACH=1: in the background)"
	@echo "make down        stop it; the data stays      make status   how each part is"
	@echo "make reset       stop it and delete the data  make test     run the tests"
	@echo "make check       format, lint, types, architecture, migrations"
	@echo "make proof       the long proofs, whole       make bench    measured runs against pgbench"
	@echo "make fmt         format and mend the sources  make lock     pin the dependencies anew"

up: $(INSTALLED)
	@exec .venv/bin/cloudbill up $(if $(DETACH),--detach)

down reset status: $(INSTALLED)
	@exec .venv/bin/cloudbill $@ $(if $(and $(YES),$(filter reset,$@)),--yes)

test: $(INSTALLED)
	@exec .venv/bin/python -m tests.run $(ARGS)

proof: $(INSTALLED)
	@exec .venv/bin/python -m tests.proofs $(ARGS)

bench: $(INSTALLED)
	.venv/bin/python -m bench.reconcile $(ARGS)
	.venv/bin/python -m bench.ledger

check: $(INSTALLED)
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyright
	.venv/bin/python -m pytest tests/architecture
	.venv/bin/cloudbill check-migrations

fmt: $(INSTALLED)
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock: $(INSTALLED)
	.venv/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-header --no-emit-index-url -o requirements.lock

install: $(INSTALLED)

# The environment: made once, and again only when the lock changes or it no longer works.
ifneq ($(wildcard $(INSTALLED)),)
ifneq ($(shell .venv/bin/cloudbill --help >/dev/null 2>&1 && echo works),works)
.PHONY: $(INSTALLED)
endif
endif
$(INSTALLED): requirements.lock pyproject.toml Makefile
	@UV_VERSION=$(UV_VERSION) PYTHON="$(PYTHON)" sh ./install.sh
