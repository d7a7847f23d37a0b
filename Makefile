# Every target works on a fresh Debian 12: what is missing is installed first, into .venv and by apt.
PYTHON ?= python3
BIN := .venv/bin
VENV := .venv/.ready
SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)
# Which Kubernetes the lab runs: 1.36, which is built with Go 1.26, or 1.20; left out, the newest that can be built here.
export KUBERNETES
# Bytecode is kept between runs in every environment: compiling takes as long as the unit tests themselves.
unexport PYTHONDONTWRITEBYTECODE
# The layers of tests, by folder (tests/layers.py has the same lists). Components start once for all workers.
UNIT := tests/unit tests/golden telemetry/tests
# As many seconds as the rest of the unit tests; nothing here imports what talks to a cluster, which takes half a second.
HALF := tests/unit/analysis tests/unit/rollout
INTEGRATION := tests/bench tests/contract tests/install tests/integration tests/lab
E2E := tests/e2e
QUICK := -q --hypothesis-profile=quick -m 'not slow' --durations=3 --durations-min=0.1
TOGETHER := -q -n 7 --max-worker-restart=0
# What is long also measures how soon something happens.
LONG := -q -n 5 --max-worker-restart=0
# A test that waits for the cores is not one that hangs.
ALONE := -q -n 2 --max-worker-restart=0 -o timeout=600
PIP := python -m pip install -q --disable-pip-version-check
# How PyTorch is imported without CUDA's libraries; see tests/lab/install/torch_on_a_cpu.py.
export TORCH_USE_RTLD_GLOBAL := 1

.DEFAULT_GOAL := help
.PHONY: help python venv torch mlflow lock lab lint lint-types lint-rest format unit unit-half unit-rest integration e2e test test-long image test-components test-alone test-oldest test-newest crds docs golden rights release site demo gameday bench bench-decisions bench-decisions-live bench-peers bench-scale bench-telemetry bench-onnx bench-gpu models records chaos clean

##@ Start here: make venv, then make unit after every change, make lint before a commit, make test before a push
help: ## this list
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo 'One test: $(BIN)/pytest tests/unit/rollout -k rolls_back. In a lab that stays up: see tests/lab/README.md.'

venv: $(VENV) ## a virtual environment in .venv with everything the tests and the lab need

# A Python that is new enough and can make environments.
python:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "[setup] installing python3-venv"; \
		$(SUDO) apt-get install -y -qq python3-venv >/dev/null || { \
			$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv >/dev/null; }; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "[setup] Python 3.11 or newer is needed; name one with PYTHON=python3.11"; exit 1; }

$(VENV): requirements/test.lock pyproject.toml telemetry/pyproject.toml | python
	@test -x $(BIN)/python || { echo "[setup] making .venv"; $(PYTHON) -m venv .venv; }
	@echo "[setup] installing Python packages into .venv (a few minutes the first time)"
	@# Bytecode comes with the first import, of what is imported: compiling everything takes half a minute more.
	@$(BIN)/$(PIP) --no-compile --require-hashes -r requirements/test.lock
	@$(BIN)/$(PIP) --no-deps --no-build-isolation -e . -e ./telemetry
	@touch $@

torch: $(VENV) ## PyTorch for a CPU into .venv, so that the tests of its adapter run too
	@$(BIN)/$(PIP) --no-compile --no-deps --require-hashes -r requirements/torch.lock
	@$(BIN)/python tests/lab/install/torch_on_a_cpu.py

mlflow: .venv-mlflow/.ready ## an MLflow server into .venv-mlflow, so that the tests of registries run too

lock: python ## refresh requirements/*.lock to the newest versions that pyproject.toml allows
	@test -x .venv-lock/bin/python || $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/$(PIP) --upgrade 'uv>=0.9,<1'
	@requirements/lock.sh .venv-lock/bin/uv

# What many packages need and no test does: in an environment of its own.
.venv-release/.ready: requirements/release.lock | python
	@test -x .venv-release/bin/python || $(PYTHON) -m venv .venv-release
	@.venv-release/bin/$(PIP) --no-compile --require-hashes -r requirements/release.lock
	@touch $@

.venv-mlflow/.ready: requirements/mlflow.lock | python
	@test -x .venv-mlflow/bin/python || $(PYTHON) -m venv .venv-mlflow
	@.venv-mlflow/bin/$(PIP) --no-compile --no-deps --require-hashes -r requirements/mlflow.lock
	@touch $@

