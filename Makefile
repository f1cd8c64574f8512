# Every target sets up .venv by itself when it is missing or out of date, and is quick when it is not.
# Needs: Python 3.11 or newer with venv, make, a package index that pip can reach.

SHELL := /bin/sh
BIN := .venv/bin
READY := .venv/.shipfit-setup
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow check scenarios fetch bench bench-main bench-torch bench-quantization bench-peers bench-pruning bench-search bench-batch bench-recall bench-chat zoo format

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with pinned versions
	@echo "setup: .venv is ready"

$(READY): pyproject.toml constraints.txt scripts/setup
	@scripts/setup

run: $(READY) ## Fit a small model to a size, a speed and an accuracy, and show how
	@$(BIN)/shipfit demo

test: $(READY) ## Run the tests, without the slow ones
	$(PYTEST) -m "not slow"

test-slow: $(READY) ## Run the slow tests
	$(PYTEST) -m slow --timeout=600 || test $$? -eq 5  # 5: no slow test was found

check: $(READY) ## Check format, style, types and the import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

format: $(READY) ## Format the code and sort its imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

scenarios: $(READY) ## Run the quick scenarios: end-to-end cases that say how they must end
	$(BIN)/shipfit scenarios run quick

fetch: $(READY) ## Fetch the published models of the scenarios, and make their samples
	$(BIN)/python benchmarks/prepare.py

bench: $(READY) ## Measure against the bars and the peers; figures go to benchmarks/
	@$(MAKE) --keep-going bench-main bench-torch bench-quantization bench-peers bench-pruning bench-search

bench-main: $(READY) ## Measure the main job against its bars
	$(BIN)/python benchmarks/run.py

bench-torch: $(READY) ## Measure torch models against their bars
	$(BIN)/python benchmarks/torch_models.py

bench-quantization: $(READY) ## Hold quantization against the table of what it must reach
	$(BIN)/python benchmarks/quantization/run.py

bench-peers: $(READY) ## Hold shipfit's products against those of its peers, each in an environment of its own
	$(BIN)/python benchmarks/peers/run.py

bench-pruning: $(READY) ## Hold pruning from the file alone against torch-pruning, which has the source; goes on where it was interrupted
	$(BIN)/python benchmarks/pruning/run.py

bench-search: $(READY) ## Hold the built-in policy against other searches at equal effort; goes on where it was interrupted
	$(BIN)/python benchmarks/search/run.py --fresh --memory built-in

bench-batch: $(READY) ## Measure a batch of 200 models, and kill one at 20 random moments
	$(BIN)/python benchmarks/batch.py

bench-chat: $(READY) ## Measure the web chat: first paint, and events with 20 open conversations
	$(BIN)/python benchmarks/chat/run.py

bench-recall: $(READY) ## Measure recall over 100,000 outcomes: time and memory
	$(BIN)/python benchmarks/recall.py

zoo: $(READY) ## Fit a zoo of real and hostile models in one batch, and measure every product again
	$(BIN)/python benchmarks/zoo/run.py
