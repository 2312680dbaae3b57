# Two commands do everything on a machine with Python 3.11+ and make: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCENARIO := binance-reduce-only-lockout-2025-10-11
SEEDS ?= 1..2000
BOOK_SEEDS ?= 1..100
DRILLS ?= 1..20

.PHONY: demo test test-ccxt test-clients test-package check bench docs simulate catalogue book-faults book-day clean

demo: $(VENV)/.demo
	$(BIN)/outlast drill $(SCENARIO)

test: $(VENV)/.dev
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

test-clients: $(VENV)/.dev
	$(BIN)/python tests/clients/run.py

# The guard on the oldest supported ccxt and on the newest.
test-ccxt: $(VENV)/.dev
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/test-ccxt

# The wheel in clean environments: alone, with each extra, under mypy and pyright.
test-package: $(BIN)/python
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/test-package

# The site, in build/site: open index.html. A broken link is an error.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

simulate: $(VENV)/.dev
	$(BIN)/outlast simulate --seeds $(SEEDS)

# Every scenario with the outlast bot on twenty seeds: half an hour on two cores.
catalogue: $(VENV)/.dev
	$(BIN)/python -m benchmarks.catalogue --jobs 2 --seeds $(DRILLS)

book-faults: $(VENV)/.dev
	$(BIN)/python tests/client/book_faults.py --seeds $(BOOK_SEEDS)

book-day: $(VENV)/.dev
	$(BIN)/python tests/client/book_day.py --hours 24 --age-min 300

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("outlast needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) .venv-clients .ccxt dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
