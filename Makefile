# make run         serve the page on http://127.0.0.1:7860      (make run ARGS="--host 0.0.0.0 --port 8000")
# make test        the fast tests, in a real browser too        (make test ARGS="-k attention")
# make test-slow   the tests that are slow by nature: kills, a minute of random load, many draws, every benchmark
# make test-all    both
# make test-replicas   the tests of app.py --replicas, which need Ray (365 MB)
# make lint        linter, formatter and type checker, for Python and for the page's scripts
#
# Each target sets up what it needs: a virtual environment, the requirements, for the tests a Chromium without windows if there is none, for lint TypeScript.

PYTHON ?= python3
ENV := .venv
BIN := $(ENV)/bin
TYPESCRIPT := typescript@~5.9

.PHONY: run test test-slow test-replicas test-all lint

run: $(ENV)/run-ready
	$(BIN)/python app.py $(ARGS)

# Two files at a time, in the order of tests/conftest.py, with one thread each for PyTorch: more threads than cores would wait for each other.
test: $(ENV)/test-ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: $(ENV)/test-ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-replicas: $(ENV)/ray-ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/test_replicas.py $(ARGS)

test-all: $(ENV)/test-ready
	$(BIN)/python -m pytest $(ARGS)

lint: $(ENV)/lint-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/oxlint --config ui/oxlint.json --deny-warnings ui
	$(BIN)/python -m tests.support.type_errors

$(ENV)/run-ready: requirements.txt
	$(PYTHON) -m venv $(ENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(ENV)/test-ready: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(ENV)
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	$(MAKE) chromium
	touch $@

$(ENV)/ray-ready: $(ENV)/test-ready
	$(BIN)/python -m pip install --quiet "ray[serve]>=2.50,<3"
	touch $@

# The type checker of the page's scripts is on npm alone; npm and node come from PyPI.
$(ENV)/lint-ready: $(ENV)/test-ready Makefile
	$(BIN)/npm install --no-audit --no-fund --silent --prefix $(ENV)/node $(TYPESCRIPT)
	touch $@

.PHONY: chromium
chromium:
	@command -v chromium-headless-shell || (apt-get update -qq && apt-get install -qq --yes chromium-headless-shell) || \
	  $(BIN)/python -m playwright install --only-shell chromium || command -v chromium || command -v chromium-browser || command -v google-chrome
