# `make up` runs the control plane, `make test` the tests; both make .venv from pyproject.toml first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: up test lint bench bench-plot conformance fuzz soak clean

up: $(VENV)/.run
	@exec $(BIN)/miniplane up $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks $(ARGS)

bench-plot: $(VENV)/.test
	$(BIN)/python -m benchmarks.growth --plot docs/growth.svg $(ARGS)

conformance: $(VENV)/.test
	$(BIN)/python -m tests.conformance $(ARGS)

fuzz: $(VENV)/.test
	$(BIN)/python -m tests.fuzz $(ARGS)

soak: $(VENV)/.test
	$(BIN)/python -m tests.consistency $(ARGS)

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test,lint,postgresql]'
	@touch $(VENV)/.run $@
