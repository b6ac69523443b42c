# make demo   set up, run three nations' nodes and a simulated sea, open the page
# make test   set up with the test extras, run every check
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test install page lint unit clean lock servers stale
.DEFAULT_GOAL := demo

demo: install page
	$(BIN)/kuroshio demo $(ARGS)

install: $(STAMPS)/runtime

$(STAMPS)/venv:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "kuroshio needs Python >= 3.11; $(PYTHON) is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11")'
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; \
	  else echo "missing: python3-venv. Run: sudo apt-get install python3-venv" >&2; exit 1; fi; }
	$(PYTHON) -m venv $(VENV)
	mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: $(STAMPS)/venv requirements.lock pyproject.toml
	echo "installing pinned packages (once) ..."
	$(BIN)/pip install -q --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	echo "compiling the kernels (once) ..."
	$(BIN)/kuroshio warm-up
	touch $@

$(STAMPS)/dev: $(STAMPS)/runtime requirements-dev.lock
	$(BIN)/pip install -q --no-deps --require-hashes -r requirements-dev.lock
	touch $@

# The page needs Node.js >= 20.19; without it the API runs and says how to get the page.
page:
	@tools/build-page

# Debian's chromium and the servers that tests start themselves; skipped with a count where they cannot be had.
servers:
	@tools/test-extras

lint: $(STAMPS)/dev
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/lint-imports
	$(BIN)/mypy

unit: $(STAMPS)/dev
	$(BIN)/pytest -n auto --dist loadgroup $(ARGS)

test: $(STAMPS)/dev servers page lint
	tools/test-page
	$(BIN)/pytest -n auto --dist loadgroup --cov=kuroshio --cov-report=term:skip-covered --cov-fail-under=85 $(ARGS)

lock:
	$(PYTHON) tools/lock

# compiled kernels whose callees changed are not noticed by Numba
stale:
	find src -name '*.nb[ic]' -delete

clean:
	rm -rf $(STAMPS) $(VENV) web/node_modules src/kuroshio/api/page demo-data
