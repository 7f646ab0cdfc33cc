# `make up` runs the control plane, `make test` the tests; both make .venv from pyproject.toml first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: up test lint bench bench-plot conformance fuzz soak clean bytecode

up: bytecode
	@exec $(BIN)/miniplane up $(ARGS)

test: $(VENV)/.test bytecode
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test bytecode
	$(BIN)/python -m benchmarks $(ARGS)

bench-plot: $(VENV)/.test bytecode
	$(BIN)/python -m benchmarks.growth --plot docs/growth.svg $(ARGS)

conformance: $(VENV)/.test bytecode
	$(BIN)/python -m tests.conformance $(ARGS)

fuzz: $(VENV)/.test bytecode
	$(BIN)/python -m tests.fuzz $(ARGS)

soak: $(VENV)/.test bytecode
	$(BIN)/python -m tests.consistency $(ARGS)

# What pip does for a wheel and not for an editable install; without it a start compiles 200 files, which takes 0.4 s.
bytecode: $(VENV)/.run
	@$(BIN)/python -m compileall -q apiserver controllers miniplane

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
