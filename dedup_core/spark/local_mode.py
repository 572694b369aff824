"""Spark on this machine, started by this process: with which Python, Java and settings, where nobody has said so."""

from __future__ import annotations

import argparse
import locale
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from dedup_core.errors import DedupError
from dedup_core.spark.java import java_home

WORKER_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)  # fmt: skip
"""Each Python worker serves one task, and a library that starts a thread a core would starve its neighbours."""

_SETTINGS = "spark-defaults.conf"


def started_with(environment: Mapping[str, str], verbose: bool) -> dict[str, str]:
    """Return what ``dedup`` sets before it starts Spark, as ``spark-submit.sh`` does: what is set stays.

    Our settings of Spark and of its log are for one machine: where the environment names another configuration or
    another master, that holds. The locale C alone is replaced, in which Java could not write many names.
    """
    wanted = _of_text() | ({"DEDUP_LOG_LEVEL": "info"} if verbose else {})
    if not {"SPARK_HOME", "SPARK_CONF_DIR"} & set(environment) and is_local(environment):
        wanted["SPARK_CONF_DIR"] = str(configuration_folder())
    return wanted


def workers_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what is set while the library starts Spark: one thread a worker and, on this machine, this Python, a Java.

    Spark starts ``python3`` from PATH, which need not be the virtual environment that the driver runs in.

    Raises:
        DedupError: if this process has to start Java, and there is none that is new enough.
    """
    wanted = dict.fromkeys(WORKER_THREADS, "1")
    if is_local(environment):
        wanted |= dict.fromkeys(("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"), sys.executable)
    missing = {name: value for name, value in wanted.items() if name not in environment}
    home = java_home(environment) if _starts_java(environment) else None
    return missing if home is None else missing | {"JAVA_HOME": home}


def is_local(environment: Mapping[str, str]) -> bool:
    """Return whether a Spark that this process starts would run on this machine.

    Of a process that spark-submit has started, its submitter knows, and it is said to be none.
    """
    if "PYSPARK_GATEWAY_PORT" in environment or "SPARK_REMOTE" in environment:
        return False
    given = _submitted(environment)
    named = given.remote or given.master or _conf(given.conf).get("spark.master")
    return (named or _master_of_file(given.properties_file, environment)).startswith("local")


def configuration_folder() -> Path:
    """Return the folder of Spark's settings for one machine: in the package, or beside it in a checkout.

    Raises:
        DedupError: if it is in neither.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / _SETTINGS).is_file():
            return folder
    raise DedupError(f"{_SETTINGS} is missing in {package / 'conf'}: install dedup-core again")


def _starts_java(environment: Mapping[str, str]) -> bool:
    folder = _spark_settings(environment)
    has_a_say = folder is not None and (folder / "spark-env.sh").is_file()  # which may name a Java
    return not has_a_say and "PYSPARK_GATEWAY_PORT" not in environment and "SPARK_REMOTE" not in environment


def _submitted(environment: Mapping[str, str]) -> argparse.Namespace:
    """Read what the user tells spark-submit, which PySpark calls."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("--master", "--remote", "--properties-file"):
        parser.add_argument(name)
    parser.add_argument("--conf", "-c", action="append", default=[])
    return parser.parse_known_args(shlex.split(environment.get("PYSPARK_SUBMIT_ARGS", "")))[0]


def _conf(given: list[str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in given if "=" in pair)


def _master_of_file(properties_file: str | None, environment: Mapping[str, str]) -> str:
    """Return the master that a properties file names, or the environment, or Spark's default."""
    folder = _spark_settings(environment)
    path = Path(properties_file) if properties_file else folder and folder / _SETTINGS
    lines = path.read_text(encoding="utf-8").splitlines() if path and path.is_file() else []
    pairs = (line.replace("=", " ", 1).split(None, 1) for line in lines)
    named = dict(pair for pair in pairs if len(pair) == 2)
    return named.get("spark.master") or environment.get("MASTER") or "local[*]"


def _spark_settings(environment: Mapping[str, str]) -> Path | None:
    """Return the folder of the user's own configuration of Spark, if they have one."""
    if "SPARK_CONF_DIR" in environment:
        return Path(environment["SPARK_CONF_DIR"])
    return Path(environment["SPARK_HOME"]) / "conf" if "SPARK_HOME" in environment else None


def _of_text() -> dict[str, str]:
    """Return what makes Java read names of files as this Python does: it goes by the locale, and C is not UTF-8."""
    if os.name == "nt" or sys.getfilesystemencoding() != "utf-8":
        return {}
    return {} if locale.nl_langinfo(locale.CODESET).upper() in ("UTF-8", "UTF8") else {"LC_ALL": "C.UTF-8"}
