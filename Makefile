# `make demo` and `make test` do all the set-up on a machine with Python 3.11+; nothing is installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
IMAGES := python rust  # what tests of sandbox=docker run in

.PHONY: help demo test engine browser postgres check format lint types contracts docs docs-check bench weights weights-small wheel clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(READY): pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $(VENV)
	@touch $(READY)

demo: $(READY) weights ## real models on this machine climb a ladder; ends with the comparison
	@sh scripts/demo.sh $(BIN)

test: $(READY) weights-small engine browser postgres ## all tests
	$(BIN)/pytest -n 3 --dist worksteal

engine: $(READY) ## a container engine and its images, where they can be had; in CI (CI=true) they must
	@{ sh scripts/engine.sh && $(BIN)/evalkit images build $(IMAGES); } || \
		{ [ "$$CI" != true ] && echo 'no container engine: tests of sandbox=docker are skipped'; }

browser: ## Chromium for the tests of pages, where it can be had; in CI (CI=true) it must
	@sh scripts/browser.sh || { [ "$$CI" != true ] && echo 'no Chromium: tests of pages are skipped'; }

postgres: ## PostgreSQL for the tests of a tracking server, where it can be had; in CI (CI=true) it must
	@sh scripts/postgres.sh || { [ "$$CI" != true ] && echo 'no PostgreSQL: tests of a tracking server are skipped'; }

check: $(READY) ## format, lint, types, import contracts, docs, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory docs-check
	$(MAKE) --no-print-directory test

format: $(READY) ## mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## write the config reference anew from the settings
	$(BIN)/python scripts/config_reference.py > docs/config.md

docs-check: $(READY)
	@$(BIN)/python scripts/config_reference.py | diff -u docs/config.md - || (echo 'docs/config.md is old: make docs'; exit 1)

bench: $(READY) ## speed and memory against a bare loop, in one run
	$(BIN)/python benchmarks/overhead.py

weights: $(READY)
	@$(BIN)/evalkit models fetch

weights-small: $(READY)
	@$(BIN)/evalkit models fetch smollm2-135m

wheel: $(READY) ## a wheel in dist/
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## all that was made, but no run
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
