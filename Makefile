# Everything a developer or CI needs. It takes Python 3.11 or newer, make and git; the environment in
# .venv builds itself from the pinned, hashed locks in requirements/.

PYTHON ?= python3
WORKERS ?= 2
UPGRADE ?=

BIN := .venv/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --generate-hashes \
	--no-emit-index-url --python-version 3.11 --python $(BIN)/python

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run own-logs serve test test-full system-parts check bench validate docs fmt lock clean

help:  ## print these lines
	@grep -E '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*  ## (.*)/  make \1\t\2/' | expand -t 20

run: .venv/ready  ## the demo: a server and a small shop that logs to it and breaks now and then, until Ctrl-C
	@exec $(BIN)/tamis demo

own-logs: .venv/ready  ## take in this machine's own logs, show what is in them, stay up until Ctrl-C
	@exec $(BIN)/python -m tamis.cli.first_run

serve: .venv/ready  ## start the server on the folder tmp/data
	@exec $(BIN)/tamis serve --data tmp/data

test: .venv/ready  ## run the tests, without the slow suites
	$(BIN)/pytest -q -n $(WORKERS) -m "not full"

test-full: .venv/ready  ## run all tests
	$(BIN)/pytest -q -n $(WORKERS)

system-parts:  ## install what some tests need, such as Chromium (with apt-get, as root) and clients of other servers
	@$(PYTHON) tools/system_parts.py

check: .venv/ready  ## lint, types, layers, dependencies and the project's own rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/pytest -q tests/tidy

bench: .venv/ready-bench  ## measure, into benchmarks/README.md, under 10 minutes; PART=pipeline, server, keeping: their pages
	$(BIN)/python -m benchmarks $(if $(PART),--only $(PART))

validate: .venv/ready-bench  ## all of that in one report, beside the accepted one; over an hour. RESULTS=folder takes what is there
	$(BIN)/python -m tools.validate --workers $(WORKERS) $(if $(RESULTS),--results $(RESULTS)) \
		$(if $(ACCEPT),--accept) $(if $(BECAUSE),--because "$(BECAUSE)")

docs: .venv/ready  ## write the reference from the tables, build the site into site/
	for tool in tools/make_*_reference.py; do $(BIN)/python $$tool; done
	$(BIN)/zensical build --clean

fmt: .venv/ready  ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/ready  ## bring requirements/ in step with pyproject.toml; UPGRADE=--upgrade takes newer versions
	$(COMPILE) pyproject.toml --extra server --extra otel --group dev --group docs $(UPGRADE) -o requirements/dev.lock
	$(COMPILE) pyproject.toml --extra server --extra otel --group bench -c requirements/dev.lock $(UPGRADE) -o requirements/bench.lock
	for name in requirements/clients/*.in; do $(COMPILE) $$name $(UPGRADE) -o $${name%.in}.lock; done
	grep -m 1 '^uv==' requirements/dev.lock | cut -d ' ' -f 1 | $(COMPILE) - -o requirements/uv.lock

clean:  ## remove what was built, but not .venv
	rm -rf build dist site tmp .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests tools benchmarks -name __pycache__ -prune -exec rm -rf {} +

.venv/ready: .venv/uv requirements/dev.lock pyproject.toml
	$(UV) --require-hashes -r requirements/dev.lock
	$(UV) --no-deps --no-build-isolation -e .
	@touch $@

.venv/ready-bench: .venv/ready requirements/bench.lock
	$(UV) --require-hashes -r requirements/bench.lock
	@touch $@

.venv/uv: requirements/uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tamis takes Python 3.11 or newer; name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "this Python cannot make environments; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock
	@touch $@
