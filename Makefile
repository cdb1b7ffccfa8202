# Everything runs in VENV. `make run` installs requirements.lock there, which has no test tools; tests, lint and types
# need requirements-test.lock, which has all of it and the tools. PYTHON chooses the interpreter that VENV is made from.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TEST_INSTALLED := $(VENV)/.test-installed
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV ?= $(if $(wildcard $(BIN)/uv),$(BIN)/uv,uv)
UV_COMPILE := pip compile pyproject.toml --group build --universal --generate-hashes --no-strip-extras --upgrade --quiet \
  --no-emit-index-url --no-annotate --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help setup setup-test run test lint types docs bench compare bakeoff readme pictures lock clean
.DELETE_ON_ERROR:

help:
	@echo "make setup   install what a run needs into $(VENV); make setup-test adds the test tools"
	@echo "make run     set up, meta-train a rule (experiment tiny) into a new folder under runs/"
	@echo "make test    set up, run the tests"
	@echo "make lint    ruff: rules and format"
	@echo "make types   mypy"
	@echo "make docs    the site of docs/ and of all docstrings: docs/_build/html"
	@echo "make bench   speed of worlds, generations, curriculum, solver and scaling: tables, pictures, runs/bench/bench.json"
	@echo "             (twelve minutes; flags in BENCH, as in make bench BENCH='--only worlds --compare OLD.json')"
	@echo "make compare DR against GROOVE: 15 short meta-trainings and their held-out scores (runs/compare, resumable)"
	@echo "make bakeoff all level scores on one pool of levels and a partly trained rule (runs/bakeoff)"
	@echo "make readme  tables of README.md and docs/ from runs/published"
	@echo "make pictures  pictures and summaries in runs/published, from the numbers there"
	@echo "make lock    resolve pyproject.toml into requirements.lock and requirements-test.lock (needs uv)"
	@echo "make clean   remove .venv, caches and build output; runs/ stays"

setup: $(INSTALLED)
setup-test: $(TEST_INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	$(call install,requirements.lock)
	@touch $@

$(TEST_INSTALLED): requirements-test.lock requirements.lock pyproject.toml
	$(call install,requirements-test.lock)
	@touch $(INSTALLED) $@

# The project and the pins of one lock file, from nothing or onto what is there.
define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
  echo "groove needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1): name another with make PYTHON=..." >&2; exit 1; }
@echo "==> environment $(VENV) from $$($(PYTHON) --version)"
@$(PYTHON) -m venv $(VENV)
@echo "==> installing the versions of $(1) (once; a few minutes on a slow line)"
@$(PIP_INSTALL) --require-hashes -r $(1)
@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
@echo "==> installed"
endef

run: $(INSTALLED)
	@echo "==> groove train tiny"
	@$(BIN)/groove train tiny

test: $(TEST_INSTALLED)
	@echo "==> pytest"
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: $(TEST_INSTALLED)
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(TEST_INSTALLED)
	@echo "==> mypy"
	@$(BIN)/mypy

docs: $(TEST_INSTALLED)
	@echo "==> sphinx"
	@$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --fresh-env --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(INSTALLED)
	@echo "==> benchmarks $(BENCH)"
	@$(BIN)/python -m benchmarks $(BENCH)

compare: $(INSTALLED)
	@echo "==> benchmarks.dr_against_groove"
	@$(BIN)/python -m benchmarks.dr_against_groove

runs/bakeoff/results.json: | $(INSTALLED)
	@echo "==> groove train tiny --levels all --generations 150"
	@if [ -f runs/bakeoff/config.json ]; then $(BIN)/groove resume runs/bakeoff; else \
	  $(BIN)/groove train tiny --levels all --generations 150 --tune-configurations 1 --run runs/bakeoff; fi

bakeoff: runs/bakeoff/results.json
	@echo "==> groove bakeoff"
	@$(BIN)/groove bakeoff runs/bakeoff/rule.safetensors -n 512 --out runs/bakeoff/bakeoff.json

readme: $(INSTALLED)
	@$(BIN)/python -m benchmarks.readme_tables

pictures: $(INSTALLED)
	@echo "==> benchmarks.published_pictures"
	@$(BIN)/python -m benchmarks.published_pictures

lock:
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@echo "==> requirements.lock and requirements-test.lock from pyproject.toml"
	@$(UV) $(UV_COMPILE) --output-file requirements.lock
	@$(UV) $(UV_COMPILE) --extra dev --constraint requirements.lock --output-file requirements-test.lock

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
