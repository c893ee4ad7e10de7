# Each target sets up .venv by itself, with the versions pinned in requirements*.txt; the second run finds it ready.
# A Python 3.12 to 3.14 is looked for by scripts/python.sh; `make PYTHON=/path/to/python3 ...` names one.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-physics test-gpu lint docs-reference benchmarks-table pretrained clean broken
MAKEFLAGS += --no-print-directory

VENV := .venv/pyvenv.cfg
PY := .venv/bin/python
PIP := $(PY) -m pip install -qq --disable-pip-version-check
RUN := .venv/run.stamp
DEV := .venv/dev.stamp
PHYSICS := .venv/physics.stamp
WORKERS ?= auto
DATA ?= ../shared/data
POOL := runs/pretraining
export PYTHON

help:  ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 · /p' Makefile | awk -F ' · ' '{ printf "%-26s%s\n", $$1, $$2 }'

demo: $(RUN)  ## from a SMILES string to a force field, dynamics and demo/report.html (about five minutes)
	@$(PY) -m adiabat demo --out demo --force

test: $(DEV)  ## the fast tests (a few minutes)
	@$(PY) -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadfile

test-physics: $(PHYSICS)  ## the slower checks: physics against known answers, crashes at random moments
	@$(PY) -m pytest -m "physics or slow" -n $(WORKERS) --maxprocesses 8 --dist loadfile

test-gpu: $(DEV)  ## the physics that a GPU must get right, on the GPU
	@JAX_PLATFORMS=cuda,cpu $(PY) -m pytest -m "gpu or device"

lint: $(DEV)  ## style, types and import layers
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m pyright
	@.venv/bin/lint-imports

docs-reference: $(DEV)  ## docs/reference from the code
	@$(PY) scripts/reference.py

benchmarks-table: $(RUN)  ## docs/benchmarks.md from benchmarks/results
	@$(PY) -m benchmarks.table

pretrained: $(POOL)/molecules.smi  ## the pre-trained weights of graph networks anew; DATA=../shared/data is not seen
	@$(PY) -m adiabat property pretrain $< --without $(POOL)/without.smi --epochs 15 --out $(POOL)/run --resume

clean:  ## remove .venv, caches and build products; run folders stay
	rm -rf .venv .jax_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find src tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV):
	@python=$$(sh scripts/python.sh) && echo "setting up .venv with $$python" && "$$python" -m venv --clear .venv

$(RUN): $(VENV) requirements.txt pyproject.toml
	@echo "installing the pinned packages; the first time takes a minute or two"
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@pwd > $@

$(DEV): $(RUN) requirements-dev.txt
	@$(PIP) -r requirements-dev.txt
	@pwd > $@

$(PHYSICS): $(DEV) requirements-physics.txt
	@$(PIP) -r requirements-physics.txt
	@pwd > $@

$(POOL)/molecules.smi: benchmarks/pretraining_molecules.py | $(RUN)
	@$(PIP) --no-deps --upgrade --target $(POOL)/packages chemicals==1.5.2 molsets==0.3.1
	@$(PY) -m benchmarks.pretraining_molecules $(POOL)/packages --data $(DATA) --out $(POOL)

# A .venv whose setting up was broken off, that was moved, or that lost its Python is made anew.
ifneq ($(shell $(PY) -c '' 2>/dev/null && cat $(RUN) 2>/dev/null),$(shell pwd))
$(VENV): broken
endif
