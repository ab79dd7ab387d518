# Two commands matter: `make run` and `make test`. Both make .venv first.
# PYTHON may name another interpreter (3.11 or 3.12): make test PYTHON=python3.12

PYTHON ?= $(shell command -v python3.11 >/dev/null 2>&1 && python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed

.PHONY: run test format lint types floors pytest bench clean

run: $(STAMP)
	@$(BIN)/miniqueue cert
	@echo
	@echo "Try it from a second and a third terminal, here:"
	@echo
	@echo "  curl -N --http2 --cacert certs/ca.pem -X POST -T . https://localhost:8080/subscribe/foo"
	@echo "      then type \"INIT\" (with the quotes), and \"ACK\" for each message"
	@echo "  curl --cacert certs/ca.pem -X POST https://localhost:8080/publish/foo --data helloworld"
	@echo
	@$(BIN)/miniqueue -human

test: format lint types floors pytest

format: $(STAMP)
	$(BIN)/ruff format --check

lint: $(STAMP)
	$(BIN)/ruff check

types: $(STAMP)
	$(BIN)/mypy

floors: $(STAMP)
	$(BIN)/lint-imports

# Two at a time: many tests wait more than they compute. Shared out by number, and never by
# file: that goes by name, and of many tests with one name (schemathesis makes them) runs one.
pytest: $(STAMP)
	$(BIN)/pytest -n 2 --dist worksteal

bench: $(STAMP)
	$(BIN)/python -m benchmarks peers --quick

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .import_linter_cache
