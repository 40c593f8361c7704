#!/usr/bin/env bash
# Builds a venv of its own with torch 2.9.0 and torch-xla 2.9.0 (frozen there; the rest of the package runs on newer
# torch) and runs xla_check.py and xla_run.py on PJRT_DEVICE=CPU. Not part of CI: some 6 GB and ten minutes.
#   benchmarks/xla_check.sh FOLDER [Python 3.11]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:?usage: benchmarks/xla_check.sh FOLDER [PYTHON]: where the venv goes}
python=${2:-python3.11}
if [ ! -f "$venv/.installed" ]; then
  "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet -c constraints-xla.txt torch torch_xla
  "$venv/bin/pip" install --quiet --no-deps -r constraints.txt
  "$venv/bin/pip" install --quiet --no-deps --no-build-isolation --editable .
  touch "$venv/.installed"
fi
export PJRT_DEVICE=CPU
"$venv/bin/python" benchmarks/xla_check.py
"$venv/bin/python" benchmarks/xla_run.py
