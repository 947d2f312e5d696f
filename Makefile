# Everything a person or CI does here. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BROKEN_OFF := $(VENV)/.installing
NEEDED := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$each -c '$(NEEDED)' 2>/dev/null && { echo $$each; break; }; done)
ARGS ?=

.PHONY: help setup demo test lint format types chaos attack bench wheel-check clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS=$$'\t' read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done

setup: $(STAMP)  ## install everything, with pinned versions, into .venv
	@:

# Made again whenever what is to be installed changes. The stamp comes last: an install that was broken off leaves none,
# and since pip may have left half a package behind, the next one starts from an empty .venv (pip's cache makes it quick).
$(STAMP): pyproject.toml constraints.txt hatch_build.py src/verbwire/wire/_compiled.pyx
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c '$(NEEDED)'; then \
		echo "verbwire needs Python 3.11 or newer. Install one, or say which: make setup PYTHON=/path/to/python3" >&2; \
		exit 1; fi
	@if [ -e $(BROKEN_OFF) ] || ! $(BIN)/python -c '$(NEEDED)' 2>/dev/null || ! $(BIN)/python -m pip -V >/dev/null 2>&1; \
		then rm -rf $(VENV); echo "Making $(VENV) with $$($(PYTHON) -V)"; \
		$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; fi
	@touch $(BROKEN_OFF)
	@echo "Installing the packages of constraints.txt (once, a minute or two)"
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input \
		-c constraints.txt -e '.[embedded,test,dev]' | while read -r verb what _; do \
		case "$$verb$$what" in Collecting*|Downloading*|Building*|Installingcollected) \
			if [ -t 1 ]; then printf '\r\033[K  %s %.50s' "$$verb" "$${what##*/}"; fi;; esac; done
	@if [ -t 1 ]; then printf '\r\033[K'; fi
	@rm -f $(BROKEN_OFF); touch $@; echo "Installed. $$($(BIN)/python -m verbwire.wire.compiled)"

demo: setup  ## the whole path on real data; ARGS=--exit ends by itself
	@$(BIN)/python -m producers.demo $(ARGS)

test: setup  ## all tests but the long ones (chaos, attack); ARGS go to pytest
	@$(BIN)/python -m pytest -m "not chaos and not attack" -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup  ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run \`make format\`" >&2; exit 1; }

format: setup  ## write every file as ruff formats it
	@$(BIN)/ruff format .

types: setup  ## mypy, strict
	@$(BIN)/mypy

chaos: setup  ## long fault runs: kills, pauses, churn
	@$(BIN)/python -m pytest -m chaos $(ARGS)

attack: setup  ## what strangers may try over the loopback, at length: prints what was tried and what held
	@$(BIN)/python -m pytest -m attack -n 0 -q -s $(ARGS)

bench: setup  ## figures, next to the bare loop
	@$(BIN)/python -m benchmarks $(ARGS)

wheel-check: setup  ## build the wheel, install it, look that verbwire alone is in it
	@$(BIN)/python -m pytest tests/platform/test_wheel.py $(ARGS)

clean:  ## remove what was made here: demo data, caches, builds (not .venv)
	@if [ -d .verbwire/stack ]; then $(BIN)/python -c 'from pathlib import Path; \
		from verbwire.embedded import Stack; Stack(Path(".verbwire/stack")).wipe()' 2>&1 | tail -n 1 >&2; fi
	@rm -rf .verbwire dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
