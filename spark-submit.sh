#!/usr/bin/env bash
# Prepares the environment once, then is spark-submit: the same grammar, with defaults for a single machine.
#
#   ./spark-submit.sh                                              the demo
#   ./spark-submit.sh [spark-submit options] jobs/NAME.py [job options]
#   ./spark-submit.sh --exec COMMAND [ARGUMENT ...]                any command in the prepared environment
#   ./spark-submit.sh --pack FILE.tar.gz                           the environment as an archive for a cluster
#
# DEDUP_VENV    where the virtual environment lies (default: .venv beside this file)
# DEDUP_EXTRAS  which extras to install (default: spark,report,demo)
# DEDUP_PYTHON  which Python to build it from (3.10 to 3.12; default: the newest found)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${DEDUP_VENV:-$here/.venv}"
extras="${DEDUP_EXTRAS:-spark,report,demo}"

fail() { printf 'error: %s\n' "$1" >&2; exit "${2:-1}"; }

# Java decodes its arguments and the names of files by the locale. Most containers have none, and C is not UTF-8.
use_utf8() {
    local known candidate
    if [[ "$(locale charmap 2>/dev/null)" == UTF-8 ]]; then return; fi
    known="$(locale -a 2>/dev/null)" || true
    for candidate in C.UTF-8 C.utf8 en_US.UTF-8 en_US.utf8 $(grep -iE '\.utf-?8$' <<<"$known"); do
        if grep -qxF "$candidate" <<<"$known"; then export LC_ALL="$candidate"; return; fi
    done
    export LC_ALL=C.UTF-8
}

python_version_fits() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${DEDUP_PYTHON:-python3.12 python3.11 python3.10 python3}; do
        if python_version_fits "$candidate"; then command -v "$candidate"; return; fi
    done
    fail "Python 3.10, 3.11 or 3.12 is needed and none was found. Debian and Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.12; or name one by DEDUP_PYTHON=/path/to/python3"
}

prepare_python() {
    local stamp="$venv/.prepared-$extras" wanted
    wanted="$(cat "$here/setup.cfg" "$here/pyproject.toml" | cksum) $here"
    if [[ -f "$stamp" && "$(cat "$stamp")" == "$wanted" ]]; then return; fi
    local python log; python="$(find_python)"; log="$(mktemp)"
    printf 'Preparing the environment in %s (once; a few minutes) ...\n' "$venv" >&2
    [[ -x "$venv/bin/python" ]] || "$python" -m venv "$venv" >"$log" 2>&1 \
        || { cat "$log" >&2; rm -rf "$venv"; fail "can't make a virtual environment with $python. Debian and Ubuntu: apt-get install python3-venv"; }
    "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --editable "$here[$extras]" >"$log" 2>&1 \
        || { tail -n 20 "$log" >&2; fail "the packages could not be installed: see above. Run the same command again once that is mended"; }
    rm -f "$log"
    printf '%s' "$wanted" >"$stamp"
    is_new=yes
}

java_fits() {
    local version
    version="$("$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)"
    [[ -n "$version" && "$version" -ge 17 ]]
}

