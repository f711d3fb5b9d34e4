# One environment, .venv, serves everything here. It is made on first use, and brought up to date
# when pyproject.toml or constraints.txt change.
#
#   make demo       train, ask, and export a model of handwritten digits
#   make test       what has to pass before a change goes in
#   make test-all   the same, with the tests that take minutes
#   make test-oldest   the suite on the oldest torch that is supported
#   make bench ROW=tutorial   a row of the benchmark
#   make screenshots   take the docs' pictures of the page again, in Chromium
#   make format     lay the code out, and mend what ruff can mend
#   make lock       renew constraints.txt from this environment
#   make clean      remove what these targets made

# The first Python on the path that is new enough; PYTHON=... decides otherwise.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; done; echo python3)

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
IS_NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null

.PHONY: demo test test-all test-oldest bench screenshots format lock clean
.DELETE_ON_ERROR:

demo: $(READY)
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh

test: $(READY)
	@BIN=$(BIN) sh scripts/check.sh

test-all: $(READY)
	@BIN=$(BIN) sh scripts/check.sh -m ''

# The oldest torch that is supported, in an environment of its own that is removed afterwards.
test-oldest:
	@$(PYTHON) -m venv --clear .venv-oldest
	@.venv-oldest/bin/python -m pip install --quiet --quiet --no-input --disable-pip-version-check \
		--editable '.[dev]' torch==2.10.0 torchvision==0.25.0
	@.venv-oldest/bin/python -m pytest -q; status=$$?; rm -rf .venv-oldest; exit $$status

# bench/rows.py says which rows there are; a row says which pictures it needs, and where to name them. SHORT=1 tries it.
bench: $(READY)
	@$(BIN)/python bench/compare.py $(ROW) $(if $(SHORT),--short)

screenshots: $(READY)
	$(BIN)/python scripts/screenshots.py

format: $(READY)
	$(BIN)/ruff check --fix --quiet --exit-zero .
	$(BIN)/ruff format .

lock: $(READY)
	$(BIN)/python scripts/lock.py

clean:
	rm -rf $(VENV) demo dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) $(IS_NEW_ENOUGH) || { \
		echo "lensmith needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
		echo "Name a newer one: make $(firstword $(MAKECMDGOALS)) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(BIN)/python $(IS_NEW_ENOUGH) || { echo "making $(VENV) ..."; $(PYTHON) -m venv --clear $(VENV); }
	@echo "installing lensmith and what it needs into $(VENV) (1-3 minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --quiet --no-input --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	@touch $@
