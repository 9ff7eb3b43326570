# One word a task. `make demo` and `make test` set up what they need in $(VENV), from a Python package registry alone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
FUZZ_SECONDS ?= 60
# Slow tests wait for processes that they start: three at a time keep two cores busy.
TEST_OPTIONS := -n 3 --dist loadfile --no-loadscope-reorder
# NumPy's other threads wait by spinning, on a core that another test could use.
test test-quick test-all latest: export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test test-quick test-all fuzz latest lint audit fix docs site bench clean

demo: $(VENV)/.installed        ## the complete workflow on synthetic photos, in DEMO
	PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo.sh "$(DEMO)"

test: $(VENV)/.installed-dev    ## all tests but the long one, which kills commands at 77 moments
	$(BIN)/python -m pytest $(TEST_OPTIONS) -m "not long"

test-quick: $(VENV)/.installed-dev ## the tests of at most 20 seconds each
	$(BIN)/python -m pytest $(TEST_OPTIONS) -n 2 -m "not slow and not long"

test-all: $(VENV)/.installed-dev ## all tests
	$(BIN)/python -m pytest $(TEST_OPTIONS)

fuzz: $(VENV)/.installed-dev    ## damaged files for every reader, FUZZ_SECONDS each; what fails is kept in tests/fuzz/found
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

latest:                         ## the tests against pre-releases of what the models run on; for a weekly job
	$(PYTHON) -m venv $(VENV)-latest
	$(VENV)-latest/bin/pip install --quiet --editable '.[dev]'
	$(VENV)-latest/bin/pip install --quiet --upgrade --pre tensorflow keras numpy
	# A pre-release of TensorFlow brings a nightly Keras, which KerasHub cannot import, in place of ours; and the library
	# of TensorFlow Text is built for the release. KerasHub does without it.
	$(VENV)-latest/bin/pip uninstall --quiet --yes keras-nightly tensorflow-text
	$(VENV)-latest/bin/pip install --quiet --pre --force-reinstall --no-deps 'keras>=3.15,<3.16'
	$(VENV)-latest/bin/python -m pytest $(TEST_OPTIONS) -m "not long"

lint: $(VENV)/.installed-dev    ## style, types, unsafe calls, who may import whom, docs/cli.md, the site built strictly
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive keras_sister cli
	$(BIN)/lint-imports
	$(BIN)/python scripts/help_page.py --check docs/cli.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

audit: $(VENV)/.installed-dev   ## known vulnerabilities of what is installed; skipped where their data are out of reach
	$(BIN)/python scripts/audit.py

fix: $(VENV)/.installed-dev     ## fix style automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev    ## write docs/cli.md and the badges
	$(BIN)/python scripts/help_page.py docs/cli.md
	$(BIN)/python scripts/badges.py docs/badges

site: $(VENV)/.installed-dev    ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

bench: $(VENV)/.installed-dev       ## measure; see benchmarks/README.md
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m benchmarks.training
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m benchmarks.segmenters
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m benchmarks.serving

clean:
	rm -rf $(VENV) $(VENV)-latest build dist site *.egg-info

$(VENV)/.installed: pyproject.toml setup.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
