# Everything that a developer runs. `make help` lists the targets.

# Makes the environment; the newest Python on PATH stands in where this one is too old.
PYTHON ?= python3
export PYTHON

IMAGE ?= symbolon
version = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

python := .venv/bin/python
environment := .venv/.installed
fuzz_environment := .venv/.installed-fuzz

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The steps use all cores themselves, and their output is read in order.
.NOTPARALLEL:

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' Makefile

$(environment): pyproject.toml requirements-dev.lock scripts/make-environment scripts/find-python
	@scripts/make-environment

# Takes half a minute after a change of the modules that are compiled, and nothing otherwise. Where it is not possible
# the source runs as it is.
.PHONY: compiled
compiled: $(environment) ## Compile the hot modules of the server, if this machine can
	@$(python) scripts/compile_modules.py --quiet

.PHONY: environment
environment: $(environment) compiled ## Make the environment .venv, or bring it up to date

.PHONY: run
run: $(environment) compiled ## Serve the sample symbols, symbolicate the sample crash, serve on until interrupted
	@exec $(python) scripts/run_sample.py

.PHONY: test
test: $(environment) ## Run every quick test, or those of T=tests/cache or T='tests/cli -k tables' alone
	@$(python) -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder $(T)

.PHONY: bench
bench: $(environment) ## Measure everything, or with PART=hot that alone
	@$(python) -m tests.bench $(PART)

# What only the fuzzers need; the other targets do without it.
$(fuzz_environment): $(environment)
	@$(python) -m pip install --quiet --disable-pip-version-check --no-input \
		--constraint requirements-dev.lock $$($(python) scripts/dependency_group.py fuzz)
	@touch $@

.PHONY: fuzz
fuzz: $(fuzz_environment) ## Fuzz every target for FUZZ_SECONDS=60, or with TARGET=page that alone
	@$(python) -m tests.fuzz $(TARGET)

.PHONY: hostile
hostile: $(environment) ## Read hostile symbol files of full size, within limits of memory and time
	@$(python) -m pytest -m hostile -s tests/hostile

.PHONY: sweep
sweep: $(environment) ## Compare large native debug files with what other programs read in them
	@$(python) -m pytest -m sweep -s tests/debug_files

.PHONY: soak
soak: $(environment) ## Inject faults under load for ten minutes, or with SECONDS=60 REDIS=cluster (or sentinel); then the longest tests
	@$(python) -m tests.system.load.soak $(or $(SECONDS),600) $(REDIS)
	@$(python) -m pytest -m soak tests/system tests/bench

.PHONY: check
check: lint types layers protos-check reference-check audit test ## Run everything that must pass before a commit lands

.PHONY: lint
lint: $(environment) ## Check style, format and words
	@$(python) -m ruff check
	@$(python) -m ruff format --check
	@$(python) scripts/check_words.py

.PHONY: format
format: $(environment) ## Bring the code into its format
	@$(python) -m ruff check --fix --exit-zero --quiet
	@$(python) -m ruff format

.PHONY: types
types: $(environment) ## Check the types
	@$(python) -m mypy

.PHONY: layers
layers: $(environment) ## Check that each floor imports only from those below it
	@.venv/bin/lint-imports --no-logo

.PHONY: reference
reference: $(environment) ## Write docs/reference.md from the code, and docs/promises.md from the tests
	@$(python) scripts/reference.py
	@$(python) scripts/promises.py

.PHONY: reference-check
reference-check: $(environment) ## Check that docs/reference.md and docs/promises.md are up to date
	@$(python) scripts/reference.py --check
	@$(python) scripts/promises.py --check

.PHONY: manifests
manifests: $(environment) ## Write deploy/manifests and the copies in deploy/helm/symbolon/files; needs helm
	@$(python) scripts/manifests.py

.PHONY: protos
protos: $(environment) ## Write client/symbolon/v1 and docs/api.md from protos/
	@$(python) scripts/generate_protos.py
	@$(python) scripts/api_reference.py

.PHONY: protos-check
protos-check: $(environment) ## Check protos/, and that what is made of them is what they say
	@.venv/bin/buf lint protos
	@$(python) scripts/generate_protos.py --check
	@$(python) scripts/api_reference.py --check

.PHONY: audit
audit: $(environment) ## Look up the pinned packages among the known vulnerabilities
	@$(python) scripts/audit.py

.PHONY: lock
lock: ## Choose the versions in requirements-dev.lock anew
	@scripts/lock

.PHONY: wheel
wheel: $(environment) ## Build the wheel into dist/ or WHEEL_FOLDER=/elsewhere, and say how to install it
	@$(python) scripts/build_wheel.py $(WHEEL_FOLDER)

.PHONY: sdist
sdist: $(environment) ## Build the source distribution into dist/ or SDIST_FOLDER=/elsewhere
	@$(python) scripts/build_wheel.py --sdist $(SDIST_FOLDER)

.PHONY: sbom
sbom: $(environment) ## Write dist/sbom.json: what the wheel with all extras depends on, as CycloneDX
	@$(python) scripts/sbom.py

.PHONY: image
image: ## Build the container image symbolon, or IMAGE=registry.example.org/symbolon:0.2.0
	docker build --tag $(IMAGE) --build-arg VERSION=$(version) \
		--build-arg REVISION=$$(git describe --always --dirty --abbrev=40 --exclude '*') .

.PHONY: image-test
image-test: $(environment) ## Build the image with buildah on a debootstrapped base, start it and ask for a frame
	@$(python) -m pytest -m image tests/project/test_image.py

.PHONY: redis-store-cli
redis-store-cli: $(environment) ## Open a command line on the store
	@exec $(python) -m symbolon_server.redis_servers.command_line store

.PHONY: redis-cache-cli
redis-cache-cli: $(environment) ## Open a command line on the cache
	@exec $(python) -m symbolon_server.redis_servers.command_line cache
