# Every command sets up what it needs, from the package registries only.
STACK ?= embedded
export STACK
# Anything: benchmarks that end in three minutes.
QUICK ?=
export QUICK
# Anything: `make audit` fails where nobody could be asked, and `make test` where it does.
STRICT ?=
# A regular expression: the faults that have it in their names.
ONLY ?=
export ONLY
# Where the demonstration's heartbeats come from: synthetic, stick (emulated), usb (real).
SOURCE ?= synthetic
export SOURCE
# What this machine trusts, uv shall trust.
export UV_SYSTEM_CERTS := true

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header

.PHONY: demo dev test bench chaos fuzz lint format lock audit clean

demo: $(READY)  ## Everything: the stack, a class of 12 synthetic people, their hearts on the screen
	@exec $(BIN)/python -m stack demo

dev: $(READY)  ## The stack and the app, without data
	@exec $(BIN)/python -m stack dev

test: lint  ## All checks; fast ones first
	@$(BIN)/python stack/audit.py $(if $(STRICT),--strict,--tell)
	$(BIN)/pytest -m "not stack" -n 3 --dist loadfile
	$(BIN)/pytest -m stack --durations=20

bench: $(READY)  ## Speed, as ratios in one run
	$(BIN)/python -m benchmarks

chaos: $(READY)  ## Faults under load, compared beat for beat; exit code 1 if a promise is broken
	@exec $(BIN)/python -m chaos

fuzz: $(READY)  ## A million arbitrary inputs for everything that reads bytes from outside
	$(BIN)/python -m tests.fuzz

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY)  ## Compile the pinned and hashed requirement files from pyproject.toml
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) --group generate -o requirements-generate.txt
	$(COMPILE) --group ingest -o requirements-ingest.txt
	$(COMPILE) --group live -o requirements-live.txt
	$(COMPILE) --group operate -o requirements-operate.txt
	$(COMPILE) pyproject.toml --group dev -o requirements-dev.txt
	$(COMPILE) --group audit -o stack/requirements-audit.txt

audit: $(READY)  ## Known vulnerabilities of what is pinned (asks api.osv.dev), and a list of everything (CycloneDX)
	@$(BIN)/python stack/audit.py $(if $(STRICT),--strict)

clean:  ## Forget everything: environment, data, logs
	rm -rf $(VENV) .beatstream .moose .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

$(READY): requirements-dev.txt pyproject.toml stack/setup.sh
	@sh stack/setup.sh $(VENV)
	@touch $(READY)
