# Everything a person or CI does here. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Tests and demo start many processes: without bytecode each of them compiles the whole platform, a second of CPU.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BROKEN_OFF := $(VENV)/.installing
# Those that the pinned packages are built for, as pyproject.toml's classifiers say.
NEEDED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for each in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$each -c '$(NEEDED)' 2>/dev/null && { echo $$each; break; }; done)
ARGS ?=
# Every file that is installed is one whose SHA-256 is written down here, those that build a package included.
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --no-input
HASHED := --require-hashes
LOCK = $(BIN)/python -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --quiet \
	--custom-compile-command "make constraints"

.PHONY: help setup demo layout test test-pythons lint format types docs console-check chaos attack bench soak constraints wheel-check release-check containers clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS=$$'\t' read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done

setup: $(STAMP)  ## install everything, with pinned versions, into .venv
	@:

# Made again whenever what is to be installed changes. The stamp comes last: an install that was broken off leaves none,
# and since pip may have left half a package behind, the next one starts from an empty .venv (pip's cache makes it quick).
$(STAMP): pyproject.toml constraints.txt requirements/build.txt hatch_build.py $(wildcard src/verbwire/*/*/*.pyx)
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c '$(NEEDED)' 2>/dev/null; then \
		found=$$($(or $(PYTHON),python3) -c 'import sys; print(sys.version.split()[0])' 2>/dev/null || echo "not there"); \
		echo "verbwire needs Python 3.11 to 3.14, which its pinned packages are built for ($(or $(PYTHON),python3) is $$found):" \
			"install one of these, or say where one is: make setup PYTHON=/path/to/python3" >&2; exit 1; fi
	@if [ -e $(BROKEN_OFF) ] || ! $(BIN)/python -c '$(NEEDED)' 2>/dev/null || ! $(BIN)/python -m pip -V >/dev/null 2>&1; \
		then rm -rf $(VENV); echo "Making $(VENV) with $$($(PYTHON) -V)"; \
		$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; fi
	@touch $(BROKEN_OFF)
	@echo "Installing the packages of constraints.txt (once, a minute or two)"
	@{ $(PIP_INSTALL) $(HASHED) --only-binary :all: -r requirements/build.txt; \
		$(PIP_INSTALL) $(HASHED) --no-build-isolation -r constraints.txt; \
		$(PIP_INSTALL) --no-build-isolation --no-deps -e .; } | while read -r verb what _; do \
		case "$$verb$$what" in Collecting*|Downloading*|Building*|Installingcollected) \
			if [ -t 1 ]; then printf '\r\033[K  %s %.50s' "$$verb" "$${what##*/}"; fi;; esac; done
	@if [ -t 1 ]; then printf '\r\033[K'; fi
	@rm -f $(BROKEN_OFF); touch $@; echo "Installed. $$($(BIN)/python -m verbwire.wire.avro.compiled)"

demo: setup  ## the whole path on real data; ARGS=--exit ends by itself
	@$(BIN)/python -m producers.demo $(ARGS)

layout: setup  ## print the packages of src/verbwire from the ground up: what each is for, what it may import
	@$(BIN)/python -m tests.layout

test: setup  ## all tests but the long ones (chaos, attack); ARGS go to pytest
	@$(BIN)/python -m pytest -m "not chaos and not attack" -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-pythons: setup  ## the tests that need no broker, on each Python from 3.11 to 3.14 that is here
	@$(BIN)/python -m tests.pythons $(ARGS)

lint: setup  ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run \`make format\`" >&2; exit 1; }

format: setup  ## write every file as ruff formats it
	@$(BIN)/ruff format .

types: setup  ## mypy, strict; the library's example apart, whose packages have the same names
	@$(BIN)/mypy
	@cd examples/library && ../../$(BIN)/mypy

console-check: setup  ## the console in headless Chromium (Debian's, or CHROMIUM=path), its endpoints, its files
	@$(BIN)/python -m pytest tests/platform/http/console -n 0 $(ARGS)

docs: setup  ## the documentation, into build/docs; a warning is an error. ARGS=linkcheck asks external links (network)
	@$(BIN)/python -m sphinx -b $(or $(ARGS),html) -W --keep-going -q -d build/doctrees docs build/$(if $(ARGS),docs-$(ARGS),docs)
	@echo "build/$(if $(ARGS),docs-$(ARGS)/output.txt,docs/index.html)"

chaos: setup  ## long fault runs: kills, pauses, churn
	@$(BIN)/python -m pytest -m chaos $(ARGS)

attack: setup  ## what strangers may try over the loopback, at length: prints what was tried and what held
	@$(BIN)/python -m pytest -m attack -n 0 -q -s $(ARGS)

bench: setup  ## figures, next to the bare loop
	@$(BIN)/python -m benchmarks $(ARGS)

constraints: setup  ## lock the packages again, with the hashes of all their files; ARGS=--upgrade takes newer ones
	@$(PIP_INSTALL) --quiet uv==0.13.9
	@$(LOCK) pyproject.toml --all-extras -o constraints.txt $(ARGS)
	@$(LOCK) pyproject.toml -c constraints.txt -o requirements/run.txt $(ARGS)
	@$(LOCK) --group pyproject.toml:build -c constraints.txt -o requirements/build.txt $(ARGS)

soak: setup  ## ordinary load on one worker, which must not grow; ARGS are minutes, an hour by default
	@$(BIN)/python -m benchmarks.soak $(ARGS)

wheel-check: setup  ## build the wheel, install it, look that verbwire alone is in it
	@$(BIN)/python -m pytest tests/test_wheel.py $(ARGS)

# The time of what is built is that of its commit, so that the same commit gives the same bytes.
release-check: setup  ## what a release must pass: the same bytes twice, complete, licensed, its metadata as PyPI wants it
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) VERBWIRE_CODEC=required $(BIN)/python -m build --no-isolation --outdir dist >dist.log \
		|| { cat dist.log; rm dist.log; exit 1; }; rm dist.log
	@[ -x .venv-release/bin/twine ] || { $(BIN)/python -m venv .venv-release; \
		.venv-release/bin/python -m pip install --quiet --disable-pip-version-check twine==7.0.0; }
	@.venv-release/bin/twine check --strict dist/*
	@$(BIN)/python -m pytest -q -n 0 tests/test_wheel.py $(ARGS)

containers: setup  ## the compose files run for real: scaled, killed, stopped, made anew; ARGS=one or three. Needs Docker
	@$(BIN)/python -m tests.containers $(ARGS)

clean:  ## remove what was made here: demo data, caches, builds (not .venv)
	@if [ -d .verbwire/stack ]; then $(BIN)/python -c 'from pathlib import Path; \
		from verbwire.embedded import Stack; Stack(Path(".verbwire/stack")).wipe()' 2>&1 | tail -n 1 >&2; fi
	@rm -rf .verbwire dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
