# The work is done by small programs; this file only names them.
PYTHON ?= python3

.PHONY: demo demo-clean test lint sanity unit integration molecule interrupt canary artefact bench faults simulate clean

demo:
	@$(PYTHON) tests/demo/run.py

demo-clean:
	@$(PYTHON) tests/demo/run.py --clean

test:
	@$(PYTHON) tests/run.py

lint sanity unit integration molecule interrupt canary artefact:
	@$(PYTHON) tests/run.py $@

bench:
	@$(PYTHON) tests/stages/bench.py

faults:
	@$(PYTHON) tests/stages/faults.py

simulate:
	@$(PYTHON) tests/stages/simulate.py

clean:
	rm -rf build .venv
