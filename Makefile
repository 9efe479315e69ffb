# AutoLoops from a clone: `make play` plays, `make test` checks everything.
#   make play ARGS="--tempo 98 --bars 16"    options of autoloops play
#   make play EXTRAS=jack                    extras of the package: jack, link, midi
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The first Python that is new enough.
PYTHON ?= $(firstword $(foreach python,python3 python3.13 python3.12 python3.11,\
  $(shell $(python) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(python))))
# One release, so that training and parity are checked with what was measured.
TORCH := torch==2.13.0
ARGS :=
EXTRAS :=
comma := ,
empty :=
PLAY_STAMP := $(VENV)/.play$(if $(EXTRAS),-$(subst $(comma),-,$(EXTRAS)))

.PHONY: help play test lint unit docs clean
.DELETE_ON_ERROR:

help:
	@echo "make play    install into $(VENV) and play"
	@echo "make test    install what the tests need and run them all"
	@echo "make lint    formatting, types and import rules only"
	@echo "make docs    write the generated pages and the picture of docs/ anew"
	@echo "make clean   remove what these made, $(VENV) included"

play: $(PLAY_STAMP)
	@exec $(BIN)/autoloops play $(ARGS)

test: lint unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.test
	$(BIN)/python -m pytest

docs: $(VENV)/.test
	$(BIN)/python docs/generate.py
	OMP_NUM_THREADS=1 $(BIN)/python -m autoloops_bridges.view.picture docs/images/live-view.svg

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(PLAY_STAMP): pyproject.toml | $(BIN)/python
	@echo "Installing AutoLoops into $(VENV) ..."
	@$(PIP) install --quiet --editable '.$(if $(EXTRAS),[$(EXTRAS)])'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo "Installing AutoLoops with everything its tests need, PyTorch included, into $(VENV) ..."
	@$(PIP) install --quiet --upgrade 'pip>=25.1'
	@$(PIP) install --quiet --editable '.[export,jack,link]' '$(TORCH)' --group dev
	@touch $@

$(BIN)/python:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "AutoLoops needs Python 3.11 or later: install one, or name it with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module: on Debian and Ubuntu run sudo apt install python3-venv" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV); all this takes a minute, the first time only."
	@$(PYTHON) -m venv $(VENV)
