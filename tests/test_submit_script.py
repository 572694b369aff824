"""What spark-submit.sh hands to spark-submit, which a script stands in for here: no Spark starts."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="needs Java: apt-get install openjdk-17-jre")

SHOWING = """#!/bin/sh
printf '%s\\n' "${SPARK_CONF_DIR-none}" "${SPARK_SUBMIT_OPTS-none}" "$@"
"""

MAKING = """#!/bin/sh
printf '%s\\n' "${SPARK_REMOTE-none}"
case "$SPARK_SUBMIT_OPTS" in *-XX:ArchiveClassesAtExit=*) ;; *) exit 0 ;; esac
archive="${SPARK_SUBMIT_OPTS#*-XX:ArchiveClassesAtExit=}"
printf '%s\\n' "${SPARK_REMOTE-none}" >"${archive%%\\"*}"
[ -z "${FAILS-}" ] || { rm "${archive%%\\"*}"; exit 1; }
"""


@pytest.fixture
def venv(tmp_path):
    """A prepared environment with a blank in its name, whose spark-submit prints what it is given."""
    folder = tmp_path / "an environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "spark-submit").write_text(SHOWING)
    (folder / "bin" / "spark-submit").chmod(0o755)
    both = b"".join((ROOT / name).read_bytes() for name in ("setup.cfg", "pyproject.toml"))
    wanted = subprocess.run(["cksum"], input=both, capture_output=True, check=True).stdout.decode().strip()
    (folder / ".prepared-none").write_text(f"{wanted} {ROOT}")
    return folder


def run_script(venv, *arguments, **others):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "DEDUP_"))}
    environment = kept | {"DEDUP_VENV": str(venv), "DEDUP_EXTRAS": "none"} | others
    command = [str(ROOT / "spark-submit.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def handed_on(venv, *arguments, **others):
    """Return the configuration's folder, Java's options and the arguments that spark-submit gets."""
    done = run_script(venv, *arguments, **others)
    assert (done.returncode, done.stderr) == (0, "")
    folder, options, *rest = done.stdout.splitlines()
    return folder, options, rest


def test_without_an_archive_of_classes_the_configuration_is_a_folder(venv):
    assert handed_on(venv, "jobs/x.py", "--a") == (str(ROOT / "conf"), "none", ["jobs/x.py", "--a"])


def test_an_archive_of_classes_is_named_beside_what_the_user_asks_of_java(venv):
    (venv / "spark-classes.jsa").touch()
    folder, options, rest = handed_on(venv, "--conf", "a=b", "jobs/x.py", SPARK_SUBMIT_OPTS="-Dmine=1")
    assert folder == "none"
    assert options.endswith(" -Dmine=1")  # of two options that contradict each other Java takes the last
    assert f'"-XX:SharedArchiveFile={venv}/spark-classes.jsa"' in options
    assert f'"-Dlog4j2.configurationFile={ROOT}/conf/log4j2.properties"' in options
    assert rest == ["--properties-file", f"{ROOT}/conf/spark-defaults.conf", "--conf", "a=b", "jobs/x.py"]


@pytest.mark.parametrize(
    ("options", "others", "folder"),
    [(["--master", "yarn"], {}, "none"), (["--properties-file", "mine"], {}, "none"),
     ([], {"SPARK_CONF_DIR": "/mine"}, "/mine")],
)  # fmt: skip
def test_a_configuration_of_the_users_is_left_to_them(venv, options, others, folder):
    (venv / "spark-classes.jsa").touch()
    assert handed_on(venv, *options, "jobs/x.py", **others) == (folder, "none", [*options, "jobs/x.py"])


@pytest.fixture
def unprepared(venv):
    """An environment that is prepared on first use: all packages are at hand, and a script makes the archive."""
    (venv / ".prepared-none").unlink()
    (venv / "bin" / "python").write_text("#!/bin/sh\n")
    (venv / "bin" / "python").chmod(0o755)
    (venv / "bin" / "spark-submit").write_text(MAKING)
    return venv


def test_an_archive_of_classes_is_made_here_and_said_to_be(unprepared):
    done = run_script(unprepared, "jobs/x.py", SPARK_REMOTE="sc://server")
    assert (done.returncode, done.stdout) == (0, "sc://server\n")
    assert [line.split(" (once")[0] for line in done.stderr.splitlines()] == [
        f"Preparing the environment in {unprepared}", "Making an archive of Spark's classes"
    ]  # fmt: skip
    assert (unprepared / "spark-classes.jsa").read_text() == "none\n"
    assert list(unprepared.glob(".classes-*")) == []


def test_where_no_archive_of_classes_can_be_made_nothing_is_left_of_it(unprepared):
    done = run_script(unprepared, "jobs/x.py", FAILS="yes")
    assert (done.returncode, done.stdout) == (0, "none\n")
    assert not (unprepared / "spark-classes.jsa").exists()
    assert list(unprepared.glob(".classes-*")) == []
