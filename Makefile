# The commands of the project. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
COMPILE := .venv-lock/bin/pip-compile --quiet --strip-extras --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
BASE_IMAGE := python:3.13-slim
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help run setup test check audit sbom format lock pin bench-quick break e2e languages chaos clean redis chromium oathtool typescript

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## start the demo; PORT=… is its port, DRUPAL_URL=… puts it in front of that site
	@exec $(BIN)/headgate demo $(if $(PORT),--port "$(PORT)") $(if $(DRUPAL_URL),--drupal-url "$(DRUPAL_URL)")

setup: .venv/.runtime ## make .venv with the headgate command and its demo

# Half of the tests wait for a peer or a time limit, so workers share a core. With four on two cores, a short time limit
# was missed in one run of five.
WORKERS ?= 3

test: .venv/.dev redis chromium oathtool typescript ## run every test in parallel; with ARGS="tests/unit/test_x.py", only those, one by one
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(BIN)/python -m pytest -m "not alone" --numprocesses $(WORKERS) --dist worksteal
	@$(BIN)/python -m pytest -m alone
endif

check: .venv/.dev ## run ruff, mypy strict, import-linter and the audit
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.audit

audit: .venv/.dev ## look for known vulnerabilities in what requirements.lock pins
	@$(BIN)/python -m tests.audit

sbom: .venv/.dev ## write dist/headgate.cdx.json: what the production image installs, as CycloneDX
	@mkdir -p dist
	@$(BIN)/python -W ignore::UserWarning -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --mc-type application \
		--output-reproducible --of JSON --output-file dist/headgate.cdx.json
	@echo "dist/headgate.cdx.json"

format: .venv/.dev ## format the code with ruff
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench-quick: .venv/.dev redis ## measure the CPU time per login and per proxied page, compared with bare aiohttp (a minute)
	@$(BIN)/python -m tests.bench.quick
	@$(BIN)/python -m tests.bench.proxying

break: .venv/.dev redis oathtool ## break the code once for each promise and check that a test fails
	@$(BIN)/python -m tests.breaks

chaos: .venv/.dev redis oathtool ## run the long tests: kills, races, floods (minutes)
	@HEADGATE_LONG=1 $(BIN)/python -m pytest tests/chaos tests/flows $(ARGS)

e2e: .venv/.dev redis chromium ## run every recorded way in through the guard, large bodies, and the pages in Chromium (minutes)
	@HEADGATE_LONG=1 $(BIN)/python -m pytest tests/guard tests/bypasses tests/site tests/code_page tests/browser $(ARGS)

languages: .venv/.dev ## update the catalogues from the code, and compile them
	@$(BIN)/python -m gateway.texts.compile

# Each lock keeps the pins of the one before it. None names a package index.
lock: ## write the lock files from pyproject.toml: production, demo, tests
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install -qq pip-tools
	@$(COMPILE) --output-file requirements.lock pyproject.toml
	@$(COMPILE) --extra demo --constraint requirements.lock --output-file requirements-demo.lock pyproject.toml
	@$(COMPILE) --extra demo --extra test --allow-unsafe --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	@rm -rf .venv-lock

# Every image of this checkout then starts from the same bytes. Without it, the tag says which.
pin: ## write the digest of the base image into the Dockerfile; commit it, and repeat it for updates
	@digest=$$(docker buildx imagetools inspect $(BASE_IMAGE) | sed -n 's/^Digest: *//p'); \
	echo "$$digest" | grep -Eqx 'sha256:[0-9a-f]{64}' || { echo "docker does not know the digest of $(BASE_IMAGE)" >&2; exit 1; }; \
	sed "s|^ARG PYTHON_IMAGE=.*|ARG PYTHON_IMAGE=$(BASE_IMAGE)@$$digest|" Dockerfile > Dockerfile.new && mv Dockerfile.new Dockerfile && \
	echo "$(BASE_IMAGE)@$$digest"

clean: ## remove .venv and caches
	@rm -rf .venv tests/typescript/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: requirements-demo.lock pyproject.toml gateway/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit("Headgate needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || { echo "Making .venv …"; $(PYTHON) -m venv .venv; }
	@echo "Installing what requirements-demo.lock pins …"
	@$(BIN)/pip install -qq --require-hashes -r requirements-demo.lock
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
