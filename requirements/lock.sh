#!/usr/bin/env bash
# `make lock`: every lock anew, with the newest versions that the two pyproject.toml and the *.in allow.
# One lock serves every Python from 3.11 on; what several locks name has one version in all but Triton's.
set -eu
cd "$(dirname "$0")/.."
uv=$1

lock() { # NAME SOURCE...
  name=$1
  shift
  "$uv" pip compile --quiet --no-config --upgrade --universal --python-version 3.11 --generate-hashes \
    --custom-compile-command 'make lock' --output-file "requirements/$name.lock" "$@"
}

# With what the image sends notifications by, and replays golden sets by.
lock operator pyproject.toml --extra notifications --extra prober
# For the image too, where it is asked to read Parquet (--build-arg EXTRAS=parquet).
lock parquet requirements/parquet.in
lock build requirements/build.in
lock release requirements/release.in --constraints requirements/build.lock
lock test pyproject.toml telemetry/pyproject.toml requirements/build.in --extra notifications --extra prober \
  --extra stores --extra parquet --extra report --extra tensorboard --extra test --extra lab --extra onnx --extra prometheus \
  --constraints requirements/operator.lock --constraints requirements/parquet.lock --constraints requirements/build.lock
lock triton requirements/triton.in
lock site requirements/site.in

# A registry trains and draws nothing: a third of a gigabyte that its server never imports.
lock mlflow requirements/mlflow.in $(printf -- '--no-emit-package %s ' \
  contourpy cycler docker fonttools joblib kiwisolver matplotlib pillow pyarrow pyparsing scikit-learn scipy threadpoolctl)

# CUDA's libraries are gigabytes of which a CPU runs nothing (tests/lab/install/torch_on_a_cpu.py). Two of them stay: PyTorch
# calls the runtime and reads a variable of nvshmem while it is loaded. What test.lock has is not said again.
lock torch telemetry/pyproject.toml --extra torch --extra torchmetrics --constraints requirements/test.lock $(printf -- '--no-emit-package %s ' \
  cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cccl nvidia-cuda-cupti nvidia-cuda-nvrtc \
  nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 \
  nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvtx numpy setuptools typing-extensions)
