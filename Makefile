# Each target is thin over the tool itself; `make` alone lists them.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
DISTS   := core sdk/component sdk/client sandbox registry $(patsubst %/pyproject.toml,%,$(wildcard plugins/drivers/*/pyproject.toml plugins/extensions/*/pyproject.toml))
PINS    := requirements/bootstrap.txt requirements/development.txt
READY   := $(VENV)/.installed
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --custom-compile-command 'make pins' $(if $(UPGRADE),--upgrade)
SCALE   ?= full

.PHONY: help env run serve test test-full lint format bench pins clean

help:  ## say what each target does
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

env: $(READY)  ## make .venv with everything pinned in it

$(BIN)/uv: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Capmart needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.pins: requirements/development.txt $(BIN)/uv
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes $<
	@touch $@

$(READY): $(VENV)/.pins $(DISTS:%=%/pyproject.toml)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(DISTS:%=-e %)
	@$(BIN)/python -m compileall -q $(DISTS:%=%/src)
	@touch $@

run: $(READY)  ## the whole journey: develop, publish, review, sync, install, run; then exit
	$(BIN)/python -m tests.journey run $(ARGS)

serve: $(READY)  ## the same two centers, left up with their portals until Ctrl-C
	$(BIN)/python -m tests.journey serve $(ARGS)

lint: $(READY)  ## style, types, import directions, declared dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@for dist in $(DISTS); do (cd $$dist && $(CURDIR)/$(BIN)/deptry src) || exit 1; done

format: $(READY)  ## write the code the way lint wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(READY)  ## every test; fault loops at a tenth of their count
	$(BIN)/python -m pytest -n 2 $(ARGS)

test-full: $(READY)  ## every test; fault loops whole
	CAPMART_TEST_LOOPS=full $(BIN)/python -m pytest -n 2 $(ARGS)

bench: $(READY)  ## figures of one area beside a peer: make bench B=sandbox|center|federation|search [SCALE=small]
	$(BIN)/python -m tests.benchmarks $(B) --scale $(SCALE) $(ARGS)

pins: $(BIN)/uv  ## make the hashed pins again; UPGRADE=1 takes newer versions
	$(COMPILE) requirements/bootstrap.in -o requirements/bootstrap.txt
	printf -- '-e ./%s\n' $(DISTS) | $(COMPILE) - requirements/development.in -o requirements/development.txt \
		$(shell sed -n 's/^name = "\(capmart[a-z-]*\)"/--no-emit-package \1/p' $(DISTS:%=%/pyproject.toml))

clean:  ## remove what was made: environment, run folder, caches
	rm -rf $(VENV) run bench-results .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
