# make demo    set up, clean one real telescope frame, say what was found
# make test    set up, run all checks and all tests
# make fuzz    read damaged files for an hour, from a seed that is new each time
# make voila   set up, open the app for visitors in a browser, on sample frames
# make test-hostile   all tests offline, without a home, in the C locale, in odd paths
# None does anything twice: what is installed is remembered by stamp files in .venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo voila test test-hostile fuzz lint docs images clean

PYTHON ?= python3
# Extra flags for pip, such as an index that has the CPU build of torch.
PIP_FLAGS ?=
# Extra flags for pytest: make test PYTEST_FLAGS="-k sky -x"
PYTEST_FLAGS ?=
DEMO_FOLDER ?= demo-output
FUZZ_SECONDS ?= 3600
FUZZ_SEED := $(or $(FUZZ_SEED),$(shell date +%s))
# Extra flags for Voila: make voila VOILA_FLAGS="--no-browser --port=9000"
VOILA_FLAGS ?=

BIN := .venv/bin
DECLARED := pyproject.toml constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet $(PIP_FLAGS) -c constraints.txt -e

help:
	@sed -n 's/^# //p' Makefile | head -5

demo: .venv/installed
	@$(BIN)/bgrem demo -o "$(DEMO_FOLDER)" --overwrite

# A template that fetches nothing from elsewhere is found by JUPYTER_PATH.
voila: .venv/installed-app
	@JUPYTER_PATH="$(CURDIR)/examples/voila/jupyter" $(BIN)/voila --template=bgrem \
	    --token --Voila.ip=127.0.0.1 $(VOILA_FLAGS) examples/voila/bgrem_app.ipynb

test: lint
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

# No folder can be made in a file, not even by root: what wants a home has none. napari,
# IPython and matplotlib fail, or say so, where they can keep nothing: they have a place.
HOSTILE := .make/a b

test-hostile: .venv/installed-test
	mkdir -p "$(HOSTILE)"
	env -u LANG -u LC_CTYPE -u XDG_CONFIG_HOME -u XDG_DATA_HOME \
	    HOME="$(CURDIR)/LICENSE" XDG_CACHE_HOME="$(CURDIR)/.make/cache" \
	    IPYTHONDIR="$(CURDIR)/.make/ipython" \
	    MPLCONFIGDIR="$(CURDIR)/.make/matplotlib" \
	    NAPARI_CONFIG="$(CURDIR)/.make/napari/settings.yaml" \
	    LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 \
	    $(BIN)/python -m pytest --basetemp="$(HOSTILE)/tests" $(PYTEST_FLAGS)

# The same again: make fuzz FUZZ_SEED=7; shorter: make fuzz FUZZ_SECONDS=600
fuzz: .venv/installed-test
	BGREM_FUZZ_SECONDS=$(FUZZ_SECONDS) BGREM_FUZZ_SEED=$(FUZZ_SEED) \
	    $(BIN)/python -m pytest -o faulthandler_timeout=0 tests/fuzz $(PYTEST_FLAGS)

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/python scripts/check_docstrings.py

docs: .venv/installed-test
	$(BIN)/python -m pytest tests/test_docs.py

images: .venv/installed
	$(BIN)/python docs/make_images.py

clean:
	rm -rf .venv build dist demo-output .pytest_cache .mypy_cache .ruff_cache \
	    .hypothesis .import_linter_cache .coverage
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/pip: scripts/apt-packages.sh
	@PYTHON="$(PYTHON)" scripts/apt-packages.sh demo
	@$(PYTHON) scripts/check_python.py
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@echo "Upgrading pip: older ones cannot read dependency groups."
	@$(PIP) install --quiet --upgrade "pip>=25.1"
	@touch $@

.venv/installed: .venv/pip $(DECLARED)
	@echo "Installing napari-bgrem and what it needs into .venv (a few minutes, once)."
	@$(INSTALL) .
	@touch $@

.venv/installed-app: .venv/pip $(DECLARED)
	@echo "Installing napari-bgrem and Voila into .venv (a few minutes, once)."
	@$(INSTALL) '.[app]'
	@touch $@ .venv/installed

.venv/installed-test: .venv/pip $(DECLARED)
	@PYTHON="$(PYTHON)" scripts/apt-packages.sh test
	@echo "Installing napari-bgrem and the tools of its tests into .venv (once)."
	@$(INSTALL) '.[napari,notebook]' --group lint --group test
	@touch $@ .venv/installed
