# Every target sets up .venv itself: a clean clone needs Python 3.11 or newer, make and a package index.
PYTHON ?= python3
WORKERS ?= auto
WORKDIR ?= runs/demo
CONSTRAINTS ?= constraints.txt

BIN := .venv/bin
VENV := .venv/bin/activate
TRAIN := .venv/.stamp-train
DEV := .venv/.stamp-dev
DOCS := .venv/.stamp-docs
BENCH := .venv/bench/.stamp
# What setup.cfg asks for, at the versions that were tested.
INSTALL := $(BIN)/python -m pip install --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) --editable
# A worker that is done takes tests from another.
SPREAD := --numprocesses $(WORKERS) --dist worksteal
# Most of a fast run is compiling what runs once, and XLA's older code generator compiles it in a third of the time.
# A program that is cut into parts, compiled side by side, takes a third longer in all, and each core has a worker already.
# The other runs compile as users do.
QUICKLY := XLA_FLAGS="$$XLA_FLAGS --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"

# A change is tested by a part of what is fast; .ci/run takes all of it.
TESTS ?= not slow and not thorough

.PHONY: help test unit test-all test-plain test-jax test-torch test-pages demo lint format wheel docs bench constraints clean

help:
	@echo "make test      in a few minutes tests of everything, doctests too; make test TESTS='not slow': more of each"
	@echo "make unit      the tests of one function at a time, in less than a minute"
	@echo "make test-all  every test, the slow ones included"
	@echo "make test-plain  the fast tests with JAX's own transposes in place of equinet's"
	@echo "make test-jax  what depends on JAX's inner workings, on another version of it: make test-jax JAX=0.11.2 PYTHON=python3.12"
	@echo "make test-torch  what reads PyTorch models, on a version of it: make test-torch TORCH=2.13.0"
	@echo "make test-pages  what pages show in a headless Chromium, which is installed where there is none"
	@echo "make demo      train six networks on real images and compare their symmetry; result in $(WORKDIR)"
	@echo "make lint      ruff and pyright;  make format: ruff format;  make wheel: the wheel imports on its own"
	@echo "make docs      the site, warnings as errors, in build/docs"
	@echo "make constraints  the newest versions that setup.cfg allows, to constraints.txt; then make test-all"
	@echo "make bench     time everything against its peers, on an idle machine; result in docs/performance.md"

$(VENV):
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "equinet needs Python 3.11 or newer; say make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

$(TRAIN): setup.cfg pyproject.toml $(CONSTRAINTS) | $(VENV)
	$(INSTALL) '.[train]'
	touch $@

$(DEV): setup.cfg pyproject.toml $(CONSTRAINTS) | $(TRAIN)
	$(INSTALL) '.[train,dev,interop]'
	touch $@

$(DOCS): setup.cfg pyproject.toml $(CONSTRAINTS) | $(TRAIN)
	$(INSTALL) '.[train,docs,interop]'
	touch $@

# The peers have environments of their own. Some ask for packages that they run without (torchvision, py3nj), and escnn
# for one that is built for an older numpy than jax takes.
$(BENCH): setup.cfg pyproject.toml benchmarks/escnn.txt | $(VENV)
	$(PYTHON) -m venv .venv/bench
	.venv/bench/bin/python -m pip install --quiet --editable '.[train,bench]'
	.venv/bench/bin/python -m pip install --quiet --no-deps antialiased-cnns==0.3
	$(PYTHON) -m venv .venv/escnn
	.venv/escnn/bin/python -m pip install --quiet --requirement benchmarks/escnn.txt
	.venv/escnn/bin/python -m pip install --quiet --no-deps escnn==1.0.11
	touch $@

test: $(DEV)
	$(QUICKLY) $(BIN)/python -m pytest $(SPREAD) -m '$(TESTS)'

# The inner loop.
unit: $(DEV)
	$(QUICKLY) $(BIN)/python -m pytest $(SPREAD) -m 'unit and not slow and not thorough'

test-all: $(DEV)
	$(BIN)/python -m pytest $(SPREAD) -m ''

test-plain: $(DEV)
	$(BIN)/python -m pytest $(SPREAD) --plain

# The oldest supported version unless another is named; beside it the newest of everything, whatever was tested before.
JAX ?= 0.10.0
test-jax:
	$(PYTHON) -m venv .venv/jax-$(JAX)
	.venv/jax-$(JAX)/bin/python -m pip install --quiet --editable '.[train,dev,interop]' jax==$(JAX) jaxlib==$(JAX)
	.venv/jax-$(JAX)/bin/python -m pytest $(SPREAD) tests/infer tests/test_declare.py tests/interop \
		tests/layers/test_formulations.py tests/test_trained.py

# PyTorch is large, so what reads its models is tested in an environment of its own; elsewhere these tests are skipped.
TORCH ?= 2.13.0
test-torch:
	$(PYTHON) -m venv .venv/torch-$(TORCH)
	.venv/torch-$(TORCH)/bin/python -m pip install --quiet --editable '.[train,dev,interop,torch]' torch==$(TORCH)
	$(QUICKLY) .venv/torch-$(TORCH)/bin/python -m pytest $(SPREAD) -m '' tests/interop/pytorch tests/test_docs.py

test-pages: $(DEV)
	$(INSTALL) '.[train,dev,docs,interop,browser]'
	$(BIN)/python -m scripts.get_browser
	$(QUICKLY) $(BIN)/python -m pytest --numprocesses 0 -m '' tests/explore/test_page.py tests/explore/test_table.py \
		tests/test_site.py

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The wheel must import on its own, from another directory, with the declared dependencies only beside it.
wheel: $(DEV)
	rm -rf build/dist build/installed build/lib build/bdist.*
	$(BIN)/python -m build --wheel --outdir build/dist . > /dev/null
	$(BIN)/python -m pip install --quiet --no-deps --target build/installed build/dist/*.whl
	@cd build && PYTHONPATH=$(CURDIR)/build/installed ../$(BIN)/python -c \
	  'import equinet; assert "build/installed" in equinet.__file__, equinet.__file__; print("wheel imports:", equinet.__name__)'

demo: $(TRAIN)
	$(BIN)/python -m scripts.demo --workdir=$(WORKDIR)

docs: $(DOCS)
	$(BIN)/python -m sphinx --quiet --fresh-env --nitpicky --fail-on-warning --keep-going -d build/doctrees docs build/docs
	@echo "the site: build/docs/index.html"

bench: $(BENCH)
	.venv/bench/bin/python -m benchmarks $(ARGS)

# In an environment of its own, so that nothing of the present one is kept.
constraints:
	rm -rf .venv/newest
	$(PYTHON) -m venv .venv/newest
	.venv/newest/bin/python -m pip install --quiet '.[train,dev,docs,interop,browser]'
	{ grep '^#' constraints.txt; .venv/newest/bin/python -m pip freeze --exclude equinet-jax; echo torch==$(TORCH); \
		grep --extended-regexp '^(timm|torchvision)==' constraints.txt; } \
		> constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf build dist runs .pytest_cache .ruff_cache .hypothesis *.egg-info
