# Two commands matter: `make demo` and `make test`. Both make .venv when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test check format docs clean

demo: $(INSTALLED)
	$(BIN)/nas demo

# one process for each core, with one thread: two threads for the small matrices of the tests take turns waiting
test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(INSTALLED)
	$(BIN)/python -m search_spaces.reference > docs/primitives.md
	$(BIN)/python -m nas.tasks > docs/tasks.md

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet -c constraints.txt -e ".[workers,test]"
	touch $@

clean:
	rm -rf $(VENV)
