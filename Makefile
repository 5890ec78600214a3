# make demo     edit a sample photo with the shipped concepts and show the sheet
# make space    edit photos on a web page: the demo on this machine
# make web      the catalogue of concepts with a page that edits in the browser, in build/site, and a server for it
#               WEB_PORT=8080
# make test     lint, format, types, tests
# make docs     the documentation as a site, in build/docs
# make hub      a small Hugging Face Hub on this machine, to try things out   HUB_PORT=8000
# make dist     every wheel and source distribution, built and checked, in dist
# make bench    the measured figures           DATA=folder of photos
# make base     train the base everyday again, with its own concepts   DATA="folders of photos"
# make lite     the same for everyday-lite   DATA="folders of photos"
# make concepts train the other shipped concepts again, on both   DATA="folders of photos"
# make clean    remove the environment, what was built and the caches (never runs/)
#
# Each target installs only what it needs, into .venv, and says beforehand what takes long.
#
# PYTHON=python3.12        the interpreter that the environment is made with (3.10 or later)
# PIP_FLAGS="…"            more options for pip. On Linux, plain pip may fetch PyTorch with CUDA, some gigabytes;
#                          --index-url or --extra-index-url with PyTorch's CPU wheels avoids that.
# PHOTO=my.jpg             the photo that make demo edits
# SPACE_FLAGS="--port …"   options of e2gan demo, for make space

PYTHON ?= python3
PIP_FLAGS ?=
PHOTO ?= samples/small/portrait.jpg
JOBS ?= 2
HUB_PORT ?= 8000
SPACE_FLAGS ?=
WEB_PORT ?= 8080

VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
HUB := $(VENV)/.hub
SPACE := $(VENV)/.space
WEB := $(VENV)/.web
DEV := $(VENV)/.dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)
PLUGINS := teachers[diffusion] gmic baselines catalogue coreml litert onnx openvino ssd reproduce
# Those that the base everyday is trained with, and those that are trained on a base.
OWN := black-lines blueprint dense-strokes expressionism \
    instant-film painted-stained-glass painted-woodcut pale-oil pastel-cubism
TRAINED := vangogh ukiyoe impressionism autumn winter dusk old-photo black-and-white cinema neon
CONCEPTS := $(TRAINED) $(OWN)

.PHONY: demo space web test docs hub dist bench base lite concepts clean
.DELETE_ON_ERROR:

