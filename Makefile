# `make` alone explains itself. Every target sets up what it needs, in .venv/, .lakehouse/ and build/ only.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3) # PYTHON=/path/to/python3.11
INPUT ?= # INPUT=path/to/file.parquet: a file of yours for the demo
TESTS ?= tests # TESTS=tests/unit/test_kernel.py: only these

UV_VERSION := 0.13.8
TOOLS := .lakehouse/tools
UV := $(TOOLS)/bin/uv
READY := .venv/.ready
SQL := dbt_project terraform/modules/analytics
# Java, Spark's Python workers and Terraform all find what they need from here.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/$(TOOLS)/bin:$(PATH)
# Bytecode is compiled at install, so that no Spark worker compiles Polars and PyArrow again.
unexport PYTHONDONTWRITEBYTECODE VIRTUAL_ENV PYTHONPATH

##@ See it work
.PHONY: demo
demo: $(READY) ## Run the main job end to end on this machine (INPUT=… for a file of yours)
	@lakehouse demo $(INPUT)

##@ Develop
.PHONY: setup
setup: $(READY) ## Install everything into .venv and check what the machine needs
	@lakehouse doctor

.PHONY: test
test: check ## Run every check and every test: minutes
	@pytest -n 2 $(TESTS)

.PHONY: test-fast
test-fast: $(READY) ## Run the tests that need no minutes, several at a time
	@PROPERTY_SHARE=0.2 pytest -q -n 4 -m "not e2e" $(TESTS)

.PHONY: check
check: $(READY) ## Lint, types, formats, module tables
	@ruff check .
	@ruff format --check .
	@mypy
	@sqlfluff lint --disable-progress-bar $(SQL)
	@TF_CLI_CONFIG_FILE= terraform fmt -check -recursive terraform
	@python -m lakehouse.terraform_docs --check

.PHONY: format
format: $(READY) ## Format Python, SQL and Terraform, and renew the generated tables
	@ruff check --fix .
	@ruff format .
	@sqlfluff fix --disable-progress-bar $(SQL)
	@TF_CLI_CONFIG_FILE= terraform fmt -recursive terraform
	@python -m lakehouse.terraform_docs
	@lakehouse local coverage --output markdown > docs/local-coverage.md

.PHONY: bench
bench: $(READY) ## Measure conversion, queries, planning and ingestion against their peers: rows, bytes, seconds, memory
	@$(UV) run --quiet --frozen --all-extras --group bench python tests/benchmarks/conversion.py
	@$(UV) run --quiet --frozen --all-extras --group bench python tests/benchmarks/athena.py
	@$(UV) run --quiet --frozen --all-extras --group bench python tests/benchmarks/planning.py
	@$(UV) run --quiet --frozen --all-extras --group bench python tests/benchmarks/ingestion.py

.PHONY: package
package: $(READY) ## Build the Lambda zip, the Glue wheels and the dbt project for AWS into build/package
	@lakehouse package

.PHONY: clean
clean: ## Stop the endpoint and delete everything that was made here
	@if [ -x .venv/bin/lakehouse ]; then .venv/bin/lakehouse down; fi
	@rm -rf .venv .lakehouse build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The environment is made anew when the lock or the project changes.
$(READY): uv.lock pyproject.toml | $(UV)
	@$(UV) sync --quiet --locked --all-extras --compile-bytecode --no-python-downloads --python "$(strip $(PYTHON))"
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 is needed, and $(or $(strip $(PYTHON)),no python3) is not it."; \
		echo "Install Python 3.11, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up (once, about a minute): uv $(UV_VERSION), then the locked packages into .venv"
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
