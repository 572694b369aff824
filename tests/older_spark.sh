#!/usr/bin/env bash
# Runs the tests that are marked every_spark with older versions of Spark, in the environment of run.sh: the package of each
# is put before the one that is installed.
#
#   ./tests/older_spark.sh [VERSION ...]     of the versions of PyPI's pyspark; without one, the last 3.5 and the last 4.0
#
# DEDUP_OLDER_SPARK    a folder where the packages are kept (default: older-spark in the environment's folder); "skip"
#                      leaves these tests out, as where no package can be downloaded
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$here"
export DEDUP_EXTRAS="${DEDUP_EXTRAS:-test}"
kept="${DEDUP_OLDER_SPARK:-${DEDUP_VENV:-$here/.venv}/older-spark}"
[[ $# -gt 0 ]] || set -- 3.5.9 4.0.5
if [[ "$kept" == skip ]]; then
    printf 'The tests with Spark %s are left out: DEDUP_OLDER_SPARK is "skip"\n' "$*" >&2
    exit
fi

in_environment() { ./spark-submit.sh --exec "$@"; }

download() {
    if [[ -f "$kept/$1/complete" ]]; then return; fi
    rm -rf "${kept:?}/$1"
    printf 'Downloading Spark %s into %s (once; some 400 MB) ...\n' "$1" "$kept/$1" >&2
    if ! in_environment python -m pip install --disable-pip-version-check --quiet --target "$kept/$1" "pyspark==$1"; then
        printf 'error: Spark %s could not be downloaded, so it is not tested: see above. Where that is to be so, set DEDUP_OLDER_SPARK=skip\n' "$1" >&2
        return 1
    fi
    touch "$kept/$1/complete"
}

run_with() {
    local path="$kept/$1:$here${PYTHONPATH:+:$PYTHONPATH}" found
    found="$(in_environment env -u SPARK_HOME PYTHONPATH="$path" python -c 'import pyspark; print(pyspark.__version__)')"
    if [[ "$found" != "$1" ]]; then
        printf 'error: Spark %s was to be tested, and Python finds %s\n' "$1" "$found" >&2
        return 1
    fi
    printf 'Spark %s:\n' "$1" >&2
    in_environment env -u SPARK_HOME PYTHONPATH="$path" python -m pytest -m every_spark tests/spark || {
        printf 'error: Spark %s breaks what is told above\n' "$1" >&2
        return 1
    }
}

failed=()
for version in "$@"; do
    { download "$version" && run_with "$version"; } || failed+=("$version")
done
[[ ${#failed[@]} -eq 0 ]] || { printf 'error: not tested, or broken: Spark %s\n' "${failed[*]}" >&2; exit 1; }
