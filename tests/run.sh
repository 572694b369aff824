#!/usr/bin/env bash
# Prepares the environment and runs the tests: ./tests/run.sh [pytest options]. Without options it runs all, in two processes, as
# one alone doesn't keep two cores at work; a file's tests stay together, and each process has a Spark session.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$here"
[[ $# -gt 0 ]] || set -- --numprocesses 2 --dist loadfile
DEDUP_EXTRAS="${DEDUP_EXTRAS:-test}" exec ./spark-submit.sh --exec python -m pytest "$@"
