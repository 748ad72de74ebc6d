# `make help` lists what there is. Everything lives in .venv; stamps in it make repeated calls quick.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# bpy 4.5 exists for Python 3.11 only.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# More options for pip, such as --find-links FOLDER with a CPU-only wheel of torch.
PIP_FLAGS ?=
# HASHES=no: compare no wheel with its SHA-256, only versions.
HASHES ?= yes
PYTEST_FLAGS ?=
# More options for scripts/training/pipeline.py.
TRAIN_FLAGS ?=
# `make addon OFFLINE=linux-x64` packs the engine's wheels for that platform, too.
OFFLINE ?=
# How many tests run at a time: one more than two cores, since many wait for other processes.
PYTEST_WORKERS ?= 3

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
# The packages of the add-on's engine: its numpy is newer than the one that bpy 4.5, and so the tests, can have.
ENGINE := $(VENV)/engine
ENGINE_LOCK := blender_addon/engine_locks/linux-x64-python3.11.txt
INSTALL := $(BIN)/python scripts/build/install_environment.py $(if $(filter no,$(HASHES)),--no-hashes)
# What the wheels of bpy, OpenCV and MediaPipe link to, OpenGL without a display, and venv itself.
SYSTEM_PACKAGES := python3-venv libegl1 libgl1 libgl1-mesa-dri libgles2 libglib2.0-0 libice6 libsm6 libx11-6 \
	libxext6 libxfixes3 libxi6 libxkbcommon0 libxrender1
TEST_PACKAGES := blender python3-numpy xvfb xauth xdotool imagemagick chromium chromium-driver

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 14

.PHONY: demo
demo: $(STAMPS)/run $(STAMPS)/system ## reconstruct the astronaut that comes with scikit-image into out/astronaut/
	@$(BIN)/python scripts/demo.py --out out

.PHONY: try
try: $(STAMPS)/run $(STAMPS)/system ## open a page in the browser on which a photo becomes a head
	@$(BIN)/python -m web_app --open

.PHONY: setup
setup: $(STAMPS)/run $(STAMPS)/system ## only make the environment in .venv

.PHONY: test
test: $(STAMPS)/dev $(STAMPS)/test-packages ## run all tests, in Debian's Blender too
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(PYTEST_FLAGS)

.PHONY: test-engine
test-engine: $(STAMPS)/engine ## run the engine's tests with the packages that the add-on's engine is locked to
	$(ENGINE)/bin/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal tests/core --ignore tests/core/training $(PYTEST_FLAGS)

.PHONY: quick
quick: $(STAMPS)/dev ## run the tests that take seconds
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal -m "not slow and not fuzz" $(PYTEST_FLAGS)

.PHONY: fuzz
fuzz: $(STAMPS)/dev ## feed hostile bytes to all that reads files, for half an hour, and new examples to properties
	PHOTOBUST_FUZZ_SECONDS=1800 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal \
		--hypothesis-profile=explore -m "fuzz or hypothesis" $(PYTEST_FLAGS)

.PHONY: lint
lint: $(STAMPS)/dev ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: imports
imports: $(STAMPS)/dev ## check which room imports which, and that what is imported is declared
	$(BIN)/lint-imports
	$(BIN)/deptry .

.PHONY: format
format: $(STAMPS)/dev ## repair style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: typecheck
typecheck: $(STAMPS)/dev ## check types
	$(BIN)/mypy

.PHONY: benchmark
benchmark: $(STAMPS)/dev ## measure, and write docs/benchmarks.md
	$(BIN)/python scripts/benchmark/engine.py

.PHONY: benchmark-addon
benchmark-addon: $(STAMPS)/dev $(STAMPS)/test-packages ## measure the add-on in a window, and write docs/benchmarks.md
	$(BIN)/python scripts/benchmark/addon.py

.PHONY: addon
addon: $(STAMPS)/python ## pack the Blender add-on into dist/; OFFLINE=linux-x64, windows-x64 or macos-arm64: with the engine's wheels
	@$(BIN)/python scripts/build/addon.py $(if $(OFFLINE),--offline $(OFFLINE))

.PHONY: train
train: $(STAMPS)/dev ## train all models from the folder DATA, the network for HOURS; run it again to go on
	$(BIN)/python scripts/training/pipeline.py $(if $(DATA),--data $(DATA)) $(if $(HOURS),--hours $(HOURS)) $(TRAIN_FLAGS)

.PHONY: docs
docs: $(STAMPS)/dev ## build the site of the documentation into out/site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: wheel
wheel: $(STAMPS)/dev ## build the Python package into dist/
	$(BIN)/python -m build --outdir dist

.PHONY: release
release: $(STAMPS)/dev ## build all that is published, with SHA256SUMS, into dist/
	rm -rf dist
	$(MAKE) --no-print-directory wheel addon
	cd dist && sha256sum photobust-* > SHA256SUMS && cat SHA256SUMS

.PHONY: clean
clean: ## remove what was made, but not .venv
	rm -rf out build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache tests/artifacts
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## remove .venv as well
	rm -rf $(VENV)

$(STAMPS)/engine: $(ENGINE_LOCK) | $(STAMPS)/dev
	$(PYTHON) -m venv --clear $(ENGINE)
	$(ENGINE)/bin/python -m pip install --quiet $(PIP_FLAGS) --require-hashes -r $(ENGINE_LOCK)
	@# What only the tests need comes from $(VENV), and is found after these.
	@$(BIN)/python -c 'import site; print(f"import site; site.addsitedir({site.getsitepackages()[0]!r})")' \
		> "$$($(ENGINE)/bin/python -c 'import site; print(site.getsitepackages()[0])')/tests.pth"
	@touch $@

$(STAMPS)/system: Makefile scripts/build/ensure_packages.sh
	@scripts/build/ensure_packages.sh $(SYSTEM_PACKAGES)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/python: | $(STAMPS)/system
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 is needed and was not found (apt-get install python3)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo \
		"Python 3.11 is needed; $(PYTHON) is another. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(STAMPS)/run: $(STAMPS)/python pyproject.toml setup.py constraints.txt $(wildcard environment_locks/*) | $(STAMPS)/system
	@echo "Installing the engine and Blender's Python module (some minutes the first time)"
	@$(BIN)/python -m blender_addon.engine.package_sources
	@$(INSTALL) run $(PIP_FLAGS)
	@$(BIN)/python -c "import bpy, cv2, mediapipe, onnxruntime, skimage, uvicorn" 2>/dev/null || { \
		$(BIN)/python -c "import bpy, cv2, mediapipe, onnxruntime, skimage, uvicorn"; exit 1; }
	@touch $@

$(STAMPS)/dev: $(STAMPS)/run
	@echo "Installing what tests and training need"
	@$(INSTALL) dev $(PIP_FLAGS)
	@touch $@

$(STAMPS)/test-packages: Makefile scripts/build/ensure_packages.sh | $(STAMPS)/python
	@scripts/build/ensure_packages.sh --optional $(TEST_PACKAGES)
	@touch $@
