# make demo    makes an environment, runs the default sweep, and ends with its page of results
# make test    runs the tests, the workflow on this machine and on a throw-away cluster included
# make test-all    adds the long ones: more faults of clusters, and a minute of random kills
# make lint    checks formatting, types, imports between packages, and the workflow
# make readme-figure    draws the figure of the README again, from the demo's results
# make docs    builds the documentation as a site, build/docs/index.html; a warning is an error

PYTHON ?= python3
VENV ?= .venv
VENV_OPTIONS ?=
BIN := $(VENV)/bin

# uv is faster than pip, but does not see packages outside the environment.
OUTSIDE := $(VENV_OPTIONS)$(shell grep -s 'include-system-site-packages = true' $(VENV)/pyvenv.cfg)
UV := $(if $(OUTSIDE),,$(shell command -v uv 2>/dev/null))
ifeq ($(UV),)
MAKE_VENV := $(PYTHON) -m venv --upgrade-deps $(VENV_OPTIONS)  # an old pip takes minutes to choose versions
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
else
MAKE_VENV := $(UV) venv --quiet --seed --python $(PYTHON)
INSTALL := $(UV) pip install --quiet --python $(BIN)/python
endif

# What pytest compiles is kept for the next time, wherever Python is told not to keep it.
TEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses auto --durations 20

.PHONY: demo readme-figure test test-all lint docs clean

demo: $(VENV)/installed-workflow
	$(BIN)/anodiff follow config/config.yaml -- $(BIN)/snakemake

# Few colours make the picture a third as large.
readme-figure: $(VENV)/installed-workflow
	$(BIN)/anodiff figures exponents results/demo/runs/* --output docs/images/exponents.png --overwrite
	@$(BIN)/python -c 'from PIL import Image; file = "docs/images/exponents.png"; \
		Image.open(file).convert("RGB").quantize(64).save(file, optimize=True)'

test: $(VENV)/installed-test
	$(TEST) -m "not long"

test-all: $(VENV)/installed-test
	ANODIFF_TEST_SECONDS=60 $(TEST)

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

$(BIN)/python:
	$(MAKE_VENV) $(VENV)

# A torch that is in the environment before anodiff stays there, if it is 2.6 or newer. This file names it.
$(VENV)/own-torch.txt: | $(BIN)/python
	@$(BIN)/python -c 'from importlib.metadata import version; print("torch==" + version("torch"))' 2>/dev/null \
		| sed -E '/==(0|1|2\.[0-5])\./d' >$@

$(VENV)/constraints.txt: constraints.txt $(VENV)/own-torch.txt
	@if [ -s $(VENV)/own-torch.txt ]; then grep -vE '^torch(vision)?==' $< | cat $(VENV)/own-torch.txt - >$@; else cp $< $@; fi

$(VENV)/installed-%: pyproject.toml $(VENV)/constraints.txt
	@echo "Installing anodiff with what '$*' needs into $(VENV); a new torch alone is several gigabytes ..."
	$(INSTALL) --constraint $(VENV)/constraints.txt --editable '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) results scratch build .snakemake
