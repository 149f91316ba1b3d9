# make demo and make test set everything up on a machine with Python 3.11+, pip and make.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

# A worker for each processor. Each begins with neighbouring tests, which share what they build,
# and takes tests from another's end when its own are done.
PYTEST = $(BIN)/python -m pytest -q -n logical --dist worksteal

.PHONY: demo test test-all check format docs clean

demo: $(READY)
	$(BIN)/python docs/demo/demo.py

test: $(READY)
	$(PYTEST)

test-all: $(READY)
	COILBOX_SLOW=1 $(PYTEST)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Warnings, such as links that lead nowhere, are errors. The site is in build/site.
docs: $(VENV)/.docs-ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -f docs/site/mkdocs.yml

$(VENV)/.docs-ready: $(READY)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -e '.[docs]'
	touch $@

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("coilbox needs Python 3.11 or later; run make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
