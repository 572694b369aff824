#!/usr/bin/env bash
# Prepares the environment and runs the tests: ./tests/run.sh [pytest options]
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$here"
DEDUP_EXTRAS="${DEDUP_EXTRAS:-test}" exec ./spark-submit.sh --exec python -m pytest "$@"
