#!/usr/bin/env bash
# Tries benchmarks/gpu_scientific.py --dry_run, all phases, at the oldest and the newest versions that the GPU row is for:
# Python 3.11, torch 2.9.0, transformers 5.0.0; and Python 3.12, torch 2.13.0, the newest transformers, NumPy and pandas.
# Not part of CI: two environments of some 7 GB each, since PyPI's torch is a CUDA build. Versions between are untried.
#   benchmarks/gpu_versions.sh FOLDER [PYTHON 3.11] [PYTHON 3.12]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?usage: benchmarks/gpu_versions.sh FOLDER [PYTHON3.11] [PYTHON3.12]: where the environments go}
mkdir -p "$folder"

# NAME PYTHON TORCH PACKAGE...: constraints.txt without ray, which has no wheel for 3.12 and which no run imports, then
# PACKAGES with what they need
environment() {
  local venv="$folder/$1" python=$2 torch=$3
  shift 3
  [ -f "$venv/.installed" ] && return
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet "torch==$torch"
  grep -v -e '^ray==' -e '^transformers==' constraints.txt > "$venv/constraints.txt"
  "$venv/bin/python" -m pip install --quiet --no-deps -r "$venv/constraints.txt"
  "$venv/bin/python" -m pip install --quiet --upgrade "$@"
  "$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .
  touch "$venv/.installed"
}

# NAME: its versions, and the exit status of all phases, whose output goes to FOLDER/NAME.log
try() {
  local out status=0
  out=$(mktemp -d)
  "$folder/$1/bin/python" -c "import sys, torch, transformers, numpy, pandas; print('$1: Python', sys.version.split()[0], *(
    f'{one.__name__} {one.__version__}' for one in (torch, transformers, numpy, pandas)))"
  "$folder/$1/bin/python" benchmarks/gpu_scientific.py --dry_run --out="$out/row" --stages=joint,finetune --ablate \
    > "$folder/$1.log" 2>&1 || status=$?
  grep -E '^[a-z0-9-]+: (failed|not reached|partial)|CHECK FAILED|^error:' "$folder/$1.log" || true
  echo "$1: exit status $status, $(grep -c -E '^[a-z0-9-]+: done: ' "$folder/$1.log" || true) of 16 phases done"
  rm -rf "$out"
  return "$status"
}

environment oldest "${2:-python3.11}" 2.9.0 transformers==5.0.0
environment newest "${3:-python3.12}" 2.13.0 transformers numpy pandas
failed=0
try oldest || failed=1
try newest || failed=1
exit "$failed"
