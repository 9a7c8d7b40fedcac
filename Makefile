# Compiled modules are kept: programs that tests start would compile the same ones again each time.
unexport PYTHONDONTWRITEBYTECODE
# `make run` and `make test` work on a bare machine with Python 3.11 to 3.13; nothing else is needed.
# A system's own Python is compiled with profile-guided optimization, pyenv's by default is not: tests
# take a tenth less processor time with it, calls 6 to 9 % less (docs/decisions/0110).
CANDIDATES := $(foreach v,python3.11 python3.12 python3.13,/usr/bin/$(v) $(v)) python3
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c 'import ensurepip, venv' 2>/dev/null && echo "$$p" && break; done)
PROFILE ?= cpu
# Where PyTorch's CPU builds are, for machines whose package index does not carry them.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Modules are compiled on first import: of the 40,000 installed a tenth is ever imported.
INSTALL := $(PIP) install --quiet --no-compile --constraint constraints.txt
SERVED := $(VENV)/installed-$(firstword $(subst -, ,$(PROFILE)))
TESTED := $(VENV)/installed-dev

.PHONY: run test test-costs test-all test-unit clients decisions check check-fast lint lint-deploy format types chaos simulations simulation-payments fuzz record audit pictures bench bench-agents bench-gateways bench-hot bench-batches bench-billing bench-database bench-improving bench-own-columns bench-pages bench-plant bench-plant-alignment bench-resolution bench-signups bench-specialists load replay replicas soak specialists industrial-llm docs sbom lock clean

# MODEL=<hub id or folder> serves one more language model, ONLY=1 no other (docs/operators-guide.md).
run: $(SERVED)
	MAAS_PROFILE=$(PROFILE) $(BIN)/maas up $(if $(MODEL),--model "$(MODEL)") $(if $(ONLY),--only)

# All tests in one run: the real engine starts with it and is used in its middle (tests/support/engine).
# A third of the time a test waits for processes, so there are more workers than cores, each with one
# thread of linear algebra: two would wait for each other ten times as long as they work. Measured are
# the lines of billing/ that the tests beside its modules reach (tests/support/own_coverage.py).
WORKERS = $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 3 / 2)
CROWD = --numprocesses $(WORKERS) --maxprocesses 12 --dist worksteal --durations 25
# Two heaps for all threads of a process: memory that a test's threads freed is used by the next test's.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MALLOC_ARENA_MAX=2
PYTEST := $(BIN)/python -m pytest
OWN := tests/support/own_coverage.ini
test: $(TESTED)
	$(BIN)/coverage erase --rcfile=$(OWN)
	$(ONE_THREAD) $(PYTEST) $(CROWD) -p tests.support.own_coverage --own-coverage
	$(BIN)/coverage combine --quiet --rcfile=$(OWN)
	$(BIN)/coverage report --rcfile=$(OWN) --show-missing --skip-covered --fail-under=100

# Nightly: the same with branches, in all packages and in child processes, more cases of every property,
# and what retrains a committed model (tests/support/nightly.py).
test-all: $(TESTED)
	$(BIN)/coverage erase
	MAAS_NIGHTLY=1 $(ONE_THREAD) $(PYTEST) $(CROWD) --cov --cov-report=
	$(BIN)/coverage report --skip-covered --fail-under=90
	$(BIN)/coverage report --include='billing/*' --fail-under=100

# CPU seconds of tests by phase, fixture and file, with those of PostgreSQL: TESTS=tests/billing.
test-costs: $(TESTED)
	$(ONE_THREAD) $(PYTEST) -p tests.support.cpu_table --cpu-table build/test-costs.txt $(TESTS)

# The tests that need neither a database, nor a socket, nor another program.
test-unit: $(TESTED)
	$(ONE_THREAD) $(PYTEST) $(CROWD) -m unit

check-fast: lint types test-unit

check: lint types audit test

# The tests that kill, stop, freeze, crowd and restore, in full, with every process started by itself;
# `make test` has them shortened.
chaos: $(TESTED)
	MAAS_CHAOS=1 MAAS_NIGHTLY=1 $(BIN)/python -m pytest -s tests/processes tests/load/soak/test_soak.py \
	  tests/billing/metering/test_sharing.py tests/gateway/call/test_reservation.py \
	  tests/serving/text/test_engine_counters.py tests/serving/test_applications.py \
	  tests/models/industrial_llm/test_training.py

# What is read of others: cases without end of what they may send, and a table of how many there were.
# `make test` tries a few of each.
fuzz: $(TESTED)
	MAAS_FUZZ=1 MAAS_NIGHTLY=1 $(BIN)/python -m pytest tests/fuzzing

