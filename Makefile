# Everything runs in .venv; the logic is in helpers/course.
PYTHON ?= $(or $(shell command -v .venv/bin/python || command -v python3 || command -v python3.13 || \
	command -v python3.12 || command -v python3.11),$(error Python is missing: install 3.11, 3.12 or 3.13))
SETUP = $(PYTHON) -E -S -X utf8 -m helpers.course.room.bootstrap
COURSE = .venv/bin/python -m helpers.course
JOBS ?= 2
PYTEST = .venv/bin/python -m pytest --numprocesses $(JOBS)
# One process a notebook: a kernel keeps what earlier cells defined.
NBVAL = $(PYTEST) --dist loadfile -p tests.nbval_kernels --nbval --nbval-current-env \
	--nbval-kernel-startup-timeout 300 --nbval-sanitize-with tests/nbval_sanitize.cfg solutions
# Paths and files are read as UTF-8 whatever the locale says: else a folder with an accent in its name has two names.
export PYTHONUTF8 = 1
# In some containers and class rooms nobody may write there, and then JupyterLab would not start.
ifeq ($(shell test -w "$$HOME" && echo yes),)
$(info Your home folder cannot be written: settings, progress and downloads go to work/.home)
$(shell mkdir -p work/.home)
export HOME := $(abspath work/.home)
endif
# As the lessons were built: two kernels with two threads each are slower on two cores than with one.
test test-all notebooks: export OMP_NUM_THREADS = 1

.DEFAULT_GOAL := help
.PHONY: help lab test test-all notebooks bench mark site wheelhouse pins

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab: ## open the course in JupyterLab, on your own copies in work/ (ARGS=--no-browser prints the address)
	@$(SETUP) lab
	@$(COURSE) lab -- $(ARGS)

test: ## every test that needs no fresh environment and no browser
	@$(SETUP) all
	@$(COURSE) prefetch
	@$(NBVAL)
	@$(PYTEST) --dist worksteal -m "not fresh and not browser" $(ARGS)

test-all: ## every test
	@$(SETUP) all
	@$(COURSE) prefetch
	@$(NBVAL)
	@$(PYTEST) --dist worksteal $(ARGS)
	@for precision in float32 bfloat16; do \
		echo "The same in $$precision, where that matters:"; \
		COURSE_PRECISION=$$precision $(PYTEST) --dist worksteal -m precision || exit; \
		COURSE_PRECISION=$$precision $(NBVAL)/08_fine_tune_bert.ipynb solutions/14_cheap_adaptation.ipynb || exit; \
	done

notebooks: ## regenerate notebooks, layers.py and pictures from solutions/*.py
	@$(SETUP) all
	@$(COURSE) prefetch
	@$(COURSE) build $(ARGS)

bench: ## measure every lesson, and the training loop beside others (ARGS=--help says what can be chosen)
	@$(SETUP) all
	@$(COURSE) bench $(ARGS)

mark: ## mark a folder of notebooks that students handed in (ARGS="SUBMISSIONS --out REPORT")
	@$(SETUP) all
	@$(COURSE) mark $(ARGS)

site: ## make the course's pages, to read on the web, in site/ (ARGS=--serve shows them)
	@$(SETUP) site
	@$(COURSE) site $(ARGS)

wheelhouse: ## put all that pip needs into a folder, for a room without a network (ARGS=/media/stick/wheelhouse)
	@$(SETUP) lab
	@$(COURSE) wheelhouse $(ARGS)

pins: ## refresh constraints.txt and the environment files (some minutes)
	@$(SETUP) all
	@$(COURSE) pins $(ARGS)
