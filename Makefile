# `make demo` and `make test` work on a fresh machine with a Python from 3.11 to 3.14: the first of them makes .venv, pinned by
# constraints.txt, with the oldest of these that there is. Another interpreter: make demo PYTHON=/path/to/python

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
WARM := $(VENV)/warm
WHEEL := build/wheel
JOBS ?= 2
PYTEST_FLAGS ?= -n $(JOBS)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.PHONY: help demo test format format-check lint types regress record unit bench reproduce wheel-test
.PHONY: test-newest test-oldest test-capture clean
help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

$(READY): pyproject.toml constraints.txt
	@python="$(PYTHON)"; python="$${python:-$$(.ci/python oldest)}"; \
	echo "making $(VENV) with $$python (once; two or three minutes, compiling included)"; \
	$$python -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev,plot]'
	@touch $@

# Loops are compiled here, so that no command, test or measured time waits for it; done again where one of their files changed.
$(WARM): $(READY) $(shell find placement_opt -name '*_kernels.py')
	@echo "compiling the loops (once, and when they change)"
	@$(BIN)/python -m placement_opt.cli.warm
	@touch $@

demo: $(WARM)  ## a trace, a proven bound and a comparison on GH200, under a minute after installation
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

regress: $(WARM)  ## recompute every value recorded beside instances/ and refuse any change
	$(BIN)/placement-opt regress instances/ --jobs $(JOBS)

record: $(WARM)  ## after a change that is meant: rewrite recorded values, the README's example, the benchmark table and the policies
	$(BIN)/placement-opt regress instances/ --jobs $(JOBS) --update
	$(BIN)/python -m instances.optimum
	$(BIN)/python -m instances.example
	$(BIN)/python -m instances.captured.compare
	$(BIN)/python -m benchmarks.table
	$(BIN)/python -m benchmarks.presets
	$(BIN)/python -m tests.schedulers.golden
	$(BIN)/python -m benchmarks.policies --run

unit: $(WARM)  ## the tests alone; PYTEST_FLAGS="-k name" to choose
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

bench: $(WARM)  ## run the benchmarks (minutes), write benchmarks/results/ and the table made from it
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.table

reproduce: $(WARM)  ## published figures beside ours (minutes), all tables of benchmarks/REPRODUCED.md
	$(BIN)/python -m benchmarks.reproduce all

wheel-test: $(READY)  ## build the wheel, install it into an empty environment, bound an instance there
	rm -rf $(WHEEL) build/lib
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(WHEEL) .
	$(BIN)/python -m zipfile --list $(WHEEL)/*.whl | awk 'NR > 1 && $$1 !~ /^placement_opt/ {print "not ours: " $$1; bad = 1} END {exit bad}'
	$(BIN)/python -m venv --clear $(WHEEL)/env
	$(WHEEL)/env/bin/python -m pip install --quiet --constraint constraints.txt $(WHEEL)/*.whl
	cp -r instances/tiny $(WHEEL)/tiny
	cd $(WHEEL)/tiny && for instance in *.toml; do ../env/bin/placement-opt bound "$$instance" --quiet; done

# $(call leg,NAME,oldest|newest,CONSTRAINTS): the wheel and its tests in an environment of their own, beside a copy of all
# that the tests read, without the package's sources.
define leg
	rm -rf build/$(1) build/lib
	mkdir -p build/$(1)/tree
	python="$(PYTHON)"; "$${python:-$$(.ci/python $(2))}" -m venv build/$(1)/env
	build/$(1)/env/bin/python -m pip install --quiet $(3) setuptools
	build/$(1)/env/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/$(1) .
	wheel=$$(echo build/$(1)/*.whl); build/$(1)/env/bin/python -m pip install --quiet $(3) "$$wheel[test,plot]"
	build/$(1)/env/bin/python -m pip list --format freeze
	tar --create --exclude=./placement_opt --exclude=./build --exclude='./.[!c]*' . | tar --extract --directory build/$(1)/tree
	cd build/$(1)/tree && ../env/bin/python -m placement_opt.cli.warm
	cd build/$(1)/tree && ../env/bin/python -m pytest $(PYTEST_FLAGS)
endef

test-newest:  ## the tests against the wheel, with the newest releases that pyproject.toml allows and the newest Python here
	$(call leg,newest,newest,)

test-oldest:  ## the same with the oldest releases, named in constraints-oldest.txt, and the oldest Python here
	$(call leg,oldest,oldest,--constraint constraints-oldest.txt)

test-capture:  ## captures of models (extra capture: torch, transformers), in an environment of their own
	rm -rf build/capture
	mkdir -p build/capture
	python="$(PYTHON)"; "$${python:-$$(.ci/python oldest)}" -m venv build/capture/env
	build/capture/env/bin/python -m pip install --quiet --constraint constraints.txt setuptools
	build/capture/env/bin/python -m pip install --quiet --constraint constraints.txt --constraint constraints-capture.txt \
		--no-build-isolation --editable '.[test,capture]'
	build/capture/env/bin/python -m pytest tests/capture

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build demo-out placement_opt/__pycache__/loops-* .mypy_cache .ruff_cache .pytest_cache .hypothesis
