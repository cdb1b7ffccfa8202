# Everything runs in .venv with the versions of requirements.lock. PYTHON chooses the interpreter it is made from.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV ?= $(if $(wildcard $(BIN)/uv),$(BIN)/uv,uv)

.DEFAULT_GOAL := help
.PHONY: help setup run test lint types bench compare bakeoff readme lock clean
.DELETE_ON_ERROR:

help:
	@echo "make run     set up, meta-train a rule (experiment tiny) into a new folder under runs/"
	@echo "make test    set up, run the tests"
	@echo "make lint    ruff: rules and format"
	@echo "make types   mypy"
	@echo "make bench   speed of worlds, generations, curriculum, solver and scaling: tables, pictures, runs/bench/bench.json"
	@echo "             (twelve minutes; flags in BENCH, as in make bench BENCH='--only worlds --compare OLD.json')"
	@echo "make compare DR against GROOVE: 15 short meta-trainings and their held-out scores (runs/compare, resumable)"
	@echo "make bakeoff all level scores on one pool of levels and a half-trained rule (runs/bakeoff)"
	@echo "make readme  tables of README.md from runs/published"
	@echo "make lock    resolve pyproject.toml into requirements.lock anew (needs uv)"
	@echo "make clean   remove .venv, caches and build output; runs/ stays"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "groove needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1): name another with make PYTHON=..." >&2; exit 1; }
	@echo "==> environment $(VENV) from $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@echo "==> installing the versions of requirements.lock (once; a few minutes on a slow line)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "==> installed"

run: $(STAMP)
	@echo "==> groove train tiny"
	@$(BIN)/groove train tiny

test: $(STAMP)
	@echo "==> pytest"
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(STAMP)
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)
	@echo "==> mypy"
	@$(BIN)/mypy

bench: $(STAMP)
	@echo "==> benchmarks $(BENCH)"
	@$(BIN)/python -m benchmarks $(BENCH)

compare: $(STAMP)
	@echo "==> benchmarks.dr_against_groove"
	@$(BIN)/python -m benchmarks.dr_against_groove

runs/bakeoff/results.json: | $(STAMP)
	@echo "==> groove train tiny --levels all --generations 150"
	@if [ -f runs/bakeoff/config.json ]; then $(BIN)/groove resume runs/bakeoff; else \
	  $(BIN)/groove train tiny --levels all --generations 150 --tune-configurations 1 --run runs/bakeoff; fi

bakeoff: runs/bakeoff/results.json
	@echo "==> groove bakeoff"
	@$(BIN)/groove bakeoff runs/bakeoff/rule.safetensors -n 512 --out runs/bakeoff/bakeoff.json

readme: $(STAMP)
	@$(BIN)/python -m benchmarks.readme_tables

lock:
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@echo "==> requirements.lock from pyproject.toml"
	@$(UV) pip compile pyproject.toml --extra dev --group build --universal --generate-hashes --upgrade --quiet \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --output-file requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
