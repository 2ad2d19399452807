# Every command of the project; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help run setup test check format lock bench-quick break languages chaos clean redis chromium oathtool typescript

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## start the demo (or, with DRUPAL_URL=…, the gateway in front of that site)
	@exec $(BIN)/headgate demo $(if $(DRUPAL_URL),--drupal-url "$(DRUPAL_URL)")

setup: .venv/.runtime ## make .venv with the headgate command in it

test: .venv/.dev redis chromium oathtool typescript ## run every test (short forms of the long ones)
	@$(BIN)/python -m pytest $(ARGS)

check: .venv/.dev ## ruff, mypy strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 

format: .venv/.dev ## let ruff put the code in order
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench-quick: .venv/.dev redis ## CPU per login against a bare aiohttp floor, under a minute
	@$(BIN)/python -m tests.bench.quick

break: .venv/.dev redis oathtool ## break every promise once and expect its test to turn red
	@$(BIN)/python -m tests.breaks

chaos: .venv/.dev redis oathtool ## the long forms: kills, races, floods (minutes)
	@HEADGATE_LONG=1 $(BIN)/python -m pytest tests/chaos tests/flows $(ARGS)

languages: .venv/.dev ## bring the catalogues up to what the code says, and compile them
	@$(BIN)/python -m tests.catalogues

lock: ## write the lock files anew from pyproject.toml
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install -qq pip-tools
	@.venv-lock/bin/pip-compile --quiet --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --extra demo --output-file requirements.lock pyproject.toml
	@.venv-lock/bin/pip-compile --quiet --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --extra test --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	@rm -rf .venv-lock

clean: ## remove .venv and caches
	@rm -rf .venv tests/typescript/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: requirements.lock pyproject.toml gateway/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit("Headgate needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || { echo "Making .venv …"; $(PYTHON) -m venv .venv; }
	@echo "Installing what requirements.lock pins …"
	@$(BIN)/pip install -qq --require-hashes -r requirements.lock
	@$(BIN)/pip install -qq --no-deps --editable .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.runtime
	@echo "Installing the tools for testing …"
	@$(BIN)/pip install -qq --require-hashes -r requirements-dev.lock
	@touch $@

redis:
	@sh tests/need.sh redis-server redis-server redis

chromium:
	@sh tests/need.sh chromium chromium chromium

oathtool:
	@sh tests/need.sh oathtool oathtool oath-toolkit

typescript: tests/typescript/node_modules/.installed

tests/typescript/node_modules/.installed: tests/typescript/package-lock.json
	@sh tests/need.sh npm npm npm
	@echo "Installing the TypeScript compiler …"
	@npm ci --silent --prefer-offline --prefix tests/typescript
	@touch $@
