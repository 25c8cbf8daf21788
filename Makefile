# Everything is installed into this checkout: .tools (uv) and .venv (Counterfoil and what it needs).

UV_VERSION := 0.13.8
ARGS ?=

TOOLS := .tools
UV := $(TOOLS)/bin/uv
BIN := .venv/bin
UV_READY := $(TOOLS)/uv-$(UV_VERSION).ready
READY := .venv/counterfoil.ready

# A virtual environment holds its own path, so one that was made elsewhere is made again.
MADE_HERE := $(shell [ "$$(cat $(READY) 2>/dev/null)" = "$(CURDIR)" ] && echo yes)

export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH
# Images set it to stay small; it would have every process that is started compile 700 modules anew.
unexport PYTHONDONTWRITEBYTECODE

# Trust the certificates that this machine trusts, where uv and older pips would bring their own:
# behind a proxy that inspects TLS nothing else works.
CERTIFICATES := $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt \
	/etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem))
ifneq ($(CERTIFICATES),)
export UV_SYSTEM_CERTS ?= 1
export PIP_CERT ?= $(CERTIFICATES)
endif

# Where the home cannot be written (a service account), downloads are kept in the checkout.
ifeq ($(UV_CACHE_DIR)$(shell mkdir -p "$$HOME/.cache/uv" 2>/dev/null && [ -w "$$HOME/.cache/uv" ] && echo yes),)
export UV_CACHE_DIR := $(CURDIR)/$(TOOLS)/cache
endif

.DEFAULT_GOAL := help
.PHONY: help run demo example bench simulate crash test check lint format types imports coverage lock build clean
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## start the development server; options in ARGS="--port 9000"
	@exec $(BIN)/counterfoil serve --dev $(ARGS)

demo: $(READY) ## tell the whole story on this terminal, in under a minute
	@exec $(BIN)/counterfoil demo $(ARGS)

example: $(READY) ## start one of examples/, such as NAME=notes; options in ARGS
	@test -f examples/$(or $(NAME),readme).py || \
		{ echo "make: there is no such example; NAME is one of:" $(basename $(notdir $(wildcard examples/*.py))) >&2; exit 1; }
	@exec $(BIN)/python examples/$(or $(NAME),readme).py $(ARGS)

bench: $(READY) ## measure against floors and peers, in a minute; options in ARGS="--quick"
	@exec $(BIN)/python -m bench $(ARGS)

simulate: $(READY) ## try the promise under simulated faults; SEEDS=10000, ARGS="--store postgres"
	@exec $(BIN)/python -m simulation --seeds $(or $(SEEDS),1000) $(ARGS)

crash: $(READY) ## kill nodes and their store, and look what is missing; ROUNDS=200, ARGS="--store cluster"
	@exec $(BIN)/python -m crash --rounds $(or $(ROUNDS),200) $(ARGS)

# Two for each processor: many tests wait for processes that they started.
test: $(READY) ## run the tests; options in ARGS="-k refresh"
	@$(BIN)/pytest -n $$(($$(getconf _NPROCESSORS_ONLN) * 2)) --maxprocesses 4 --dist loadscope $(ARGS)

check: lint types imports test ## all that CI asks for

lint: $(READY) ## look for mistakes and for unformatted files
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

format: $(READY) ## format, and mend what can be mended without thought
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

types: $(READY) ## check the types
	@$(BIN)/mypy

imports: $(READY) ## check that imports point one way
	@$(BIN)/lint-imports --no-cache --no-logo

coverage: $(READY) ## run the tests and show the branches that none of them takes
	@$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

lock: $(UV_READY) ## resolve the dependencies anew, after a change to pyproject.toml
	@$(UV) lock --python $(TOOLS)/bin/python

build: $(UV_READY) ## make the wheel and the source archive in dist/
	@$(UV) build --quiet --python $(TOOLS)/bin/python

clean: ## remove all that make installed or made, but no data
	@rm -rf .venv $(TOOLS) dist htmlcov .coverage* .*_cache .hypothesis .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): $(UV_READY) pyproject.toml uv.lock $(if $(MADE_HERE),,made-elsewhere)
	@echo "Installing Counterfoil and its tools into .venv" >&2
	@$(UV) sync --quiet --frozen --all-extras --python $(TOOLS)/bin/python || \
		{ echo "make: uv could not install what uv.lock names (see above); it needs PyPI, and to write here." >&2; exit 1; }
	@echo "$(CURDIR)" > $@

$(UV_READY):
	@python=$$($(FIND_PYTHON)) || \
		{ echo "make: Python 3.11 or newer with its venv and ensurepip modules is missing from PATH (Debian: apt install python3-venv)." >&2; exit 1; }; \
	rm -rf $(TOOLS) && "$$python" -m venv $(TOOLS) && \
	$(TOOLS)/bin/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION) || \
		{ echo "make: pip could not install uv $(UV_VERSION) into $(TOOLS) (see above); it needs PyPI, and to write here." >&2; exit 1; }
	@touch $@

.PHONY: made-elsewhere
made-elsewhere:
	@rm -rf .venv

# PATH may name a python3.11 that this user may not run or that lacks venv, so each one is tried.
define FIND_PYTHON
	IFS=:; for name in python3.11 python3; do for folder in $$PATH; do \
		"$$folder/$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
			&& echo "$$folder/$$name" && exit 0; \
	done; done; exit 1
endef
