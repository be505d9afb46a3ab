PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install demo test matrix load interop recipes another-python pythons soak fuzz heavy layer extras docs check lint types public-types packages format bench clean

help:            ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt 'pip>=25.1'
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[all]' --group test --group check
	@touch $@

install: $(STAMP)  ## Create .venv with everything that the targets need

# Use the .venv of `make install` if it exists.
ifneq ($(wildcard $(STAMP)),)
DEMO := $(VENV)
else
DEMO := .venv-demo

$(DEMO)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Streamify needs Python 3.11 or newer: make demo PYTHON=python3.13")'
	@echo "Installing the demo's dependencies into $(DEMO) (about 90 MB) ..."
	@test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[demo]'
	@touch $@
endif

demo: $(DEMO)/.installed  ## Stream a text and a data set through a local Lambda
	@$(DEMO)/bin/streamify demo

test: $(STAMP)   ## Run the suite
	$(BIN)/python -m pytest -m 'not interop and not slow and not recipes' -n 2 --dist loadfile

matrix: $(STAMP)  ## Run every cell of the fault matrix
	STREAMIFY_MATRIX=full $(BIN)/python -m pytest tests/matrix -n 4  # most of its time is spent waiting

load: $(STAMP)   ## Run 100 concurrent streams and 1,000 invocations in a row
	$(BIN)/python -m pytest -m slow tests/local

interop: $(STAMP)  ## Run against other implementations from npm, Debian and PyPI; fail if one is missing
	scripts/install-peers
	$(BIN)/python scripts/install-vendors
	$(BIN)/python -m pip install -q -c constraints.txt --group docs
	$(BIN)/python -m pytest -m interop tests/interop

recipes:         ## Run the recipes with the real packages, in a separate environment
	scripts/test-recipes

another-python: $(STAMP)  ## Run the end-to-end tests on the newest installed Python that is not that of .venv
	$(BIN)/python -m pip install -q -c constraints.txt --group pythons
	$(BIN)/nox -s another

pythons: $(STAMP)  ## Run the quick part of the suite on every installed Python, with the newest and the lowest dependencies
	$(BIN)/python -m pip install -q -c constraints.txt --group pythons
	$(BIN)/nox

soak: $(STAMP)   ## Run 10,000 invocations with faults, 500 streams at once, 2,000 starts and stops
	STREAMIFY_SOAK_INVOCATIONS=5000 STREAMIFY_SOAK_STREAMS=500 STREAMIFY_SOAK_CYCLES=2000 $(BIN)/python -m pytest -s tests/soak

fuzz: $(STAMP)   ## Fuzz every parser, SECONDS=10 each (Linux)
	$(BIN)/python -m pip install -q -c constraints.txt --group fuzz
	$(BIN)/python tests/fuzz/run.py --seconds $(or $(SECONDS),10)

bench: $(STAMP)  ## Run the benchmarks
	for name in decoder client server local_throughput rows local_start cold_start; do echo "$$name:"; $(BIN)/python benchmarks/$$name.py || exit 1; done

heavy: $(STAMP)  ## Stream 200 MB into a file, checking memory, and stream for 60 s through timeouts of 3 s
	$(BIN)/python -m pytest -m slow tests/e2e -n 2 --dist loadfile

extras: $(STAMP)  ## Test each extra on its own, from the wheel, with the newest packages
	$(BIN)/python scripts/check-extras

layer: $(STAMP)  ## Build the Lambda layer, build/streamify-layer.zip, and one for each Python
	$(BIN)/python -m streamify_server.deploy.layer --each build/streamify-layer.zip

docs: $(STAMP)   ## Build the site (docs/ and the reference) into build/site and check its links
	$(BIN)/python -m pip install -q -c constraints.txt --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q --strict
	$(BIN)/python scripts/check-site

check: lint types  ## Run ruff and mypy

lint: $(STAMP)   ## Lint and check the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## Check the types
	$(BIN)/mypy

public-types: $(STAMP)  ## Check with pyright that every public name has a type (needs node)
	scripts/verify-types

packages: $(STAMP)  ## Build the sdist and the wheel into dist/, and check them
	$(BIN)/python -m pip install -q -c constraints.txt --group packages
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

format: $(STAMP)  ## Format the code, and apply ruff's fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:           ## Remove everything that the targets created
	rm -rf $(VENV) .venv-demo .nox node_modules build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
