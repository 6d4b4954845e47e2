# `make demo`, `make loop` and `make test`. All make their own environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo loop test test-fast check clean

demo: $(VENV)/core
	@rm -rf demo
	@$(BIN)/curate demo demo

loop: $(VENV)/all
	@rm -rf loop
	@$(BIN)/curate loop loop

test: $(VENV)/dev check
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile

test-fast: $(VENV)/dev check
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile -m "not slow"

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(VENV)/python:
	@$(PYTHON) -c "import sys; sys.exit('Curate needs Python 3.11 or newer; this is ' + sys.version.split()[0]) if sys.version_info < (3, 11) else 0"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/core: $(VENV)/python pyproject.toml constraints.txt
	@echo "installing the core dependencies into $(VENV) ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/all: $(VENV)/core
	@echo "installing what training and evaluation need into $(VENV) ..."
	@$(PIP) --editable ".[app]"
	@touch $@

$(VENV)/dev: $(VENV)/core
	@echo "installing the development tools into $(VENV) ..."
	@$(PIP) --editable ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) demo loop