# --- environments: one virtual environment, a stamp for each stage -----------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "E²GAN needs Python 3.10 or later: make PYTHON=…")'
	@echo "Making the environment $(VENV): some seconds"
	@$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml constraints.txt $(wildcard concepts/*/pyproject.toml) plugins/openvino/pyproject.toml | $(BIN)/python
	@echo "Installing e2gan and its concepts: some minutes the first time, most of it for PyTorch"
	@$(PIP) -e . $(CONCEPTS:%=-e concepts/%)
	@$(PIP) -e plugins/openvino || echo "OpenVINO is not to be had for this machine: PyTorch computes the edits, more slowly"
	@touch $@

$(HUB): $(CORE) hub/pyproject.toml
	@echo "Installing e2gan-hub: a minute or so"
	@$(PIP) -e 'hub[server]'
	@touch $@

$(SPACE): $(CORE) hub/pyproject.toml spaces/demo/pyproject.toml
	@echo "Installing e2gan-demo with Gradio: a minute or so"
	@$(PIP) -e hub -e spaces/demo
	@touch $@

$(WEB): $(CORE) plugins/onnx/pyproject.toml plugins/catalogue/pyproject.toml
	@echo "Installing e2gan-catalogue and e2gan-onnx: a minute or so"
	@$(PIP) -e plugins/onnx -e plugins/catalogue
	@touch $@

$(DEV): $(CORE) $(wildcard requirements/*.txt) hub/pyproject.toml spaces/demo/pyproject.toml $(wildcard plugins/*/pyproject.toml)
	@echo "Installing everything, for development: many minutes the first time, and some gigabytes"
	@$(PIP) -e '.[all,dev,ray]' -e 'hub[server,sign]' -e spaces/demo $(PLUGINS:%=-e 'plugins/%')
	@$(PIP) --no-deps $(patsubst %,-r %,$(wildcard requirements/*.txt))
	@touch $@

# --- demo --------------------------------------------------------------------------------------------------------

DEMO := build/demo/$(basename $(notdir $(PHOTO)))
MODELS := $(wildcard e2gan/*.py e2gan/models/*.py e2gan/bases/*/* concepts/*/*/bundle/*)

demo: $(DEMO)/sheet.jpg
	@echo "The photo and its edits are side by side in $(abspath $<)"

$(DEMO)/sheet.jpg: samples/sheet.py $(PHOTO) $(MODELS) $(CORE)
	@echo "Editing $(PHOTO) with $(words $(CONCEPTS)) concepts: a second or so for each"
	@$(BIN)/python samples/sheet.py "$(PHOTO)" --concepts $(CONCEPTS) -o $(@D)

space: $(SPACE)
	@$(BIN)/e2gan demo $(SPACE_FLAGS)

# --- the pages of static files -----------------------------------------------------------------------------------

# Two builds: for WebAssembly alone, and with WebGPU.
ORT_WEB_VERSION := 1.30.0
ORT_WEB := build/onnxruntime-web/$(ORT_WEB_VERSION)
ORT_WEB_FILES := ort.wasm.min.mjs ort-wasm-simd-threaded.mjs ort-wasm-simd-threaded.wasm \
    ort.webgpu.min.mjs ort-wasm-simd-threaded.asyncify.mjs ort-wasm-simd-threaded.asyncify.wasm

# Reads and writes clips.
MEDIABUNNY_VERSION := 1.61.0
MEDIABUNNY := build/mediabunny/$(MEDIABUNNY_VERSION)

web: $(WEB) $(ORT_WEB) $(MEDIABUNNY)
	@echo "Building the site in build/site: some minutes the first time, for the models"
	@$(BIN)/e2gan catalogue $(CONCEPTS) -o build/site --runtime $(ORT_WEB) --clips $(MEDIABUNNY)
	@echo "http://localhost:$(WEB_PORT)/ serves build/site, which any host of static files can; Ctrl-C ends it"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site $(WEB_PORT)

$(ORT_WEB): PACKAGE = onnxruntime-web@$(ORT_WEB_VERSION)
$(ORT_WEB): FOLDER = package/dist/
$(ORT_WEB): FILES = $(ORT_WEB_FILES)
$(MEDIABUNNY): PACKAGE = mediabunny@$(MEDIABUNNY_VERSION)
$(MEDIABUNNY): FOLDER = package/dist/bundles/
$(MEDIABUNNY): FILES = mediabunny.min.mjs

$(ORT_WEB) $(MEDIABUNNY):
	@command -v npm >/dev/null || { echo "$(PACKAGE) comes from npm: install Node.js" >&2; exit 1; }
	@echo "Fetching $(PACKAGE): some seconds"
	@rm -rf $(@D) && mkdir -p $(@D)/new
	@npm pack --silent --pack-destination $(@D) $(PACKAGE) >/dev/null
	@tar -xzf $(@D)/*.tgz -C $(@D)/new $(FILES:%=$(FOLDER)%)
	@rm $(@D)/*.tgz && mv $(@D)/new/$(FOLDER) $@ && rm -r $(@D)/new

# --- checks ------------------------------------------------------------------------------------------------------

test: $(DEV)
	@$(MAKE) --silent $(ORT_WEB) $(MEDIABUNNY) || echo "the page's tests are left out" >&2
	@echo "Checking and testing: many minutes"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(JOBS)

# --- documentation -----------------------------------------------------------------------------------------------

# Material for MkDocs would praise its successor.
docs: $(DEV)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The documentation is in $(abspath build/docs)/index.html"

# --- a Hub to try things out on ----------------------------------------------------------------------------------

hub: $(HUB)
	@mkdir -p build/hub
	@$(BIN)/e2gan hub-server --port $(HUB_PORT) --folder build/hub

# --- what a release publishes ------------------------------------------------------------------------------------

DISTRIBUTIONS := . hub spaces/demo $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)) $(CONCEPTS:%=concepts/%)

dist: $(VENV)/.dist
	@echo "Building $(words $(DISTRIBUTIONS)) distributions: some minutes"
	@rm -rf dist && mkdir -p build
	@for project in $(DISTRIBUTIONS); do \
	    echo "build $$project"; \
	    $(BIN)/python -m build --no-isolation --outdir dist $$project >build/dist.log 2>&1 || { cat build/dist.log; exit 1; }; \
	done
	@$(BIN)/python -m twine check --strict dist/* >build/dist.log || { cat build/dist.log; exit 1; }
	@$(BIN)/python release/check.py --dist dist
	@echo "Wheels and source distributions are in $(abspath dist)"

$(VENV)/.dist: constraints.txt | $(BIN)/python
	@echo "Installing build and twine: some seconds"
	@$(PIP) build flit_core twine
	@touch $@

# --- figures and models ------------------------------------------------------------------------------------------

bench: $(DEV) data
	$(BIN)/python -m benchmarks --data "$(firstword $(DATA))"

PHOTOS = $(foreach folder,$(DATA),--data "$(folder)")

# The base of the first argument; the bundles of its own concepts are in the folders of the second.
define train-base
	$(BIN)/e2gan train-base e2gan/bases/$(1)/recipe.toml $(PHOTOS) --work runs/$(1) -o e2gan/bases/$(1)
	for name in $(OWN); do \
	    bundle=$$(echo concepts/$$name/e2gan_concept_*)/$(2) && mkdir -p $$bundle && \
	    cp runs/$(1)/concepts/$$name/* $$bundle/ && \
	    $(BIN)/e2gan eval ./concepts/$$name $(PHOTOS) --base $(1) --record --preview samples/small/portrait.jpg || exit 1; \
	done
endef

base: $(DEV) data
	$(call train-base,everyday,bundle)

lite: $(DEV) data
	$(call train-base,everyday-lite,bundle-everyday-lite)

concepts: $(DEV) data
	for name in $(TRAINED); do \
	    for base in everyday everyday-lite; do \
	        $(BIN)/e2gan train concepts/$$name $(PHOTOS) --base $$base --preview samples/aitzgorri.jpg || exit 1; \
	    done \
	done

.PHONY: data
data:
	@test -n "$(DATA)" || { echo "say where the photos are: make $(MAKECMDGOALS) DATA=folder" >&2; exit 2; }
	@for folder in $(DATA); do test -d "$$folder" || { echo "$$folder: no such folder of photos" >&2; exit 2; }; done

clean:
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
