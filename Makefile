# Everything a contributor or CI runs. Each target sets up its environment first, once: `make demo` works on a fresh clone.
#
#   make demo       fit a line beside torch.optim, then find out what suits scikit-learn's digits; print the tables
#   make test       lint, types, then all quick tests (what CI runs: .ci/run calls this)
#   make test-slow  the tests marked slow, with more random examples      make test-gpu  the tests that need a CUDA device
#   make docs       build the documentation into site/, every warning being an error
#   make bench      step time against torch.optim                         make lint / types / clean
#
# Variables: PYTHON (makes the environment), VENV (where), TORCH_PIP_ARGS (for example --index-url URL, to pick torch's build),
# BENCH_ARGS (flags of benchmarks/step_time.py), PYTEST_ARGS.

PYTHON ?= python3
VENV ?= .venv
TORCH_PIP_ARGS ?=
BENCH_ARGS ?=
PYTEST_ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt

.PHONY: demo docs test bench lint types test-slow test-gpu clean
.DELETE_ON_ERROR:

# torch comes first and alone: what depends on torch then finds it installed and does not choose a build of its own.
# hatchling comes before the package, so that building it needs no isolated environment.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) $(TORCH_PIP_ARGS) torch
	$(PIP_INSTALL) hatchling
	$(PIP_INSTALL) --no-build-isolation --editable ".[tools,data,docs,dev]"
	touch $@

demo: $(STAMP)
	$(BIN)/descend bench demo:line
	$(BIN)/descend compare demo:digits

# The variable turns off an advertisement that the theme prints as a warning.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# pytest runs last, so that its summary is the last line.
test: lint types
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

# pytest's exit status 5 says that no test has the marker, which is no failure.
test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow --hypothesis-profile=thorough $(PYTEST_ARGS) || test $$? -eq 5
	$(BIN)/python -m pytest tests/test_properties.py --hypothesis-profile=thorough $(PYTEST_ARGS)

test-gpu: $(STAMP)
	$(BIN)/python -m pytest -m gpu $(PYTEST_ARGS) || test $$? -eq 5

bench: $(STAMP)
	$(BIN)/python benchmarks/step_time.py --json benchmarks/results/step_time.json \
		--markdown benchmarks/results/step_time.md $(BENCH_ARGS)

clean:
	rm -rf $(VENV) build dist site benchmarks/results .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
