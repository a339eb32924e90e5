# Every target installs what it needs into .venv the first time; a stamp makes the next run instant.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
INSTALLED = $(VENV)/.installed
INSTALLED_DEV = $(VENV)/.installed-dev
INDEX ?= demo-index

.DEFAULT_GOAL := help
PYTEST_ARGS ?=
.PHONY: help demo serve test check bench docs clean

help: ## Show the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Index this machine's Python and search it under two instructions.
	$(BIN)/tart demo --out $(INDEX)

serve: $(INSTALLED) ## Serve the demo index over HTTP (INDEX=DIR for another).
	@test -d $(INDEX) || $(BIN)/tart demo --out $(INDEX)
	$(BIN)/tart serve $(INDEX)

test: $(INSTALLED_DEV) ## Run the tests, one process for each core (PYTEST_ARGS adds options).
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(PYTEST_ARGS)

check: $(INSTALLED_DEV) ## Check format, lint and types; audit dependencies where that is possible.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python .ci/audit.py

bench: $(INSTALLED_DEV) ## Run the benchmarks against peers; reports go to bench/*/report.md.
	$(BIN)/python bench/encode/run.py
	$(BIN)/python bench/encode/ablation.py
	$(BIN)/python bench/build/run.py
	$(BIN)/python bench/build/kill.py
	$(BIN)/python bench/train/throughput.py --precisions bfloat16 --rounds 2
	$(BIN)/python bench/serve/peers.py
	$(BIN)/python bench/serve/overload.py
	$(BIN)/python bench/serve/drain.py
	$(BIN)/python bench/serve/soak.py

docs: $(INSTALLED_DEV) ## Write docs/commands.md from --help and docs/openapi.json from the routes.
	$(BIN)/python docs/write_commands.py
	$(BIN)/python docs/write_openapi.py

clean: ## Remove what the targets made.
	rm -rf $(VENV) demo-index dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13) and f"found Python {sys.version.split()[0]}; wanted 3.10 to 3.13: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV), about a minute"
	$(PIP) --editable '.[cpu]'
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	@echo "installing test and check tools into $(VENV)"
	$(PIP) --editable '.[cpu,test,check]'
	@touch $@
