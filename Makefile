# Needs Python 3.11 or newer, pip and make; everything else goes into .venv and .cache.
#   make demo      install, serve the demo on http://127.0.0.1:8000
#   make bench     hipflask beside its peers, figures judged: 11 minutes (QUICK=1: 3)
#   make bench-http  the same over HTTP: 45 minutes; make bench-growth: what makes a request dearer
#   make soak      faults under load, as in production: 7 minutes (make soak QUICK=1: 90 s)
#   make api-fuzz  made-up requests against examples/orders: some 3 minutes
#   make api-clients  TypeScript clients of examples/orders, made and run: under a minute
#   make test      the tests, with branch coverage, then again without Flask installed
# Another Python: make PYTHON=python3.13

PYTHON ?=
VENV := .venv
BARE := .venv-bare
PEERS := .venv-peers
PY := $(VENV)/bin/python
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
CLIENTS := .cache/clients/installed
WIRING := pyproject.toml hipflask_as_flask.pth scripts/make_venv.sh

.DEFAULT_GOAL := all
.PHONY: all demo test test-bare lint bench bench-http bench-growth guard soak api-fuzz api-clients docs conformance conformance-extensions clean

all: $(VENV)/.dev

# The stamps make a second run quick; the recipes are fit to be repeated.
$(VENV)/.base: $(WIRING)
	@sh scripts/make_venv.sh $(VENV) $(PYTHON)
	$(PY) $(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(PY) $(PIP_INSTALL) -e '.[dev]'
	@touch $@

$(BARE)/.dev: $(WIRING)
	@sh scripts/make_venv.sh $(BARE) $(PYTHON)
	$(BARE)/bin/python $(PIP_INSTALL) -e '.[test]'
	@touch $@

demo: $(VENV)/.base
	$(PY) -m examples.demo

# Counting branches makes Python half as fast again. These compare and hunt; nearly all that they
# enter the others enter too.
UNCOUNTED := $(addprefix tests/,benchmarks conformance contract docs ecosystem fuzz patching rules \
	typing)
PYTEST := -m pytest -n 2 --dist loadfile -q

test: $(VENV)/.dev $(CLIENTS) test-bare
	$(PY) $(PYTEST) $(UNCOUNTED)
	$(PY) $(PYTEST) --cov --cov-report=term $(UNCOUNTED:%=--ignore=%)

# Without Flask and what only extensions bring, as users have it.
test-bare: $(BARE)/.dev
	$(BARE)/bin/python $(PYTEST) -rs -p no:cacheprovider tests/test_*.py tests/front \
		tests/api/inputs tests/api/outputs tests/security tests/ops

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

$(PEERS)/.dev: $(WIRING) benchmarks/peers/requirements.txt
	@sh scripts/make_venv.sh $(PEERS) $(PYTHON)
	$(PEERS)/bin/python $(PIP_INSTALL) -e .
	$(PEERS)/bin/python benchmarks/peers/install.py
	@touch $@

# Hipflask beside its peers: some eleven minutes, QUICK=1 three. COMPARE=old.json says what became
# worse since; FAULT=1 plants a fault, so that it must fail. benchmarks/README.md tells more.
bench: $(PEERS)/.dev
	$(PEERS)/bin/python -m benchmarks

# Linux only: wrk on a core of its own, three quarters of an hour. As in bench: QUICK=1 (ten
# minutes), COMPARE=old.json, FAULT=1; ONLY=falcon,flask leaves out the other peers.
bench-http: $(PEERS)/.dev
	@command -v wrk >/dev/null || (apt-get update -q && apt-get install -qy wrk)
	$(PEERS)/bin/python -m benchmarks.over_http

# Instructions of six workloads against a budget; installs valgrind where it is missing. RECORD=1
# writes the budget, PROFILE=W1 says where a workload spends them, FAULT=1 must fail.
guard: $(VENV)/.dev
	$(PY) -m benchmarks.guard

bench-growth: $(PEERS)/.dev
	@command -v wrk >/dev/null || (apt-get update -q && apt-get install -qy wrk)
	$(PEERS)/bin/python -m benchmarks.growth

# QUICK=1 in about 90 s; ONLY=hup,term runs some; FAULT=1 plants a fault, so that it must fail.
soak: $(VENV)/.dev
	$(PY) -m benchmarks.soak

# At least 10,000 requests; FAULT=1 plants a fault, so that it must fail.
api-fuzz: $(VENV)/.dev
	$(PY) scripts/api_fuzz.py

# Node from PyPI and what package-lock.json names, into .cache; nothing of it is committed.
$(CLIENTS): tests/api/clients/package-lock.json scripts/api_clients.py $(VENV)/.dev
	$(PY) scripts/api_clients.py --install
	@touch $@

api-clients: $(VENV)/.dev $(CLIENTS)
	$(PY) scripts/api_clients.py

docs: $(VENV)/.dev
	$(PY) -m pytest -q tests/docs

conformance: $(VENV)/.base
	$(PY) scripts/conformance.py flask

conformance-extensions: $(VENV)/.base
	$(PY) scripts/conformance.py extensions

clean:
	rm -rf $(VENV) $(BARE) .cache .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
