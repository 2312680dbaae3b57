# Two commands do everything on a machine with Python 3.11+ and make: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCENARIO := binance-reduce-only-lockout-2025-10-11
SEEDS ?= 1..2000

.PHONY: demo test test-clients check bench simulate clean

demo: $(VENV)/.demo
	$(BIN)/outlast drill $(SCENARIO)

test: $(VENV)/.dev
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

test-clients: $(VENV)/.dev
	$(BIN)/python tests/clients/run.py

simulate: $(VENV)/.dev
	$(BIN)/outlast simulate --seeds $(SEEDS)

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

clean:
	rm -rf $(VENV) .venv-clients dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
