# Every target sets up what it needs: Python 3.11 or newer with venv, and make, are enough.

VENV     ?= .venv
PY       := $(VENV)/bin/python
# Tests wait longer than they compute: five at once keep two cores busy.
JOBS     ?= 5
UV       ?= uv

# Without bytecode each process compiles all that it imports, which takes longer than most commands.
# Where nobody wants it beside the sources, it goes into build/.
ifdef PYTHONDONTWRITEBYTECODE
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/build/pycache
endif

# Candidates; the first one that is new enough and can make a virtual environment is taken. They are
# run, not looked up, since a name on PATH may be a shim for nothing.
PYTHON   ?= python3.14 python3.13 python3.12 python3.11 python3
SUITABLE  = import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
NO_PYTHON = no Python 3.11 or newer with venv: "apt install python3-venv", "brew install python" or PYTHON=/path/to/python

# Runs a program of the standard library alone with the first candidate.
with_python = for python in $(PYTHON); do $$python -c '$(SUITABLE)' 2>/dev/null && exec $$python $(1); \
  done; echo '$(NO_PYTHON)' >&2; exit 1

.DEFAULT_GOAL := help

##@ Use

.PHONY: demo
demo: micropython ## One service from its developer to a board, then every tampering refused
	@$(PY) -m triseal.demo

.PHONY: flash
flash: environment ## MicroPython onto a board; BOARD=esp32 PORT=/dev/ttyUSB0 FIRMWARE=FILE, NODE= to provision
	$(PY) -m triseal.cli.main node flash --board "$(BOARD)" --port "$(PORT)" --firmware "$(FIRMWARE)" \
	  $(if $(SHA256),--sha256 "$(SHA256)") $(if $(NODE),--node "$(NODE)") $(ARGS)

##@ Check

.PHONY: test
test: micropython ## All tests but the long ones; ARGS="-k name" narrows them, JOBS=1 runs them one by one
	$(PYTEST) $(ARGS)

.PHONY: test-full
test-full: micropython ## Really all tests; stops first where a package is missing that some need
	@$(PY) -m tests.needs
	$(PYTEST) --full $(ARGS)

.PHONY: steady
steady: RUNS ?= 20
steady: micropython ## Tests that wait for processes, again and again beside busy loops; RUNS=20 ARGS=tests/hil
	$(PY) -m tests.steady --runs $(RUNS) --jobs $(JOBS) -- $(ARGS)

.PHONY: hil
hil: BOARD ?= virtual
hil: micropython ## The tests of a board; BOARD=/dev/ttyACM0, rp2040:FIRMWARE.uf2, ...
	$(PY) -m pytest tests/hil --full --board $(BOARD) $(ARGS)

.PHONY: lint
lint: environment ## Style, format and types, of host and device code
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m mypy --config-file device/mypy.ini

.PHONY: fresh
fresh: DISTRIBUTION ?= trixie
fresh: ## The two commands on a new Debian, as root; DISTRIBUTION=sid VARIANT="blank umask"
	@$(call with_python,tools/fresh.py $(DISTRIBUTION) $(addprefix --variant=,$(VARIANT)) $(ARGS))

.PHONY: coverage
coverage: micropython ## Branches of sealcore that the tests reach, on CPython
	@mkdir -p build
	$(PY) -m coverage run -m pytest -q tests/common tests/host
	$(PY) -m coverage report

.PHONY: fuzz
fuzz: SECONDS ?= 60
fuzz: micropython ## Seals changed in structure and signed again; SECONDS=60
	$(PY) -m tests.host.fuzz --seconds $(SECONDS)

.PHONY: soak
soak: micropython ## 15 nodes with 30 services each under faults, 5 minutes; ARGS="--seconds 60"
	HISTORIES=100 $(PY) -m pytest -q tests/host/site/test_histories.py
	$(PY) -m tests.lifecycle.soak $(ARGS)

##@ Measure

.PHONY: bench
bench: micropython ## Figures beside their baselines into build/bench.json; ARGS=NAME for one
	$(PY) -m bench.run $(ARGS)

.PHONY: fig3
fig3: environment ## The paper's Fig. 3 from this code, its statements checked, into build/fig3.*
	$(PY) -m triseal sim fig3

.PHONY: compare
compare: SECONDS ?= 300
compare: micropython ## A live site without faults beside the simulation; SECONDS=300 ARGS="--nodes 5"
	$(PY) -m tests.lifecycle.calm --seconds $(SECONDS) $(ARGS)
	$(PY) -m triseal.cli.main sim compare build/calm.json

##@ Maintain

.PHONY: lock
lock: ## Lock the newest versions with their hashes (needs uv)
	@command -v $(UV) >/dev/null || { echo 'make lock needs uv: "pip install uv" or UV=/path/to/uv' >&2; exit 1; }
	$(UV) pip compile $(LOCK_FLAGS) --all-extras -o requirements.lock pyproject.toml
	$(UV) pip compile $(LOCK_FLAGS) --group build -c requirements.lock -o requirements-build.lock

.PHONY: docs
docs: environment ## Documents and API reference as a site into build/docs; broken links fail
	PYTHONPATH=tools $(PY) -m docs.build

.PHONY: dist
dist: environment ## Wheel and source distribution into dist/
	$(PY) -m hatchling build -d dist

.PHONY: release
release: environment ## Check, build and tag a release; VERSION=0.2.0
	$(PY) tools/release.py "$(VERSION)"

.PHONY: clean
clean: ## Remove what was built, measured and cached
	rm -rf build dist .hypothesis .pytest_cache
	find common device host tests tools -name __pycache__ -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## Remove the virtual environment as well
	rm -rf $(VENV) $(VENV).lock

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- What the targets stand on ---

PYTEST = $(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

LOCK_FLAGS = --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
             --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

# Looked at every time, since what breaks an environment leaves no newer file behind: a moved
# checkout, an upgraded Python.
.PHONY: environment
environment:
	@$(PY) tools/environment.py current $(VENV) 2>/dev/null || \
	  { $(call with_python,tools/environment.py install $(VENV)); }

.PHONY: micropython
micropython: environment
	@$(PY) tools/environment.py check
