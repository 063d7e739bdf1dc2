#!/usr/bin/env bash
# What a GPU is asked first, in one command of at most 14 minutes: bash benchmarks/gpu_day.sh [FOLDER]
#
# Installs the extra, runs the tests marked gpu, the doctor, and the benchmark of 50 networks beside PyTorch.
# Each part may fail without stopping the next; logs and JSON lie in FOLDER (default: gpu_day).
# PYTHON names another interpreter, TORCH another requirement; LSTMCORE_EXTRA=cuda13 for drivers from 580 on.
# A machine without a registry: WHEELS names a folder of wheels, of which all are installed and nothing else.
set -u
cd "$(dirname "$0")/.."
folder=$(mkdir -p "${1:-gpu_day}" && cd "${1:-gpu_day}" && pwd)
python=${PYTHON:-python3}
extra=${LSTMCORE_EXTRA:-cuda}
began=$SECONDS
limit=840 # seconds, all together

part() { # part NAME SECONDS COMMAND...: run it within what is left, keep its output
  local name=$1 seconds=$2 left=$((limit - SECONDS + began))
  shift 2
  [ "$seconds" -lt "$left" ] || seconds=$left
  if [ "$seconds" -lt 5 ]; then
    echo "$name: not run, no time is left" | tee -a "$folder/summary.txt"
    return
  fi
  local start=$SECONDS
  timeout -k 5 "$seconds" "$@" >"$folder/$name.log" 2>&1
  local code=$?
  echo "$name: exit code $code after $((SECONDS - start)) s of $seconds" | tee -a "$folder/summary.txt"
}

: >"$folder/summary.txt"
nvidia-smi >"$folder/nvidia-smi.log" 2>&1 || echo "nvidia-smi: no driver answers" | tee -a "$folder/summary.txt"
part venv 60 "$python" -m venv --system-site-packages "$folder/venv"
python="$folder/venv/bin/python"
if [ -n "${WHEELS:-}" ]; then
  part install 240 "$python" -m pip install --quiet --no-index --no-deps "$WHEELS"/*.whl
  export PYTHONPATH=$PWD
else
  part install 240 "$python" -m pip install --quiet -e ".[$extra]" pytest pytest-xdist pytest-timeout hypothesis
fi
part doctor 90 "$python" -m lstmcore doctor --json
# The smallest tests first: what they say matters most.
part tests 300 "$python" -m pytest -m gpu -n 0 -v -p no:cacheprovider --timeout=120 tests
"$python" -c "import torch" 2>/dev/null || part torch 240 "$python" -m pip install --quiet "${TORCH:-torch}"
part benchmark 420 env LSTMCORE_RESULTS="$folder" "$python" -m benchmarks.cuda --rounds 3
cat "$folder/summary.txt"
