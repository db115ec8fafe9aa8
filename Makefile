# Every target sets up what it needs: .venv is made on first use (scripts/setup_env.sh) and made again when the lock
# files change. PYTHON=/path/to/python chooses the interpreter.
#   make report COHORT=my.csv REPORT=my.html FULL=1     make test ARGS="-k slopes"     make lock UPGRADE=1

PY := .venv/bin/python
COHORT ?=
FULL ?=
REPORT ?= reports/study.html
ARGS ?=
# A file of tests is one job, since its fixtures are its own. The files keep their order, the long ones first
# (tests/conftest.py): by themselves those of the fewest tests would come last, some of them long, and a core would wait.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
# Every core has a worker already: threads of BLAS would only take turns with them.
test test-slow test-all: export OPENBLAS_NUM_THREADS := 1
# Containers often forbid Python to keep what it compiles. Each worker and each command that a test starts would then
# compile every module again, and pytest rewrite every assertion.
unexport PYTHONDONTWRITEBYTECODE

# One environment is shared: no two targets may set it up at once.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help report reports test test-slow test-all validate bench lint format examples docs check-reports check-wheel lock clean distclean env-runtime env-dev

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

report: env-runtime ## the demonstration study as one HTML page (simulated data), or any table: COHORT=table.csv
	@mkdir -p "$(dir $(REPORT))"
	$(PY) -m alliance_bayes study $(if $(COHORT),"$(COHORT)",--demo) $(if $(FULL),--full) -o "$(REPORT)"

reports: report ## every page in reports/: the study, the report of its main model; and README's picture of the first, with Chromium
	$(PY) -m alliance_bayes report models/outcome.toml --demo -o reports/outcome.html
	@command -v chromium >/dev/null || { echo "no Chromium: docs/report.png stays as it is"; exit 0; }; \
	chromium --headless $$([ "$$(id -u)" != 0 ] || echo --no-sandbox) --disable-gpu --hide-scrollbars --window-size=1280,1170 \
	    --screenshot="$(CURDIR)/docs/report.png" "file://$(CURDIR)/reports/study.html" 2>/dev/null

test: env-dev ## the fast tests
	$(PY) -m pytest $(PARALLEL) $(ARGS)

test-slow: env-dev ## the tests that sample for long
	$(PY) -m pytest -m "slow and not validation" $(PARALLEL) $(ARGS)

test-all: env-dev ## both in one session, as CI does
	$(PY) -m pytest -m "not validation" $(PARALLEL) $(ARGS)

validate: env-dev ## coverage, calibration and agreement at full size, into docs/validation/results.md (ARGS="FILE ..." for some)
	$(PY) scripts/validate.py $(ARGS)

bench: env-dev ## ratios against peers, measured in one run, into benchmarks/results.md (BENCH_SLOW=1: the slow peers too)
	$(PY) benchmarks/results.py

lint: env-dev ## style, types, and which room imports which
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

format: env-dev ## let ruff rewrite what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

examples: env-dev ## every numbered script and notebook in examples/, in build/examples
	@sh scripts/run_each.sh $(PY) build/examples examples/[0-9]*.py examples/[0-9]*.ipynb

docs: env-dev ## the site, in build/docs; whatever Sphinx would warn of is an error
	@rm -rf docs/generated
	$(PY) -m sphinx --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees docs build/docs

check-reports: env-dev ## whether reports/ is what the package makes today
	$(PY) scripts/check_reports.py

check-wheel: env-dev ## the wheel in an empty environment: README's lines, every card, the demonstration study (WHEELS=folder: no network)
	$(PY) scripts/check_wheel.py

lock: ## write the lock files again from pyproject.toml (UPGRADE=1: newest versions)
	@sh scripts/lock.sh

clean: ## remove caches and build output, and keep .venv
	rm -rf build dist docs/generated .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests examples benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## remove .venv too
	rm -rf .venv .venv-uv .venv-busy

env-runtime:
	@sh scripts/setup_env.sh runtime

env-dev:
	@sh scripts/setup_env.sh dev
