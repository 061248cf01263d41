#!/usr/bin/env bash
# All tests: the notebooks, each run top to bottom, then pytest. Called by `make test`.
set -euo pipefail
bin=${VENV:-.venv}/bin
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MPLBACKEND=${MPLBACKEND:-agg} PYTHONHASHSEED=0 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
if [ -n "${VSA_DATA:-}" ]; then echo "Real data: VSA_DATA is set; the cells that need it run."
else echo "VSA_DATA is not set: cells and tests that need real data say so and are skipped."; fi
TMPDIR=$(mktemp -d); export TMPDIR; trap 'rm -rf "$TMPDIR"' EXIT   # what pages leave behind goes with it
workers=$("$bin/python" -c 'import os; print(max(1, min(4, len(os.sched_getaffinity(0)))))')
echo "Notebooks, $workers at a time:"
"$bin/nbdev-test" --n-workers "$workers" --timing --do-print
echo "Repository tests:"
"$bin/python" -m pytest tests