prepare_java() {
    local candidate
    for candidate in "${JAVA_HOME:-/nonexistent}" /usr/lib/jvm/*17* /usr/lib/jvm/*21* /usr/lib/jvm/default-java \
        /opt/homebrew/opt/openjdk@17 /usr/local/opt/openjdk@17; do
        if [[ -x "$candidate/bin/java" ]] && java_fits "$candidate/bin/java"; then export JAVA_HOME="$candidate"; return; fi
    done
    if command -v java >/dev/null && java_fits java; then unset JAVA_HOME; return; fi
    if [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null; then
        printf 'Installing Java 17 ...\n' >&2
        if { apt-get update && apt-get install --yes --no-install-recommends openjdk-17-jre-headless; } >/dev/null 2>&1 \
            && java_fits java; then unset JAVA_HOME; return; fi
    fi
    fail "Spark needs Java 17 or newer, and none was found. Debian and Ubuntu: sudo apt-get install openjdk-17-jre-headless; Fedora: sudo dnf install java-17-openjdk-headless; macOS: brew install openjdk@17. If it is installed elsewhere, set JAVA_HOME"
}

# Java loads some 15,000 classes to run Spark. A small run, made once, leaves an archive of them, from which they come in
# a fraction of the time. Without it all works as well: where it does not fit, Java passes over it in silence.
prepare_classes() (
    rm -f "$classes"
    [[ -z "${SPARK_HOME:-}${SPARK_CONF_DIR:-}" ]] || exit 0
    folder="$(mktemp -d "$venv/.classes-XXXXXX")" || exit 0
    trap 'rm -rf "$folder"' EXIT
    printf '%s\n' "Making an archive of Spark's classes (once; half a minute) ..." >&2
    mkdir "$folder/images"
    "$venv/bin/python" - "$folder/images" 2>/dev/null <<'END' || true
import sys
from PIL import Image
for number in range(8):
    Image.effect_noise((200, 200), 50 + number // 2).save(f"{sys.argv[1]}/{number}.png")
END
    java_options "-XX:ArchiveClassesAtExit=$folder/classes"
    env -u SPARK_REMOTE "$venv/bin/spark-submit" --properties-file "$here/conf/spark-defaults.conf" \
        "$here/jobs/pipeline.py" --input "$folder/images" --output "$folder/tables" --method phash \
        >/dev/null 2>&1 </dev/null || true
    [[ ! -f "$folder/classes" ]] || mv "$folder/classes" "$classes"
)

# Compiled once, and loaded by whatever makes many pictures small; without it the first long runs do it.
prepare_kernels() (
    cd "$here"
    "$venv/bin/python" -c 'from dedup_core.images.resizing import native; native.entries()' >/dev/null 2>&1 </dev/null
)

# An archive of classes bears no folder on the class path, such as that of the configuration: so Java is told of its parts.
java_options() {
    export SPARK_SUBMIT_OPTS="-Xlog:disable \"-Dlog4j2.configurationFile=$here/conf/log4j2.properties\" \"$1\" $given_options"
}

# The defaults in conf/ are for one machine; a cluster's submitter has their own.
runs_locally() {
    [[ -z "${SPARK_HOME:-}" ]] || return 1
    local previous="" argument
    for argument in "$@"; do
        case "$previous $argument" in
            "--master local"* | *" --master=local"*) return 0 ;;
            "--master "* | *" --master="* | *" --remote"* | *" --properties-file"* | *spark.master=*) return 1 ;;
        esac
        [[ "$argument" == *.py ]] && break
        previous="$argument"
    done
    return 0
}

is_verbose() { local argument; for argument in "$@"; do [[ "$argument" == --verbose ]] && return 0; done; return 1; }

classes="$venv/spark-classes.jsa" given_options="${SPARK_SUBMIT_OPTS:-}" is_new=""
use_utf8
prepare_python
if [[ "${1:-}" == --pack ]]; then
    [[ -n "${2:-}" ]] || fail "--pack needs the name of the archive to write, such as dedup-env.tar.gz" 2
    packed="$(mktemp -d)"; trap 'rm -rf "$packed"' EXIT
    printf 'Packing the environment into %s (a few minutes) ...\n' "$2" >&2
    "$(find_python)" -m venv "$packed/environment"
    "$packed/environment/bin/python" -m pip install --disable-pip-version-check --quiet "$here[$extras]" venv-pack
    "$packed/environment/bin/venv-pack" --quiet --prefix "$packed/environment" --output "$2"
    exit
fi
prepare_java

export PATH="$venv/bin:$PATH" PYSPARK_PYTHON="${PYSPARK_PYTHON:-$venv/bin/python}"
for variable in OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS NUMBA_NUM_THREADS TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS; do
    export "$variable=${!variable:-1}"
done
if [[ -n "$is_new" ]]; then
    prepare_kernels & prepare_classes || true
    wait
fi
if [[ "${1:-}" == --exec ]]; then shift; exec "$@"; fi

[[ $# -gt 0 ]] || set -- "$here/jobs/demo.py"
if [[ -z "${SPARK_CONF_DIR:-}" ]] && runs_locally "$@"; then
    if [[ -f "$classes" ]]; then
        java_options "-XX:SharedArchiveFile=$classes"
        set -- --properties-file "$here/conf/spark-defaults.conf" "$@"
    else
        export SPARK_CONF_DIR="$here/conf"
    fi
fi
submit="${SPARK_HOME:+$SPARK_HOME/bin/spark-submit}"
submit="${submit:-$venv/bin/spark-submit}"
if is_verbose "$@"; then export DEDUP_LOG_LEVEL=info; exec "$submit" "$@"; fi
exec "$submit" "$@" 2> >(grep --line-buffered -v '^WARNING: Using incubator modules' >&2)
