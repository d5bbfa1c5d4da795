# `make demo` and `make test` do everything on a fresh Debian or Ubuntu machine: system libraries, a virtual
# environment in .venv, the package with its extras, and then what their names say.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The first of these that starts and is of a version that the package supports.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; \
	done || true)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_ARGS ?=
PYTEST_ARGS ?=

# What Qt, OpenGL and Xvfb need. Debian and Ubuntu of the 64-bit time era add t64 to some names.
SYSTEM_PACKAGES := xvfb xauth libegl1 libgl1 libopengl0 libglx-mesa0 libgl1-mesa-dri libglib2.0-0 libxkbcommon-x11-0 \
	libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 \
	libxcb-xinerama0 libdbus-1-3 libfontconfig1

# Two test processes share two cores: more threads in each would only wait for each other.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help demo test install system lint types borders manifest units windows clean

help: ## Say what there is.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: install ## Train on a synthetic volume, predict, score, draw report.png into demo/; with a display, open napari.
	$(BIN)/napari-dense-ssl demo --out demo $(DEMO_ARGS)

test: install lint types borders manifest windows units ## Run every check; the last line is pytest's.

install: $(STAMP) ## Make .venv with the package, its extras and the tools.

$(STAMP): pyproject.toml | system
	@test -x $(BIN)/python || test -n "$(PYTHON)" \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed and none was found; install one, or say make PYTHON=path." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[all,test,dev]"
	@touch $@

# apt is asked only for what is missing, and only where it may be; else one sentence names it.
system: ## Install the system libraries that are missing (apt).
	@if ! command -v dpkg-query >/dev/null; then \
		echo "This is no Debian or Ubuntu: see the README for the two pip lines; the window tests need Xvfb and OpenGL."; \
		exit 0; \
	fi; \
	missing=""; \
	for package in $(SYSTEM_PACKAGES); do \
		{ dpkg-query -W -f '$${Status}\n' $$package $${package}t64 2>/dev/null || true; } \
			| grep -q '^install ok installed' || missing="$$missing $$package"; \
	done; \
	test -x $(BIN)/python || { test -n "$(PYTHON)" && $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; } \
		|| missing="$$missing python3-venv"; \
	test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" = 0 ]; then sudo=""; \
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo="sudo"; \
	else echo "These system packages are missing, and installing them needs root:$$missing; ask for: apt-get install$$missing" >&2; \
		case " $(MAKECMDGOALS) " in *" test "*) exit 1 ;; esac; exit 0; \
	fi; \
	echo "Installing with apt:$$missing"; \
	$$sudo apt-get update -qq; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends $$missing >/dev/null

lint: install ## Check style with ruff.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## Check types with mypy (strict).
	$(BIN)/mypy

borders: install ## Check with import-linter that rooms import downwards only.
	$(BIN)/lint-imports

manifest: install ## Validate the plugin manifest with npe2.
	$(BIN)/npe2 validate napari-dense-ssl

# pytest-xvfb gives each process a display of its own: windows of two tests do not take the keyboard from each other.
windows: install ## Run the tests that open real napari windows.
	$(ONE_THREAD) $(BIN)/pytest tests/gui -n 2 --dist worksteal $(PYTEST_ARGS)

units: install ## Run all other tests: rooms, command line, README, examples, wheel.
	$(ONE_THREAD) $(BIN)/pytest --ignore=tests/gui -n 2 --dist worksteal $(PYTEST_ARGS)

clean: ## Remove what tests and builds leave behind; .venv stays.
	rm -rf build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
