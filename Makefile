# `make demo` shows the emulator at work, `make serve` runs it, `make test` checks everything; each sets up what it needs.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PEERS := sip-tester baresip-core sipsak linphone-cli kamailio kamailio-tls-modules rtpengine-daemon tshark dnsutils \
	libnet-sip-perl libnet-dns-perl libio-socket-ssl-perl sofia-sip-bin openssl sox gcc libc6-dev buildah debootstrap iproute2 nftables docker-compose
IMAGE ?= vsim

.PHONY: serve demo test unit lint bytecode peers image bench clean help
.DEFAULT_GOAL := help

help:
	@echo 'make demo    see it at work, in 5 s    make serve   run the emulator'
	@echo 'make test    lint and every test       make image  build the container image, $(IMAGE)'
	@echo 'make unit    tests without a network   make bench  measure (see docs/performance.md)'
	@echo 'make lint    ruff and mypy             make clean  remove what was made'

serve: $(VENV)/.installed
	@$(BIN)/vsim serve $(ARGS)

demo: $(VENV)/.installed
	@$(BIN)/vsim demo

# More workers than cores: most of the time tests of wires wait. They get the files in the order of tests/conftest.py. Bytecode is kept
# even where the environment forbids it, for without it each of a thousand processes compiles the emulator anew.
test: export PYTHONDONTWRITEBYTECODE =
test: peers
	@$(MAKE) --no-print-directory -j 2 lint bytecode
	$(BIN)/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder -m 'not sound'
	$(BIN)/python -m pytest -n 2 tests/wire -m sound

# Of the tests, with their asserts rewritten, once instead of by each worker.
bytecode: $(VENV)/.dev
	@$(BIN)/python -m pytest --collect-only -q >/dev/null || true

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -m 'not wire'

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# By whichever builder works here. In Docker's image format, for OCI's has no place for the health check.
image: BUILD = --build-arg VERSION=$(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' emulator/__init__.py) --tag $(IMAGE) $(ARGS) .
image:
	@if docker info >/dev/null 2>&1; then docker build $(BUILD); \
	elif command -v podman >/dev/null 2>&1; then podman build --format docker $(BUILD); \
	elif command -v buildah >/dev/null 2>&1; then buildah build --format docker $(BUILD); \
	else echo 'docker, podman or buildah is needed' >&2; exit 2; fi

bench: peers
	$(BIN)/python -m benchmarks

# The foreign software that tests/wire talks to: installed where this may be done without asking, else those tests are skipped by name.
peers: $(VENV)/.dev
	@sh tests/install-peers.sh $(PEERS)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed; name one with PYTHON=' >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || sh tests/install-venv.sh $(PYTHON) $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find emulator tests benchmarks tools -name __pycache__ -prune -exec rm -rf {} +
