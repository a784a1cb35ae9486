# Two commands do everything: `make run` and `make test`. Both set the environment up when needed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
RECIPE ?= digits_cgan
ARGS ?=
# These fork TFX, which works only before TensorFlow has run: they get a process of their own.
FORKING := tests/pipeline/runners/kubeflow tests/e2e/test_kubeflow_package.py
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run test lint docs lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

run: .venv/.ready ## run a recipe end to end (RECIPE=digits_cgan ARGS="--set train.steps=200")
	@genvision run $(RECIPE) $(ARGS)

test: lint ## lint, types, import contract and all tests (ARGS="-k gate")
	@$(if $(strip $(ARGS)),pytest $(ARGS),pytest $(FORKING) && pytest $(addprefix --ignore=,$(FORKING)))

lint: .venv/.ready ## lint, format check, types and import contract only
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-logo

docs: .venv/.ready ## the documentation as a site in runs/site
	@mkdocs build --strict --quiet

lock: .venv/.uv ## resolve setup.py, requirements.in and the overrides into the two lock files
	@$(BIN)/uv pip compile --quiet setup.py requirements.in --extra dev \
	  --override requirements.overrides --python-version 3.11 --generate-hashes \
	  --no-annotate --custom-compile-command "make lock" --output-file requirements.lock
	@sed 's/^tensorflow>/tensorflow[and-cuda]>/' requirements.overrides > .venv/cuda.overrides
	@$(BIN)/uv pip compile --quiet setup.py requirements.in --extra dev \
	  --override .venv/cuda.overrides --constraint requirements.lock --python-version 3.11 \
	  --generate-hashes --no-annotate --custom-compile-command "make lock" \
	  --output-file requirements-cuda.lock \
	  $$(sed -nE 's/^([A-Za-z0-9._-]+)(\[[^]]*\])?==.*/--no-emit-package \1/p' requirements.lock)

clean: ## remove the environment and every run
	rm -rf .venv runs *.egg-info

.venv/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { echo "genvision needs Python 3.11; '$(PYTHON)' is not that. Name one: make run PYTHON=/path/to/python3.11" >&2; exit 2; }
	@command -v g++ >/dev/null || { echo "genvision needs g++ to build one dependency; install it first (Debian: apt-get install g++)" >&2; exit 2; }
	@echo "environment: creating .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

# The stamp is newer than the lock only after a complete install, so an interrupted one starts over.
.venv/.ready: .venv/.uv requirements.lock setup.py
	@echo "environment: installing requirements.lock, hashes checked (a minute or two, once)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes --compile-bytecode -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
