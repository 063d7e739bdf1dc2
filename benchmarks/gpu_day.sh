#!/usr/bin/env bash
# What a GPU is asked first, in one command of at most 14 minutes: bash benchmarks/gpu_day.sh [FOLDER]
#
# Installs the extra, runs the tests marked gpu, the doctor, and the benchmark of 50 networks beside PyTorch.
# Each part may fail or hang without stopping the next; logs and JSON lie in FOLDER (default: gpu_day), of
# which summary.txt comes first.
#
# PYTHON  another interpreter than python3; a virtual environment's is used as it is, for others one is made
# LSTMCORE_EXTRA  cuda13 for drivers from 580 on
# TORCH   another requirement than torch
# JOBS    another number of processes that test than 8: each compiles the kernels for itself, half a minute
# LIMIT   another number of seconds than 830 in all
# WHEELS  for a machine without a registry: a folder of wheels (numba-cuda, a NumPy it can work with, pytest and its plugins
#         xdist and timeout, hypothesis, what the package needs, PyTorch), all of which are installed and nothing else
set -u
folder=${1:-gpu_day}
mkdir -p "$folder" && folder=$(cd "$folder" && pwd) || exit 1
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}
usual=830 # seconds; what is killed at the end takes a few more
limit=${LIMIT:-$usual}
began=$SECONDS

say() { echo "$@" | tee -a "$folder/summary.txt"; }

# part NAME SHARE COMMAND...: run it for at most its share of the time, in seconds of the usual limit, and never
# for longer than is left. All shares together are the limit, so what hangs takes no other part's.
part() {
  local name=$1 seconds=$(($2 * limit / usual)) left=$((limit - SECONDS + began)) start=$SECONDS code
  shift 2
  [ "$seconds" -ge 1 ] || seconds=1
  [ "$seconds" -le "$left" ] || seconds=$left
  if [ "$seconds" -lt 1 ]; then
    say "$name: not run, no time is left"
    return 1
  fi
  timeout -k 5 "$seconds" "$@" >"$folder/$name.log" 2>"$folder/$name.err" </dev/null
  code=$?
  say "$name: exit code $code after $((SECONDS - start)) s of $seconds: $(tail -n 1 "$folder/$name.log" | cut -c 1-100)"
  return "$code"
}

: >"$folder/summary.txt"
part nvidia-smi 10 nvidia-smi
if ! part environment 10 "$python" -c "import sys; print(sys.prefix); sys.exit(sys.prefix == sys.base_prefix)"; then
  part venv 30 "$python" -m venv --system-site-packages "$folder/venv"
  [ ! -x "$folder/venv/bin/python" ] || python="$folder/venv/bin/python"
fi
if [ -n "${WHEELS:-}" ]; then
  part install 150 "$python" -m pip install --quiet --no-index --no-deps "$WHEELS"/*.whl
else
  part install 150 "$python" -m pip install --quiet -e ".[${LSTMCORE_EXTRA:-cuda}]" \
    pytest pytest-xdist pytest-timeout hypothesis
fi
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} # so that all runs, were the package itself not installed
# Only files with such tests: others need extras that aren't installed here.
mapfile -t files < <(grep -rlE "(cuda_here|test_against_currennt) import .*(gpu|BACKENDS)" tests --include="test_*.py")
part tests 230 "$python" -m pytest -m gpu -n "${JOBS:-8}" --dist load -v -p no:cacheprovider --timeout=200 "${files[@]}"
part doctor 90 "$python" -c "from lstmcore.experiments.terminal.entry import main; main()" doctor --json
cp "$folder/doctor.log" "$folder/doctor.json"
if ! part torch 20 "$python" -c "import torch; print(torch.__version__, torch.cuda.is_available())" &&
  [ -z "${WHEELS:-}" ]; then
  part torch-install 120 "$python" -m pip install --quiet "${TORCH:-torch}"
fi
# Songs of a minute first, each length by itself, for a benchmark writes its JSON at its end; the last takes what is left.
part benchmark-60 150 env LSTMCORE_RESULTS="$folder/frames_60" "$python" -m benchmarks.cuda --frames 60 --rounds 3
part benchmark-600 "$usual" env LSTMCORE_RESULTS="$folder/frames_600" "$python" -m benchmarks.cuda --frames 600 --rounds 3
echo "all of it: $folder"