# What the real engine answers, for the tests that replay it: after another version of vLLM or Ray,
# or after a change of what those tests send.
record: $(TESTED)
	$(BIN)/python -m tests.support.recording

# Clients that need libraries of other versions than ours, against a gateway that runs (URL, KEY), or
# without a key against one with a made-up model that does all that it is asked for.
clients: $(TESTED)
	$(BIN)/python -m tests.clients $(if $(KEY),--url $(URL) --key $(KEY) --model \
	  $(or $(MODEL),industrial-llm-base),--made-up)

# Asks a running service (URL, KEY, MODEL) labelled questions, fits its calibration for typed decisions
# and measures it on held-out ones; QUESTIONS of each task and part, TASKS to leave some out.
QUESTIONS ?= 100
decisions: $(TESTED)
	for step in calibrate evaluate; do \
	  $(BIN)/python -m models.decision_calibration.$$step --url $(URL)/v1 --key $(KEY) --model $(MODEL) \
	    --profile $(PROFILE) --per-task $(QUESTIONS) $(if $(TASKS),--tasks $(TASKS)) || exit 1; \
	done

# Known vulnerabilities of what is installed; says so where nobody can be asked, and fails only for
# what is known. tests/auditing/accepted.toml has what is accepted, why and until when.
audit: $(TESTED)
	$(BIN)/python -m tests.auditing

# Who is billed what where there is an effect and where there is none; then six payment methods.
# `make test` has both small. One thread a process, as there is a process for each core.
simulations: $(TESTED)
	$(ONE_THREAD) $(BIN)/python -m tests.simulations
	$(MAKE) simulation-payments

# Six payment methods with 1,000 notifications each; prints a table of checks, and PASS or FAIL.
# NOTIFICATIONS=200 for less.
NOTIFICATIONS ?= 1000
simulation-payments: $(TESTED)
	MAAS_NOTIFICATIONS=$(NOTIFICATIONS) $(ONE_THREAD) $(PYTEST) -s -q --show-capture=no \
	  tests/billing/collection/payments/test_six_methods.py

# Every page of the dashboard, of the example firms, in both languages, light and dark, wide and narrow.
pictures: $(TESTED)
	$(BIN)/python -m tests.pictures

