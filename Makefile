# Needs Python 3.11 or newer and make. Each target creates .venv if needed and installs what it uses, once.
#   make lab                   open the lessons in JupyterLab, as a copy in work/
#   make lab LAB=--no-browser  only print JupyterLab's address
#   make test                  run all tests
#   make test TEST="tests/test_metrics.py -x"  run some tests
#   make lint                  check style and types
#   make lesson NAME=NN_slug   write a new lesson, or add its new exercises to it
#   make lessons               sync each lesson's notebook and text from the one that was edited last, and
#                              write their first and last cells and the table in lessons/README.md
#   make site                  build the course as web pages in site/html; all lessons take ten minutes
#   make site SITE="03 05"     only these lessons; SITE=--no-run leaves out the outputs, SITE=--links opens every address
#   make bench                 compare speed and accuracy with other libraries
#   make constraints           record the installed versions in constraints.txt
#   make clean                 remove .venv and caches

.PHONY: lab test lint lesson lessons site bench constraints clean
.DELETE_ON_ERROR:

LAB =
NAME =
SITE =
TEST = -n 2 --dist worksteal
PYTHON =
bin = .venv/bin
install = @$(bin)/python tools/quietly .venv/install.log \
  $(bin)/python -m pip install --constraint constraints.txt --editable
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# nbgrader runs alembic by name, so .venv/bin must be on the path
export PATH := $(CURDIR)/.venv/bin:$(PATH)

lab: .venv/.base
	$(bin)/segcourse start work $(LAB)

test: .venv/.all
	$(bin)/python -m pytest $(TEST)

lint: .venv/.all
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy

lesson: .venv/.all
	$(bin)/python -m segcourse.course.scaffold "$(NAME)"

lessons: .venv/.all
	$(bin)/jupytext --sync lessons/*/*.ipynb
	$(bin)/python -m segcourse.course.frame
	$(bin)/python -m segcourse.course.overview

site: .venv/.all
	$(bin)/python tools/web_pages.py $(SITE)

bench: .venv/.all
	for script in benchmarks/[a-z]*.py; do $(bin)/python $$script || exit 1; done

# Records the installed versions after they were tested together. CUDA packages are left out: PyTorch pins them itself, and
# they exist only on Linux.
constraints: .venv/.all
	{ sed -n '/^#/p' constraints.txt; $(bin)/python -m pip freeze --exclude-editable | \
	  grep -v -E '^(nvidia|cuda|triton)'; } > .venv/constraints.txt && mv .venv/constraints.txt constraints.txt

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis dist site

.venv/bin/python:
	@PYTHON="$(PYTHON)" sh tools/make-venv .venv

# The stamp files are in .venv, so removing .venv removes them. On a Linux without libGL, `doctor --fix` replaces OpenCV by
# its headless build; then it prints what works on this machine.
.venv/.base: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up .venv: this takes a few minutes and several gigabytes, mostly PyTorch."
	$(install) ".[deploy]"
	$(bin)/segcourse doctor --fix
	@touch $@

.venv/.all: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up .venv with all extras: this takes a few minutes and several gigabytes, mostly PyTorch."
	$(install) ".[teach,cluster,deploy,pretrained,dev,peers,site]"
	$(bin)/segcourse doctor --fix
	@touch .venv/.base $@
