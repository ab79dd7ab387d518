# Two commands matter: `make run` and `make test`. Both make .venv first: `run` puts the broker
# into it, `test` what the tests need too. PYTHON names another interpreter, which has a virtual
# environment of its own: make test PYTHON=python3.12

DEFAULT_PYTHON = $(shell command -v python3.11 >/dev/null 2>&1 && python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
PYTHON ?= $(DEFAULT_PYTHON)
VENV ?= .venv$(if $(filter command line,$(origin PYTHON)),-$(notdir $(PYTHON)))
BIN = $(VENV)/bin
RUNS = $(VENV)/.server
TESTS = $(VENV)/.dev
CORE = $(addprefix tests/outside/test_,$(addsuffix .py,crash crash_retries publish settling shutdown signals subscribe))

.PHONY: run test format lint types floors pytest core bench clean

run: $(RUNS)
	@$(BIN)/miniqueue -human $(if $(PORT),-port $(PORT))

test: format lint types floors pytest

format: $(TESTS)
	$(BIN)/ruff format --check

lint: $(TESTS)
	$(BIN)/ruff check

types: $(TESTS)
	$(BIN)/mypy

floors: $(TESTS)
	$(BIN)/lint-imports

# Two at a time: many tests wait more than they compute. Shared out by number, and never by
# file: that goes by name, and of many tests with one name (schemathesis makes them) runs one.
pytest: $(TESTS)
	$(BIN)/pytest -n 2 --dist worksteal

# What rests on the interpreter and on the library that it has a wheel of: .ci/run has it for the
# newest, which is another than that of `make test`.
core: $(TESTS)
	$(BIN)/pytest -n 2 --dist worksteal tests/storage tests/broker $(CORE)

bench: $(TESTS)
	$(BIN)/python -m benchmarks peers --quick

# Not upgraded, pip is the interpreter's own: fast enough, and the same each time.
$(RUNS): pyproject.toml
	@echo "Making $(VENV) with the broker in it, by $(PYTHON): some twenty seconds, once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[server]'
	@touch $@

$(TESTS): pyproject.toml
	@echo "Making $(VENV) with all that the tests need, by $(PYTHON): a minute or two, once."
	@$(PYTHON) -m venv $(VENV)
	@PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(RUNS) $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache
