# `make demo` and `make test` work on a fresh machine with Python 3.11: the first of them makes .venv, pinned by constraints.txt.
# Another interpreter: make demo PYTHON=/path/to/python

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
WHEEL := build/wheel
JOBS ?= 2
PYTEST_FLAGS ?= -n $(JOBS)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.PHONY: help demo test format format-check lint types regress record unit bench wheel-test clean
help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

$(READY): pyproject.toml constraints.txt
	@python="$(PYTHON)"; \
	for candidate in python3.11 python3 python /usr/bin/python3.11; do \
	    if [ -z "$$python" ] && $$candidate -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; \
	    then python=$$candidate; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "error: no Python 3.11 with venv found; install it (Debian: python3.11-venv) or say make PYTHON=..." >&2; exit 2; \
	fi; \
	echo "making $(VENV) with $$python (once; a minute or two)"; \
	$$python -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev,plot]'
	@touch $@

demo: $(READY)  ## a trace, a proven bound and a comparison on GH200, under a minute after installation
	@bash demo/demo.sh

test: format-check lint types regress unit  ## everything that must hold: formatting, lint, types, recorded values, tests

format: $(READY)  ## rewrite the sources in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

format-check: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

regress: $(READY)  ## recompute every value recorded beside instances/ and refuse any change
	$(BIN)/placement-opt regress instances/ --jobs $(JOBS)

record: $(READY)  ## after a change that is meant: rewrite recorded values, the README's example and the benchmark table
	$(BIN)/placement-opt regress instances/ --jobs $(JOBS) --update
	$(BIN)/python -m instances.optimum
	$(BIN)/python -m instances.example
	$(BIN)/python -m benchmarks.table

unit: $(READY)  ## the tests alone; PYTEST_FLAGS="-k name" to choose
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

bench: $(READY)  ## run the benchmarks (minutes), write benchmarks/results/ and the table made from it
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.table

wheel-test: $(READY)  ## build the wheel, install it into an empty environment, bound an instance there
	rm -rf $(WHEEL) build/lib
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(WHEEL) .
	$(BIN)/python -m zipfile --list $(WHEEL)/*.whl | awk 'NR > 1 && $$1 !~ /^placement_opt/ {print "not ours: " $$1; bad = 1} END {exit bad}'
	$(BIN)/python -m venv --clear $(WHEEL)/env
	$(WHEEL)/env/bin/python -m pip install --quiet --constraint constraints.txt $(WHEEL)/*.whl
	cp -r instances/tiny $(WHEEL)/tiny
	cd $(WHEEL)/tiny && for instance in *.toml; do ../env/bin/placement-opt bound "$$instance" --quiet; done

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis
