# Needs Python 3.11 or newer, pip and make; everything else goes into .venv and .cache.
#   make demo      install, serve the demo on http://127.0.0.1:8000
#   make bench     hipflask beside its peers, figures judged: 11 minutes (QUICK=1: 3)
#   make bench-http  the same over HTTP: 45 minutes; make bench-growth: what makes a request dearer
#   make soak      faults under load, as in production: 10 minutes (make soak QUICK=1: 90 s)
#   make hostile   what no client should send, to five servers: 25 minutes (QUICK=1: 4)
#   make fuzz      1,100,000 made-up inputs for our parsers: 15 minutes (QUICK=1: 3)
#   make growth    how the cost of each parser grows with its input: 3 minutes
#   make webhooks-crash  the inbox's processes killed 200 times under load: 10 minutes (QUICK=1: 1)
#   make webhooks-trace  by strace: an fdatasync before each 2xx: a minute
#   make webhooks-bench  acknowledgements beside a bare rig, both stores: 6 minutes (QUICK=1: 2)
#   make dropshipping    2,500 products kept in step by webhooks, with a report: a minute
#   make api-fuzz  made-up requests against examples/orders: some 3 minutes
#   make api-clients  TypeScript clients of examples/orders, made and run: under a minute
#   make forward-check  1 GiB each way through the proxy, a canary's share, a shadow's cost
#   make kits      hipflask.tools beside five other kits, one table in Chromium: 6 minutes (QUICK=1: 3)
#   make browser  every kind of page in Chromium, light and dark, phone and desk: 3 minutes
#   make stages    projects that `hipflask new` writes, and decisions: tests, lint, types, check
#   make docs      the documentation as a site, its links checked, its code run: FAULT=1 must fail
#   make release-check  wheel and sdist built, installed in a clean environment and used: 2 minutes
#   make contract  Flask beside ours in made-up conversations, more of them than the tests have
#   make test      the tests, with branch coverage, then again without Flask installed
# Another Python: make PYTHON=python3.13

PYTHON ?=
VENV := .venv
BARE := .venv-bare
PEERS := .venv-peers
KITS := .venv-kits
RELEASE := .venv-release
PY := $(VENV)/bin/python
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
CLIENTS := .cache/clients/installed
WIRING := pyproject.toml hipflask_as_flask.pth scripts/make_venv.sh

.DEFAULT_GOAL := all
.PHONY: all demo test test-bare contract lint bench bench-http bench-growth browser guard soak hostile fuzz growth webhooks-crash \
	webhooks-trace webhooks-bench dropshipping api-fuzz api-clients docs conformance \
	conformance-extensions clean forward-check stages release-check kits

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
UNCOUNTED := $(addprefix tests/,anomaly benchmarks conformance contract docs ecosystem front/test_chain.py fuzz \
	patching rules typing)
# Three on two cores: half of the time the tests wait for processes of theirs. In the order of the
# folders, as the files with the fewest tests, which come last otherwise, take the longest. What
# fails is tried once more, then once in a process of its own, and named as RERUN or TWICE: some
# 17,000 tests, many of them of processes on a busy machine. A test that is named there again and
# again has a fault to mend.
PYTEST := scripts/pytest_twice.py -n 3 --dist loadfile --no-loadscope-reorder --durations=12 -q \
	--reruns 1 -rfERs

test: $(VENV)/.dev $(CLIENTS) test-bare
	CONTRACT_EFFORT=$${CONTRACT_EFFORT:-0.5} $(PY) $(PYTEST) $(UNCOUNTED)
	$(PY) $(PYTEST) --cov --cov-report= --cov-fail-under=0 $(UNCOUNTED:%=--ignore=%)
	$(PY) -m coverage report

# Conversations with Flask and with ours, six times as many as the tests have, chosen anew.
contract: $(VENV)/.dev
	CONTRACT_EFFORT=3 $(PY) $(PYTEST) tests/contract

# Without Flask and what only extensions bring, as users have it. The long stories need no second
# run: they are told in processes of their own, which load no extension.
STORIES := $(addprefix tests/test_,adapter.py document_workflow.py dropshipping.py legacy.py ops_desk.py prototype.py)
PLAIN := $(filter-out $(STORIES),$(sort $(wildcard tests/test_*.py)))

test-bare: $(BARE)/.dev
	$(BARE)/bin/python $(PYTEST) $(PLAIN) tests/front \
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

