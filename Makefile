# Two commands do all the set-up: `make demo` and `make test`. Everything is installed into .venv from the lock file.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
# Tests start many processes; each would compile all of the product anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test lint format lock diagram docs judge gallery faults bench bench-import clean
help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

.venv/ready: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q digest workers
	touch $@

install: .venv/ready ## everything into .venv: then .venv/bin/digest

demo: .venv/ready ## the whole story on the embedded default: collect, send, unsubscribe, second issue (KEEP=1 leaves it running)
	$(BIN)/python -m demo $(if $(KEEP),--keep)

test: lint ## lint, then all tests on SQLite and PostgreSQL; ends with their coverage (which lines they miss: build/coverage.txt)
	@mkdir -p build
	$(BIN)/python -m slipcover --source digest,workers --skip-covered --out build/coverage.txt -m pytest -n 2
	@tail -n 1 build/coverage.txt | awk '{ print "coverage: " $$NF " % of the lines of digest and workers, without what only other processes run" }'

lint: .venv/ready ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/ready ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

judge: .venv/ready build/judge/ready ## other people's programs judge mails and pages: parsers, the W3C checker, axe, caniemail, SpamAssassin, Chromium
	$(BIN)/python -m pytest -m judge -rs -n 2 tests/judge tests/flows/test_thirty_days.py tests/test_wheel.py

gallery: .venv/ready build/judge/ready ## draw docs/gallery anew: what readers see of mails and pages
	$(BIN)/python -m tests.judge.gallery

build/judge/ready: tests/judge/install.sh
	tests/judge/install.sh
	touch $@

faults: .venv/ready build/faults/ready ## real processes killed, flushed, filled up in mid-send; each fault's account in build/faults.md (FAULT_SEED=… repeats one, FAULT_JOBS=1 has one at a time)
	$(BIN)/python -m pytest -m fault -rs -n $(or $(FAULT_JOBS),2) tests/faults

# A clock that can be set for one process; without it (no apt) the faults of clocks are skipped with a message.
build/faults/ready:
	mkdir -p build/faults
	-cd build/faults && apt-get download -qq libfaketime && dpkg -x libfaketime_*.deb .
	touch $@

bench: .venv/ready ## how fast, against whom, and how cost grows (QUICK=1: under five minutes; PARTS=speed,wire: some)
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(PARTS),--parts $(PARTS)) $(if $(QUICK)$(PARTS),,--write)

bench-import: .venv/ready ## import a million readers, 1 % of them bad, into both databases (ROWS=…)
	$(BIN)/python -m bench.importing $(if $(ROWS),--rows $(ROWS),--write)

diagram: .venv/ready ## draw states and floors into the documents
	$(BIN)/python docs/diagram.py

docs: .venv/ready ## make docs/reference from the settings and the commands
	$(BIN)/python docs/reference.py

lock: .venv/ready ## lock the newest allowed versions
	$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11 --extra dev pyproject.toml -o requirements.lock

clean: ## remove what make and the tools made
	rm -rf .venv build .mypy_cache .ruff_cache .import_linter_cache dist *.egg-info
