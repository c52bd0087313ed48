# `make` alone lists the targets. Everything is installed into .venv and nowhere else.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
# Workers for the tests. There are more than processors, because many tests wait for programs or for time.
JOBS ?= 4
# Arguments for the command of a target, such as pytest: `make test ARGS="-k codec"`.
ARGS ?=

.PHONY: help deps test lint format run bench measure fuzz generate lock xp build package wheel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

deps: $(VENV)/.deps ## Create .venv and install everything: exactly what requirements/dev.lock names

# A stamp is touched last, so an interrupted install is repeated. A full install includes what running needs.
$(VENV)/.deps: pyproject.toml requirements/dev.lock
	@$(call install,make deps,dev.lock)
	@touch $@ $(VENV)/.run

# run.lock is a part of dev.lock, in the same versions: `make test` after `make run` installs the rest.
$(VENV)/.run: pyproject.toml requirements/run.lock
	@$(call install,make run,run.lock)
	@touch $@

# $(call install,COMMAND,LOCK) finds a Python; the script makes the environment and shows the progress.
define install
python=; for candidate in "$${PYTHON:-}" python3 python3.13 python3.12 python3.11; do \
  if [ -n "$$candidate" ] && "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
  then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
  echo "$(1): Python 3.11 or newer is needed and none was found; install one, or set PYTHON=/path/to/python3" >&2; exit 1; fi; \
"$$python" requirements/install.py "$(1)" $(VENV) $(2)
endef

# The tests start hundreds of Pythons, which find the project compiled. A worker without tests takes over others'.
test: deps ## Run the tests, without those marked slow
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -m "not slow" --timeout=120 -n $(JOBS) --dist worksteal $(ARGS)

lint: deps ## Check style, formatting and types
	@failed=0; \
	for check in "ruff check . build" "ruff format --check . build" "mypy"; do \
	  echo "$(BIN)/$$check"; $(BIN)/$$check || failed=1; \
	done; \
	exit $$failed

format: deps ## Format the sources as `make lint` requires
	$(BIN)/ruff check --fix . build
	$(BIN)/ruff format . build

run: $(VENV)/.run ## Start the extension in osqueryi, or in the embedded engine where there is none
	@sql="select protocol, port, address, scope, name from kolide_exposed_ports order by port limit 5; select fullkey, value from kolide_toml where path = '$(CURDIR)/pyproject.toml' and query = 'project/name'"; \
	osqueryi=$$(command -v osqueryi || true); \
	if [ -n "$$osqueryi" ]; then \
	  flags=(--extension "$(abspath $(BIN))/kolide_ext" --extensions_require=kolide_ext --allow_unsafe); \
	  if [ -t 0 ]; then exec "$$osqueryi" "$${flags[@]}"; fi; \
	  echo "through $$osqueryi:"; IFS=";"; for statement in $$sql; do "$$osqueryi" "$${flags[@]}" "$$statement"; done; \
	elif [ -t 0 ]; then exec $(BIN)/kolide_ext shell; \
	else echo "through the embedded engine, as no osqueryi is on PATH:"; \
	  IFS=";"; for statement in $$sql; do $(BIN)/kolide_ext query "$$statement"; done; fi

bench: deps ## Run the benchmarks: `make bench ARGS="--peer ./other.ext:its_table"`
	$(BIN)/python benchmarks/bench_tables.py $(ARGS)

measure: deps ## Compare each bundled table with its oracle, and measure it: `make measure ARGS=tables`
	@mkdir -p build
	$(BIN)/python -m pytest -q -m "not slow" -n $(JOBS) tests/tables --comparisons build/comparisons.json
	$(BIN)/python benchmarks/bench_bundle.py --comparisons build/comparisons.json $(ARGS)

# These tests measure memory and time, so they run in one process.
fuzz: deps ## Run the slow tests: fuzzing, memory and endurance
	$(BIN)/python -m pytest -m slow -n 0 $(ARGS)

generate: ## Generate the reference codec from osquery.thrift (needs the thrift compiler)
	@command -v thrift >/dev/null || { echo "make generate: the thrift compiler is not on PATH" >&2; exit 1; }
	@out=$$(mktemp -d); trap 'rm -rf "$$out"' EXIT; \
	thrift --gen py:slots -out "$$out" sdk/osquery_sdk/wire/osquery.thrift; \
	from=$$(dirname "$$(find "$$out" -name ttypes.py)"); \
	cp "$$from"/{ttypes,Extension,ExtensionManager}.py sdk/osquery_sdk/wire/gen/

COMPILE := uv pip compile -p 3.11 --universal --generate-hashes --no-emit-index-url --no-annotate --no-header

# run.lock takes its versions from dev.lock.
lock: ## Resolve pyproject.toml and requirements/*.in into dev.lock and run.lock (needs uv)
	@command -v uv >/dev/null || { echo "make lock: uv is not on PATH" >&2; exit 1; }
	cd requirements && $(COMPILE) --all-extras ../pyproject.toml dev.in -o dev.lock
	cd requirements && $(COMPILE) --extra tables --extra engine -c dev.lock ../pyproject.toml run.in -o run.lock

xp: ## Say how programs for other platforms are built
	@echo "PyInstaller freezes a program only for the platform it runs on, so there is no cross build."
	@echo "The workflow .github/workflows/build.yml builds and runs the programs for the platforms in build/targets.toml:"
	@sed -n 's/^name = "\(.*\)"/  \1/p' build/targets.toml
	@echo "\`make build\` builds for this one."

build: deps ## Freeze the programs by the recipes in build/, into build/: `make build ARGS=--onefile`
	$(BIN)/python build/recipes.py build $(ARGS)

package: deps ## Make packages of the programs in build/, in build/packages: `make package ARGS="--to deb,rpm"`
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python build/recipes.py package $(ARGS)

wheel: deps ## Build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@ls -l dist/*.whl

clean: ## Remove what was built and cached; .venv stays
	rm -rf dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find build -mindepth 1 -maxdepth 1 ! -name README.md ! -name '*.toml' ! -name recipes.py -exec rm -rf {} +
	find . -path './.venv*' -prune -o -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