.venv-site/.ready: requirements/site.lock | python
	@test -x .venv-site/bin/python || $(PYTHON) -m venv .venv-site
	@.venv-site/bin/$(PIP) --no-compile --require-hashes -r requirements/site.lock
	@touch $@

lab: $(VENV) ## install and build the real components: etcd, kube-apiserver, Prometheus, Traefik, Envoy Gateway, Triton
	@$(BIN)/python -m tests.lab.install.provision

##@ Check: from seconds to minutes
lint: $(VENV) ## ruff, mypy (strict for what is shipped, in full for the tests) and the import contracts
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint-types lint-rest

# mypy's own workers give up when one needs over three seconds to start, which a busy machine may take.
lint-types:
	$(BIN)/mypy

lint-rest:
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: $(VENV) ## format the code with ruff
	$(BIN)/ruff format

unit: $(VENV) ## the tests that need no component, in seconds; run it after every change
	@$(MAKE) --no-print-directory -j2 --output-sync=target unit-half unit-rest

# Side by side, each collecting its own half: two seconds less than two workers that collect everything.
unit-half:
	@$(BIN)/pytest $(QUICK) $(HALF)

unit-rest:
	@$(BIN)/pytest $(QUICK) $(addprefix --ignore=,$(HALF)) $(filter-out $(HALF),$(UNIT))

integration: $(VENV) lab ## each part against real components, in minutes: the lab, adapters, chart, models, measurements
	$(BIN)/pytest $(TOGETHER) $(INTEGRATION)

e2e: $(VENV) lab ## whole rollouts on real components, in minutes
	$(BIN)/pytest $(TOGETHER) $(E2E)

test: $(VENV) lab ## lint and all three layers with every property in full, but for what is long
	@$(MAKE) --no-print-directory lint test-alone test-components

# One after the other: both need the cores, and with both at once tests of either wait in vain for an answer.
test-alone:
	$(BIN)/pytest $(ALONE) -m 'not long' $(UNIT) tests/bench

test-components:
	$(BIN)/pytest $(TOGETHER) -m 'not long' --ignore=tests/e2e/image $(filter-out tests/bench,$(INTEGRATION)) $(E2E)

test-long: $(VENV) lab ## what takes minutes each: kills at every write, hostile input, chaos, long simulations
	$(BIN)/pytest $(LONG) -m long --ignore=tests/e2e/image $(UNIT) $(INTEGRATION) $(E2E)

image: $(VENV) lab ## build the image, start it, and have it promote a version; by itself, since it slows other tests
	$(BIN)/pytest -q tests/e2e/image

test-oldest: export KUBERNETES := 1.20
test-oldest: $(VENV) lab ## what depends on the API server, on the oldest one supported: the tests marked `oldest`
	$(BIN)/pytest $(TOGETHER) -m oldest $(INTEGRATION) $(E2E)

test-newest: python ## what needs no component, on the newest versions that pyproject.toml allows, in .venv-newest
	@test -x .venv-newest/bin/python || $(PYTHON) -m venv .venv-newest
	@.venv-newest/bin/$(PIP) --no-compile --upgrade --upgrade-strategy eager -e '.[notifications,stores,parquet,tensorboard,test,lab]' -e './telemetry[onnx,prometheus]'
	.venv-newest/bin/pytest -q -n 2 --hypothesis-profile=quick -m 'not lab and not slow' $(UNIT) tests/install tests/integration

##@ Generate what is committed
crds: $(VENV) ## generate crds/, the chart's copy and its schema of the configuration from the models
	$(BIN)/python -m modelrollout.api.crd > crds/modelrollout.yaml
	$(BIN)/python -m modelrollout.adapters.kubernetes.snapshot_kind > crds/modelrolloutsnapshot.yaml
	cp crds/modelrollout.yaml charts/modelrollout/files/crd.yaml
	cp crds/modelrolloutsnapshot.yaml charts/modelrollout/files/crd-snapshot.yaml
	$(BIN)/python -m modelrollout.api.config.values_schema charts/modelrollout/values.schema.json

