# Everything a newcomer needs is two words: `make demo` and `make test`. Each sets up what it uses, and is safe to repeat.
# Recipes name only relative paths, so that a clone may lie in a folder with spaces in its name.

PYTHON ?= python3
# One more than the two cores that the suite is measured on: many of its tests wait for blocks.
JOBS ?= 3
BOOTSTRAP = $(PYTHON) scripts/bootstrap.py
VENV = .venv/bin
# Which file begins first is for tests/conftest.py to say: the longest have one test each.
PYTEST = $(VENV)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
FAST = unit or property or architecture

# Images often set this. Then every one of the thousand processes that the tests start would compile the whole keeper again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-contracts conformance prove gas check lint fmt bench chaos chaos-replicas soak lock clean

help: ## this list
	@echo "keeper: watches a protocol, pauses it when a rule trips, and proves what it did"
	@echo
	@echo "  start here:  make demo     a local chain, a price shock, a paused market, the proof"
	@echo "               make test     every test that needs no internet"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r name text; do printf '  %-19s %s\n' "make $$name" "$$text"; done
	@echo
	@echo "  needs Python >= 3.11, Node >= 20 and make; nothing is installed outside of this folder"
	@echo "  afterwards: .venv/bin/keeper --help"

setup: ## what demo and keeper need: virtual environment, node packages, contracts
	@$(BOOTSTRAP)

setup-dev: ## the same with the tools of tests and checks, ccxt for exchange sources, boto3 for KMS
	@$(BOOTSTRAP) --dev

demo: setup ## the keeper end to end on a local chain; ARGS="--scenario volatility", JSON=1
	@$(VENV)/keeper $(if $(JSON),--json) demo $(ARGS)

test: test-contracts ## contracts with forge, then everything in Python; ARGS="-k depeg"
	@$(PYTEST) $(ARGS)

test-contracts: setup-dev ## the forge tests alone
	@scripts/forge test

conformance: ## our client of builders held against the `flashbots` package, which gets an environment of its own
	@$(BOOTSTRAP) --reference
	@$(VENV)/python -m pytest tests/conformance/reference $(ARGS)

prove: ## proofs, static analysis, coverage and gas of the contracts; PART=symbolic
	@$(BOOTSTRAP) --prove
	@$(VENV)/python -m scripts.prove $(PART)

gas: setup-dev ## measure the gas of the contracts' calls anew, and write it down
	@$(VENV)/python -m scripts.prove write-gas

check: lint ## format, lint, types, import contracts, fast tests: before every commit
	@$(PYTEST) -m "$(FAST)"

lint: setup-dev ## format, lint, types and import contracts alone
	@$(VENV)/ruff format --check
	@$(VENV)/ruff check
	@$(VENV)/mypy
	@$(VENV)/lint-imports

fmt: setup-dev ## format, and mend what can be mended
	@$(VENV)/ruff check --fix-only --quiet
	@$(VENV)/ruff format

bench: setup-dev ## measurements against a named peer in the same run; BENCH=hot-path, JSON=1, ROWS=1000000
	@$(VENV)/python -m bench $(BENCH) $(if $(JSON),--json) $(if $(ROWS),--rows $(ROWS))

chaos: setup-dev ## seeded runs with faults and kill -9 at every step, and the builders' lottery; RUNS=500 SEED=7
	@$(VENV)/python -m tests.support.chaos $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED))

chaos-replicas: setup-dev ## seeded runs with two keepers on one PostgreSQL, killed, frozen and cut off around a trip; RUNS=100 SEED=7
	@$(VENV)/python -m tests.support.replicas $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

soak: setup-dev ## 200 markets for an hour among small troubles: memory, processor, blocks, trips, reloads; MINUTES=60 SEED=7
	@$(VENV)/python -m tests.support.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

lock: ## write the lock files again (needs uv and npm)
	@scripts/lock

clean: ## back to a fresh clone: .demo goes too, with its logs; .env and other databases stay
	@$(BOOTSTRAP) --clean
