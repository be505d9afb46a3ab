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

install: $(STAMP)  ## Build .venv with everything that the targets need

# What `make install` has made already serves the demo too.
ifneq ($(wildcard $(STAMP)),)
DEMO := $(VENV)
else
DEMO := .venv-demo

$(DEMO)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Streamify needs Python 3.11 or newer: make demo PYTHON=python3.13")'
	@echo "Installing what the demo needs into $(DEMO) (about 90 MB) ..."
	@test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[demo]'
	@touch $@
endif

demo: $(DEMO)/.installed  ## Stream a text and a data set through a local Lambda
	@$(DEMO)/bin/streamify demo

test: $(STAMP)   ## Run the suite
	$(BIN)/python -m pytest -m 'not interop and not slow and not recipes' -n 2 --dist loadfile

matrix: $(STAMP)  ## Run every cell of the fault matrix
	STREAMIFY_MATRIX=full $(BIN)/python -m pytest tests/matrix -n 4  # its cells mostly wait

load: $(STAMP)   ## Run 100 concurrent streams and 1,000 invocations in a row
	$(BIN)/python -m pytest -m slow tests/local

interop: $(STAMP)  ## Run against peers from npm, Debian and PyPI; a missing peer is a failure
	scripts/install-peers
	$(BIN)/python scripts/install-vendors
	$(BIN)/python -m pip install -q -c constraints.txt --group docs
	$(BIN)/python -m pytest -m interop tests/interop

recipes:         ## Run the recipes with the packages that they are about, in an environment of their own
	scripts/test-recipes

another-python: $(STAMP)  ## Run what goes over the whole wire on the newest Python here that .venv does not have
	$(BIN)/python -m pip install -q -c constraints.txt --group pythons
	$(BIN)/nox -s another

pythons: $(STAMP)  ## Run the quick part of the suite on every Python here, with the newest and with the lowest dependencies
	$(BIN)/python -m pip install -q -c constraints.txt --group pythons
	$(BIN)/nox

soak: $(STAMP)   ## Run 10,000 invocations with faults, 500 streams at once, 2,000 starts and stops
	STREAMIFY_SOAK_INVOCATIONS=5000 STREAMIFY_SOAK_STREAMS=500 STREAMIFY_SOAK_CYCLES=2000 $(BIN)/python -m pytest -s tests/soak

fuzz: $(STAMP)   ## Fuzz every parser, SECONDS=10 each (Linux)
	$(BIN)/python -m pip install -q -c constraints.txt --group fuzz
	$(BIN)/python tests/fuzz/run.py --seconds $(or $(SECONDS),10)

bench: $(STAMP)  ## Run the benchmarks
	for name in decoder client server local_throughput rows local_start cold_start; do echo "$$name:"; $(BIN)/python benchmarks/$$name.py || exit 1; done

heavy: $(STAMP)  ## Stream 200 MB into a file with an eye on memory, and for 60 s through timeouts of 3 s
	$(BIN)/python -m pytest -m slow tests/e2e -n 2 --dist loadfile

extras: $(STAMP)  ## Use each extra alone, from the wheel, with the newest packages
	$(BIN)/python scripts/check-extras

layer: $(STAMP)  ## Build the Lambda layer, build/streamify-layer.zip, and one for each Python
	$(BIN)/python -m streamify_server.deploy.layer --each build/streamify-layer.zip

docs: $(STAMP)   ## Build the site, docs/ and the reference, into build/site, and check its links
	$(BIN)/python -m pip install -q -c constraints.txt --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q --strict
	$(BIN)/python scripts/check-site

check: lint types  ## Run ruff and mypy

lint: $(STAMP)   ## Lint and check the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## Check the types
	$(BIN)/mypy

public-types: $(STAMP)  ## Check that every public name has a type, with pyright (needs node)
	scripts/verify-types

packages: $(STAMP)  ## Build the sdist and the wheel into dist/, and check them
	$(BIN)/python -m pip install -q -c constraints.txt --group packages
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

format: $(STAMP)  ## Format, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:           ## Remove what the targets made
	rm -rf $(VENV) .venv-demo .nox node_modules build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
