# make run    serve the page on http://127.0.0.1:7860      (make run ARGS="--host 0.0.0.0 --port 8000")
# make test   all tests, in a real browser too
# make lint   linter, formatter, type checker
#
# Each does all of its own set-up: a virtual environment, the requirements, for tests a Chromium if none is there.

PYTHON ?= python3
ENV := .venv
BIN := $(ENV)/bin

.PHONY: run test lint

run: $(ENV)/run-ready
	$(BIN)/python app.py $(ARGS)

test: $(ENV)/test-ready
	$(BIN)/python -m pytest $(ARGS)

lint: $(ENV)/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(ENV)/run-ready: requirements.txt
	$(PYTHON) -m venv $(ENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(ENV)/test-ready: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(ENV)
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	$(MAKE) chromium
	touch $@

.PHONY: chromium
chromium:
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  (apt-get update -qq && apt-get install -qq --yes chromium) || $(BIN)/python -m playwright install chromium