lint: $(TESTED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

# Images, compose file and chart: hadolint, yamllint, Helm's own lint, Kubernetes' schemas and what
# we ask of them ourselves. `make test` has it too.
lint-deploy: $(TESTED)
	$(BIN)/python -m pytest tests/infra/test_deploy.py

format: $(TESTED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(TESTED)
	$(BIN)/mypy

bench: $(TESTED)
	$(BIN)/python -m load.bench

# QUICK=1 for one short round beside the compiled gateways, ONLY=bare,maas for some gateways.
bench-gateways: $(TESTED)
	$(BIN)/python -m load.bench.gateways $(if $(QUICK),--quick,--memory-calls 1000000) \
	  $(if $(ONLY),--only $(ONLY))

# The path of one plain call without sockets, by stage. CALLGRIND=1 counts machine instructions: it
# needs valgrind, its headers and a C compiler, and takes some minutes.
bench-hot: $(TESTED)
	$(BIN)/python -m load.bench.hot_path $(if $(CALLGRIND),--callgrind)

bench-batches: $(TESTED)
	$(BIN)/python -m load.bench.batches

bench-billing: $(TESTED)
	$(BIN)/python -m load.bench.billing

# 10,000 sign-ups in a simulated hour, 9,000 of them abusive; `make test` has 100. Prints a table of
# checks, and PASS or FAIL. SIGNUPS=500 for less.
SIGNUPS ?= 10000
bench-signups: $(TESTED)
	MAAS_SIGNUPS=$(SIGNUPS) $(ONE_THREAD) $(PYTEST) -s tests/gateway/signups/test_abuse.py

# Identifier resolution over three nodes, and traces of items.
bench-resolution: $(TESTED)
	$(BIN)/python -m load.bench.resolution

bench-plant: $(TESTED)
	$(BIN)/python -m load.bench.plant

# Agents: schedules of pumps in a simulator, warnings replayed on public series, 10,000 agents' ticks.
bench-agents: $(TESTED)
	$(ONE_THREAD) $(BIN)/python -m load.bench.agents.pumps
	$(ONE_THREAD) $(BIN)/python -m load.bench.agents.warnings
	$(BIN)/python -m load.bench.agents.fleet
	$(BIN)/python -m load.bench.agents.ledger

bench-plant-alignment: $(TESTED)
	$(BIN)/python -m load.bench.plant_alignment

bench-pages: $(TESTED)
	$(BIN)/python -m load.bench.pages

# A mixed day against the whole service, or against one that runs (URL and KEY). UPSTREAM=constant
# takes the engine's place, UI=1 shows it live on port 8089, SECONDS and USERS say how much of it.
UPSTREAM ?= engine
load: $(TESTED)
	$(BIN)/python -m load --upstream $(UPSTREAM) $(if $(UI),--ui) $(if $(URL),--host $(URL)) \
	  $(if $(KEY),--key $(KEY)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(USERS),--users $(USERS))

# Public traces; TRACE is a file or folder of them where they are not beside the repository.
replay: $(TESTED)
	$(BIN)/python -m load.replay $(if $(TRACE),--trace $(TRACE))

# An hour under load while things happen to the service; MINUTES=3 for less.
soak: $(TESTED)
	$(BIN)/python -m load.soak $(if $(MINUTES),--minutes $(MINUTES))

# Replicas of an engine by simulation: a trace against scaling settings. See docs/scale.md.
replicas: $(TESTED)
	$(BIN)/python -m load.simulation scale $(if $(TRACE),--trace $(TRACE))

# What a call costs in PostgreSQL, and how many it can write here.
bench-database: $(TESTED)
	$(BIN)/python -m load.bench.database

# Readings of plant points: ingestion, reading, filters and compression (SERIES, CSV files).
bench-readings: $(TESTED)
	$(BIN)/python -m load.bench.readings $(if $(SERIES),--series $(SERIES))

# Corrections of three firms become a version of the shared model, or do not; an hour or more.
bench-improving: $(TESTED)
	$(BIN)/python -m load.bench.feedback_training

# Against a service that runs; KEY is a key of it, SERVING the address of its models.
bench-specialists: $(TESTED)
	$(INSTALL) --editable '.[multilingual,vision]'
	$(BIN)/python -m load.bench.specialists --key $(KEY) --serving $(SERVING)

# The same for models of customers' own columns, which it trains and deletes.
bench-own-columns: $(TESTED)
	$(BIN)/python -m load.bench.own_columns --key $(KEY) $(if $(URL),--url $(URL))

# Retrains every specialist from the data beside the repository, measures it and prints the table.
specialists: $(TESTED)
	$(INSTALL) --editable '.[multilingual,vision]'
	$(ONE_THREAD) $(BIN)/python -m models.specialists

# Learns the industrial language model's adapter again from the data beside the repository, serves it
# and measures it; two hours or more on two cores, of which the adapter itself takes one.
industrial-llm: $(TESTED)
	$(BIN)/python -m load.bench.industrial_llm

# The documentation site, in an environment of its own; a broken link is an error.
docs: build/docs-environment/installed
	NO_MKDOCS_2_WARNING=1 build/docs-environment/bin/mkdocs build --quiet --strict

build/docs-environment/installed: docs/requirements.txt
	$(PYTHON) -m venv build/docs-environment
	build/docs-environment/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# What is installed, with versions and licences, as a CycloneDX bill of materials. Its tool has an
# environment of its own: its checks of formats make `import ray` take a second longer everywhere else.
sbom: $(TESTED) build/sbom-environment/installed
	build/sbom-environment/bin/cyclonedx-py environment --output-reproducible --output-file build/sbom.json $(BIN)/python

build/sbom-environment/installed: infra/deploy/sbom-requirements.txt
	$(PYTHON) -m venv build/sbom-environment
	build/sbom-environment/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# Torch is left out: vLLM pins it, and its CPU build has another version name on every index.
lock: $(TESTED)
	$(PIP) freeze --exclude-editable | grep -v -i -E '^(torch|torchvision|torchaudio|torchcodec|nvidia-.*|triton)[ =@]' > constraints.txt

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage*

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed (Debian: python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade 'pip>=26'

# vLLM for CPUs wants torch's CPU build by its own version name, which PyPI does not carry: where
# the plain install does not find it, PyTorch's index is asked as well. torchaudio and torchcodec
# come along unasked, do not load beside that build, and nothing here uses sound or film.
# Scripts of the pages are files of pinned wheels, verified by hash (infra/frontend_files.py).
$(VENV)/installed-%: pyproject.toml constraints.txt infra/frontend_files.py | $(BIN)/python
	@echo "Installing what the $* profile needs; the first time takes some minutes."
	$(INSTALL) --editable '.[serving-$*]' || \
	  $(INSTALL) --extra-index-url $(TORCH_INDEX) --editable '.[serving-$*]'
	$(PIP) uninstall --quiet --yes torchaudio torchcodec
	$(BIN)/python -m infra.frontend_files
	touch $@

$(TESTED): $(VENV)/installed-cpu
	$(INSTALL) --editable '.[dev]'
	touch $@
