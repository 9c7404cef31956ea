# Everything starts from a bare python3 (3.11 or 3.12): stack/bootstrap.py makes the environments that a target needs.
PYTHON ?= python3
BOOTSTRAP = $(PYTHON) stack/bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help demo serve test bench lint lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: ## everything from nothing: real data to approved models, scored forecasts and their REST answer; exits
	@$(BOOTSTRAP) --services -- python -m stack demo

serve: ## the same stack, left up in the foreground: portal, Airflow, mail sink
	@$(BOOTSTRAP) --services -- python -m stack serve

test: ## the test suite, against an embedded PostgreSQL and Valkey of its own (a part of it: PYTEST_ARGS=tests/stack)
	@GRIDCAST_ENV=test exec $(BOOTSTRAP) --dev --services -- python -m stack run-with-services -- \
		python -m pytest $(if $(PYTEST_ARGS),$(PYTEST_ARGS),--cov --cov-fail-under=85)

bench: ## accuracy and cost beside other libraries, ingest and ledger beside raw SQL, a year replayed, to docs/benchmarks/ (a part of it: see README)
	@$(BOOTSTRAP) --dev --bench --services -- python -m tests.benchmarks $(BENCH_ARGS)

lint: ## ruff, mypy and the import rules
	@$(BOOTSTRAP) --dev -- sh -ec 'ruff check . && ruff format --check . && mypy && lint-imports'

lock: ## recompile the four locks from pyproject.toml
	@$(BOOTSTRAP) --lock

clean: ## remove the state, the environments and the caches
	@$(PYTHON) -m stack.clean
