# make demo     edit a sample photo with the shipped concepts and show the sheet
# make space    edit photos on a web page: the demo on this machine
# make test     lint, format, types, tests
# make hub      a small Hugging Face Hub on this machine, to try things out   HUB_PORT=8000
# make bench    the measured figures           DATA=folder of photos
# make base     train the base model again     DATA=folder of photos
# make concepts train the shipped concepts again, on that base   DATA=folder of photos
# make clean    remove the environment, what was built and the caches (never runs/)
#
# PYTHON=python3.12        the interpreter that the environment is made with (3.10 or later)
# PIP_FLAGS="…"            more options for pip. On Linux, plain pip may fetch PyTorch with CUDA, some gigabytes;
#                          --index-url or --extra-index-url with PyTorch's CPU wheels avoids that.
# PHOTO=my.jpg             the photo that make demo edits
# SPACE_FLAGS="--port …"   options of e2gan demo, for make space

PYTHON ?= python3
PIP_FLAGS ?=
PHOTO ?= samples/aitzgorri.jpg
JOBS ?= 2
HUB_PORT ?= 8000
SPACE_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
SPACE := $(VENV)/.space
DEV := $(VENV)/.dev
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)
PLUGINS := teachers[diffusion] baselines coreml ssd
CONCEPTS := vangogh ukiyoe impressionism mosaic pencil-sketch watercolour autumn winter dusk old-photo

.PHONY: demo space test hub bench base concepts clean
.DELETE_ON_ERROR:

# --- environments: one virtual environment, a stamp for each stage -----------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "E²GAN needs Python 3.10 or later: make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml constraints.txt $(wildcard concepts/*/pyproject.toml) | $(BIN)/python
	$(PIP) -e . $(CONCEPTS:%=-e concepts/%)
	@touch $@

$(SPACE): $(CORE) hub/pyproject.toml spaces/demo/pyproject.toml
	$(PIP) -e hub -e spaces/demo
	@touch $@

$(DEV): $(SPACE) requirements/no-deps.txt $(wildcard plugins/*/pyproject.toml)
	$(PIP) -e '.[all,dev,ray]' -e 'hub[sign]' $(PLUGINS:%=-e 'plugins/%')
$(DEV): $(CORE) requirements/no-deps.txt hub/pyproject.toml $(wildcard plugins/*/pyproject.toml)
	$(PIP) -e '.[all,dev,ray]' -e 'plugins/teachers[diffusion]' -e plugins/onnx -e 'hub[sign]'
	$(PIP) --no-deps -r requirements/no-deps.txt
	@touch $@

# --- demo --------------------------------------------------------------------------------------------------------

DEMO := build/demo/$(basename $(notdir $(PHOTO)))
MODELS := $(wildcard e2gan/*.py e2gan/models/*.py e2gan/bases/scenery/* concepts/*/*/bundle/*)

demo: $(DEMO)/sheet.jpg
	@echo "The photo and its edits are side by side in $(abspath $<)"

$(DEMO)/sheet.jpg: samples/sheet.py $(CONCEPTS:%=$(DEMO)/%.jpg)
	@$(BIN)/python samples/sheet.py "$(PHOTO)" $(CONCEPTS:%=$(DEMO)/%.jpg) -o $@

$(CONCEPTS:%=$(DEMO)/%.jpg): $(DEMO)/%.jpg: $(PHOTO) $(MODELS) $(CORE)
	@mkdir -p $(@D)
	$(BIN)/e2gan apply $* "$(PHOTO)" -o $@

space: $(SPACE)
	$(BIN)/e2gan demo $(SPACE_FLAGS)

# --- checks ------------------------------------------------------------------------------------------------------

test: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(JOBS)

# --- a Hub to try things out on ----------------------------------------------------------------------------------

hub: $(DEV)
	@mkdir -p build/hub
	@$(BIN)/python -m tests.hub_server --port $(HUB_PORT) --folder build/hub

# --- figures and models ------------------------------------------------------------------------------------------

bench: $(DEV) data
	$(BIN)/python -m benchmarks --data "$(DATA)"

base: $(DEV) data
	$(BIN)/e2gan train-base e2gan/bases/scenery/recipe.toml --data "$(DATA)" -o e2gan/bases/scenery

concepts: $(DEV) data
	for name in $(CONCEPTS); do \
	    $(BIN)/e2gan train concepts/$$name --data "$(DATA)" \
	        --preview samples/aitzgorri.jpg || exit 1; \
	done

.PHONY: data
data:
	@test -d "$(DATA)" || { echo "say where the photos are: make $(MAKECMDGOALS) DATA=folder" >&2; exit 2; }

clean:
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