docs: $(VENV) ## generate the references, the pictures and the README's diagram from the code
	$(BIN)/python -m modelrollout.api.reference > docs/spec-reference.md
	$(BIN)/python -m activation_health.reference > docs/metrics.md
	$(BIN)/python -m tests.docs.operator_metrics
	$(BIN)/python -m tests.docs.runbooks
	$(BIN)/python -m tests.docs.dashboards
	$(BIN)/python -m tests.readme
	$(BIN)/python -m tests.docs.picture
	$(BIN)/python -m tests.docs.terminal

models: $(VENV) ## retrain the lab's models, with their manifest (another CPU gives other weights)
	@$(BIN)/python -m tests.lab.models.make_models

records: $(VENV) ## retrain the networks that make bench-decisions reports: ten minutes
	@$(BIN)/python -m tests.bench.decisions.retrains.record

golden: $(VENV) ## rewrite the texts pinned in tests/golden/expected after a change of wording; then read the diff
	@$(BIN)/pytest -q tests/golden --update-golden

rights: $(VENV) lab ## record which rights the operator uses, in all end-to-end tests; half an hour
	@rm -rf build/audit
	MODELROLLOUT_LAB_AUDIT=build/audit $(BIN)/pytest $(TOGETHER) $(E2E)
	@$(BIN)/python -m tests.install.rights.used build/audit

##@ Publish it
release: $(VENV) .venv-release/.ready ## wheels, sdists, chart archive, plugin, bill of materials and checksums into dist/; URL=... for Krew
	@$(BIN)/python -m tests.install.release.artifacts $(if $(URL),--url $(URL)) dist

site: .venv-site/.ready ## the documentation as a site in build/site, to be served by anything; a dead link is an error
	@rm -rf build/pages build/site && mkdir -p build/pages
	@cp -r --parents *.md LICENSE docs examples tests/lab/README.md build/pages/ && rm -r build/pages/docs/site
	@NO_MKDOCS_2_WARNING=1 .venv-site/bin/mkdocs build --quiet --config-file docs/site/mkdocs.yml
	@echo "build/site/index.html"

##@ Watch it, measure it
demo: $(VENV) lab ## promote a good version and roll a bad one back, on real components, live in your terminal
	@$(BIN)/python -m tests.e2e.demo

gameday: $(VENV) lab ## you are on call: faults strike real components, and you say what you would do; FAULTS=nan,killed SEED=7
	@$(BIN)/python -m tests.e2e.gameday $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED))

bench: $(VENV) lab ## print what a pass, an advance, a rollback and hostile Prometheus servers cost
	@$(BIN)/python -m tests.bench.cost
	@$(BIN)/python -m tests.bench.memory
	@$(BIN)/python -m tests.bench.memory.start

bench-decisions: $(VENV) ## print how often the engine errs, and how soon it decides
	@$(BIN)/python -m tests.bench.decisions

bench-decisions-live: $(VENV) lab ## print how soon the running operator finds a change; half an hour
	@$(BIN)/python -m tests.bench.decisions --live

bench-peers: $(VENV) lab ## the same canaries under real Flagger and Argo Rollouts; needs Go 1.26, 35 minutes a round
	@$(BIN)/python -m tests.bench.peers --resume --write

bench-scale: $(VENV) ## what one process costs with 1 to 300 rollouts under way and 1,000 at rest; a quarter of an hour
	@$(BIN)/python -m tests.bench.scale

bench-telemetry: $(VENV) ## print what watching activations costs a model server
	@$(BIN)/python -m tests.bench.telemetry

bench-onnx: $(VENV) lab ## print what counting inside ONNX graphs costs, on networks of packages on PyPI, and Triton's answers
	@$(BIN)/python -m tests.bench.telemetry.onnx_networks
	@$(BIN)/python -m tests.bench.telemetry.onnx_triton

bench-gpu: ## print what watching costs on a GPU, and check the counts; needs a GPU and PyTorch in PYTHON, nothing else
	@PYTHONPATH=telemetry:. $(PYTHON) -m tests.bench.telemetry.gpu

chaos: $(VENV) lab ## an hour of random kills and faults over many rollouts, every one judged; prints its seed
	@$(BIN)/python -m tests.e2e.chaos --minutes 60

clean: ## remove what was generated here; the lab's cache in ~/.cache stays
	rm -rf .venv .venv-* .lab build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find operator telemetry tests -name __pycache__ -prune -exec rm -rf {} + -o -name '*.egg-info' -prune -exec rm -rf {} +
