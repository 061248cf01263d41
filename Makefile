# Two commands do everything: `make demo` and `make test`. Each makes .venv when it is missing.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
OUT    ?= demo_output
DOCS   := $(VENV)/.docs-installed

.PHONY: help demo test lab site pages readme clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml settings.ini setup.py
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"vsa_nb needs Python 3.11 or newer, but $(PYTHON) is {v.major}.{v.minor}. Install a newer one and run: make PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment; on Debian or Ubuntu: apt install python3-venv"; exit 1; }; }
	@echo "Installing vsa_nb and what it needs into $(VENV) (about 2 minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

demo: $(STAMP)  ## train, decode and score on the embedded world; tables and pictures in demo_output/
	@$(BIN)/python -m vsa_nb.demo --out $(OUT)

test: $(STAMP)  ## run every notebook, then the repository's own tests
	@VENV=$(VENV) bash tests/run.sh

lab: $(STAMP)  ## open the book in JupyterLab
	@$(BIN)/jupyter lab --notebook-dir=. nbs/index.ipynb

$(DOCS): $(STAMP)
	@echo "Installing Sphinx and its theme into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	@touch $@

site: $(DOCS)  ## the book as a web site in docs/_build/html (needs npm once, for MathJax); DRAFT=1 forgives links to pages not yet written
	@OMP_NUM_THREADS=1 $(BIN)/python docs/build.py $(if $(DRAFT),--draft)

explore: $(STAMP)  ## look at it all in a browser; IMAGES=your pictures, MODELS=a folder of models, PORT=8866
	@$(BIN)/python -m vsa_nb.explorer $(if $(IMAGES),--images "$(IMAGES)") $(if $(MODELS),--models "$(MODELS)") $(if $(PORT),--port $(PORT))

pages: $(STAMP)  ## export the modules, run all pages storing their outputs, clean them
	@$(BIN)/nbdev-export && OMP_NUM_THREADS=1 $(BIN)/nbdev-test --save --n-workers 2 --timing && $(BIN)/nbdev-clean && $(MAKE) --no-print-directory readme

readme: $(STAMP)  ## README.md from nbs/index.ipynb
	@$(BIN)/python tests/readme.py --write

clean:  ## remove what the targets made (not your runs)
	rm -rf $(VENV) demo_output docs/_build build *.egg-info .pytest_cache && find . -name __pycache__ -prune -exec rm -rf {} +
