# Everything that a developer runs. `make help` lists the targets.

# Used to make the environment; the newest Python on PATH stands in when this one is too old.
PYTHON ?= python3
export PYTHON

python := .venv/bin/python
environment := .venv/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The steps use all cores themselves, and their output is read in order.
.NOTPARALLEL:

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' Makefile

$(environment): pyproject.toml requirements-dev.lock scripts/make-environment scripts/find-python
	@scripts/make-environment

.PHONY: environment
environment: $(environment) ## Make the environment .venv, or bring it up to date

.PHONY: test
test: $(environment) ## Run every test but the benchmarks and the fuzzers
	@$(python) -m pytest

.PHONY: check
check: lint types layers test ## Run everything that must pass before a commit lands

.PHONY: lint
lint: $(environment) ## Check style and format
	@$(python) -m ruff check
	@$(python) -m ruff format --check

.PHONY: format
format: $(environment) ## Bring the code into its format
	@$(python) -m ruff check --fix --exit-zero --quiet
	@$(python) -m ruff format

.PHONY: types
types: $(environment) ## Check the types
	@$(python) -m mypy

.PHONY: layers
layers: $(environment) ## Check that each floor imports only from those below it
	@$(python) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

.PHONY: lock
lock: ## Choose the versions in requirements-dev.lock anew
	@scripts/lock
