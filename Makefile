# Needs Python 3.11 or newer and make; every target makes .venv itself and installs what it uses, once.
#   make lab      the course in JupyterLab, on a copy in work/     make LAB=--no-browser lab: only print the address
#   make test     all tests                                        make TEST="tests/test_metrics.py -x" test: some
#   make lint     ruff, and the lessons' text against their notebooks
#   make lessons  sync each lesson's notebook and text, whichever was edited last
#   make bench    the races against other libraries

.PHONY: lab test lint lessons bench constraints clean
.DELETE_ON_ERROR:

LAB =
TEST = -n 2 --dist worksteal
PYTHON =
bin = .venv/bin
install = $(bin)/python -m pip install --constraint constraints.txt --editable
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# nbgrader starts alembic by its bare name
export PATH := $(CURDIR)/.venv/bin:$(PATH)

lab: .venv/.base
	$(bin)/segcourse start work $(LAB)

test: .venv/.all
	$(bin)/python -m pytest $(TEST)

lint: .venv/.all
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/python -m pytest tests/lessons/test_sync.py

lessons: .venv/.all
	$(bin)/jupytext --sync lessons/*/*.ipynb

bench: .venv/.all
	for race in benchmarks/[a-z]*.py; do $(bin)/python $$race || exit 1; done

# After trying newer versions: writes down what was tested together. The CUDA parts stay out, because PyTorch pins them
# itself and they exist on Linux only.
constraints: .venv/.all
	{ sed -n '/^#/p' constraints.txt; $(bin)/python -m pip freeze --exclude-editable | \
	  grep -v -E '^(nvidia|cuda|triton)'; } > .venv/constraints.txt && mv .venv/constraints.txt constraints.txt

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis dist

.venv/bin/python:
	@PYTHON="$(PYTHON)" sh tools/make-venv .venv

# The stamps live inside .venv, so that removing it removes them. `doctor --fix` swaps OpenCV for its headless build
# on a Linux without libGL, and tells what this machine can do.
.venv/.base: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up .venv: once, some minutes and some gigabytes, most of them PyTorch."
	$(install) .
	$(bin)/segcourse doctor --fix
	@touch $@

.venv/.all: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up .venv with all extras: once, some minutes and some gigabytes, most of them PyTorch."
	$(install) ".[teach,cluster,deploy,dev,peers]"
	$(bin)/segcourse doctor --fix
	@touch .venv/.base $@