# Malformed, cut, oversize, slow and vanishing requests, stores and clocks that fail, proxies: cases
# tried, 5xx, hangs, leaks. ONLY=cut,oversize runs some; QUICK=1, FAULT=1 as above. At that RUNLEVEL
# Debian starts no service that it installs.
hostile: $(VENV)/.dev
	@for each in faketime nginx haproxy strace nghttp2-client:h2load; do command -v $${each#*:} >/dev/null \
		|| RUNLEVEL=1 apt-get install -qy --no-install-recommends $${each%:*} || true; done
	$(PY) -m benchmarks.hostile

# By atheris, or by bending seeds where that is not installed (ENGINE=mutations). INPUTS=5000000 for
# more, ONLY=query,cookie for some; KEEP=1 adds to the corpus that the tests replay; FAULT=1.
fuzz: $(VENV)/.dev
	$(PY) -m tests.fuzz.parsers $(if $(INPUTS),--inputs $(INPUTS)) $(if $(KEEP),--keep)

# Hostile shapes of two sizes; what is dearer than in proportion is counted by callgrind. FAULT=1.
growth: $(VENV)/.dev
	@command -v valgrind >/dev/null || (apt-get update -q && apt-get install -qy valgrind)
	$(PY) -m tests.fuzz.parsers.growth

# Every 2xx is remembered; then the store is asked for all of them. Both stores; ONLY=sqlite takes
# one. FAULT=1 plants a fault, so that it must fail.
webhooks-crash: $(VENV)/.dev
	$(PY) -m benchmarks.webhooks.crash

# By strace: an fdatasync before each 2xx. FAULT=1 as above.
webhooks-trace: $(VENV)/.dev
	@command -v strace >/dev/null || (apt-get update -q && apt-get install -qy strace)
	$(PY) -m benchmarks.webhooks.traced

# At least 60 % of what a callable of a few lines acknowledges; ONLY=sqlite takes one store, FAULT=1
# plants a fault, so that it must fail.
webhooks-bench: $(VENV)/.dev
	@command -v wrk >/dev/null || (apt-get update -q && apt-get install -qy wrk)
	$(PY) -m benchmarks.webhooks.bench

# Both examples of tools and the console of webhooks, looked at: pages x schemes x widths, axe, forged
# writes, overflows, by keyboard, without scripts. Pictures go into .cache/browser; ONLY=list,journeys
# looks at some pages, GALLERY=1 makes pictures for the docs, FAULT=1 plants faults: it must fail.
browser: $(VENV)/.browser
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null \
		|| (apt-get update -q && apt-get install -qy --no-install-recommends chromium)
	$(PY) -m tests.browser

$(VENV)/.browser: $(VENV)/.dev
	$(PY) $(PIP_INSTALL) -e '.[browser]'
	@touch $@

$(KITS)/.dev: $(WIRING) benchmarks/kits/requirements.txt
	@sh scripts/make_venv.sh $(KITS) $(PYTHON)
	$(KITS)/bin/python $(PIP_INSTALL) -e '.[tools,auth,browser]' -r benchmarks/kits/requirements.txt
	@touch $@

# starlette-admin, sqladmin, Flask-Admin, Datasette, Streamlit and ours over one table: requests,
# bytes, axe, overflow, forged writes, time to the first row. Ours must be first in each; FAULT=1
# plants faults into ours, so that it must fail.
kits: $(KITS)/.dev
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null \
		|| (apt-get update -q && apt-get install -qy --no-install-recommends chromium)
	$(KITS)/bin/python -m benchmarks.kits

dropshipping: $(VENV)/.dev
	$(PY) -m examples.dropshipping

# At least 10,000 requests; FAULT=1 plants a fault, so that it must fail.
api-fuzz: $(VENV)/.dev
	$(PY) scripts/api_fuzz.py

# Node from PyPI and what package-lock.json names, into .cache; nothing of it is committed.
$(CLIENTS): tests/api/clients/package-lock.json scripts/api_clients.py $(VENV)/.dev
	$(PY) scripts/api_clients.py --install
	@touch $@

api-clients: $(VENV)/.dev $(CLIENTS)
	$(PY) scripts/api_clients.py

# MB=64 for shorter bodies.
forward-check: $(VENV)/.dev
	$(PY) -m tests.forward.gigabyte --mb $(or $(MB),1024)
	$(PY) -m tests.forward.shadowing

# What `hipflask new` writes, in a fresh environment, and decisions carried through. QUICK=1 takes
# the environment at hand, ONLY=api,tool some kinds; FAULT=1 plants a fault, so that it must fail.
stages: $(VENV)/.dev
	$(PY) scripts/stages.py

# Into .cache/site; then every code block is run. FAULT=1 plants a link that leads nowhere.
docs: $(VENV)/.dev
	$(PY) -m scripts.docsite
	$(PY) -m pytest -q tests/docs

$(RELEASE)/.dev: $(WIRING)
	@sh scripts/make_venv.sh $(RELEASE) $(PYTHON)
	$(RELEASE)/bin/python $(PIP_INSTALL) '.[release]'
	@touch $@

# Leaves wheel, sdist and the list of parts (CycloneDX) in dist/. FAULT=1 plants a fault.
release-check: $(RELEASE)/.dev
	$(RELEASE)/bin/python -m scripts.release

conformance: $(VENV)/.base
	$(PY) scripts/conformance.py flask

conformance-extensions: $(VENV)/.base
	$(PY) scripts/conformance.py extensions

clean:
	rm -rf $(VENV) $(BARE) $(RELEASE) .cache .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
