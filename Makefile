# make demo    makes an environment, runs the default sweep, and ends with its page of results
# make test    runs the tests
# make lint    checks formatting, types, imports between packages, and the workflow
# make docs    builds the documentation as a site, build/docs/index.html; a warning is an error

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo test lint docs clean

demo: $(VENV)/installed-workflow
	$(BIN)/snakemake

test: $(VENV)/installed-test
	$(BIN)/pytest --numprocesses logical --maxprocesses 4

lint: $(VENV)/installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/snakemake --lint

docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs build/docs
	@! grep -ERl '<(script|link|img|iframe)[^>]+(src|href)="(https?:)?//' build/docs  # no page loads anything from the network

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-%: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing anodiff with what '$*' needs into $(VENV); torch alone is several gigabytes ..."
	$(INSTALL) --constraint constraints.txt --editable '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) results scratch build .snakemake
