# The project's commands; `make help` lists them. Each makes or updates .venv first (scripts/bootstrap),
# which takes no time where there is nothing to do.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check bench fuzz soak testbed lock fmt clean environment

BIN := .venv/bin

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' Makefile

demo: environment  ## serve gitops-example on this machine and push a change to it (ONCE=1: end by itself)
	@$(BIN)/python -m scripts.demo

test: environment  ## run the tests (ARGS='-k name' is handed to pytest)
	$(BIN)/python -m pytest $(ARGS)

check: environment  ## ruff, mypy --strict and the import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: environment  ## measure, next to the floor measured in the same run
	$(BIN)/python -m bench $(ARGS)

fuzz: environment  ## hostile input for every border (SECONDS=60 each, ARGS='manifests trees')
	SECONDS=$${SECONDS:-60} $(BIN)/python -m fuzz $(ARGS)

soak: environment  ## interleavings, previews against merges, stories on real processes (SEED=name COUNT=n MERGES=n STORIES=n)
	$(BIN)/python -m fuzz.soak
	$(BIN)/python -m fuzz.fidelity
	STORIES=$${STORIES:-200} $(BIN)/python -m pytest tests/e2e/test_real_interleavings.py

testbed: environment  ## build the real parts that tests start and that are missing (once per user)
	@$(BIN)/python -m scripts.testbed

lock:  ## resolve requirements.lock anew from pyproject.toml
	@test -x $(BIN)/uv || scripts/bootstrap
	$(BIN)/uv pip compile pyproject.toml --quiet --group dev --all-extras --universal --generate-hashes \
		--no-emit-index-url --no-header --no-annotate -o requirements.lock

fmt: environment  ## format the code and fix what ruff can fix
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## remove the environment, caches and the demo's folder
	rm -rf .venv .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@scripts/bootstrap
