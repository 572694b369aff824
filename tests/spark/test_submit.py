"""The shell script that a user starts with, run as they run it."""

import json
import os
import subprocess

import pytest
from submitting import IS_PREPARED, ROOT, called, submit, without_locale

pytestmark = pytest.mark.skipif(
    not IS_PREPARED, reason="the environment of spark-submit.sh is not prepared: ./tests/run.sh"
)


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--input", "x", "--output", "y", "--method", "fash"], 2, "error: --method: unknown method 'fash'"),
        (["--input", "/nowhere", "--output", "{tmp}/out"], 3, "error: the input does not exist: /nowhere"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(tmp_path, arguments, code, line):
    done = submit("pipeline", *(part.format(tmp=tmp_path) for part in arguments))
    assert is_one_line(done, code, line)
    assert done.stderr == ""  # spark-submit hands on what Python writes to either stream as its output


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--input", "a", "--output", "b", "--input=c"], "error: --input is given twice (a, c): give it once"),
        (["--config", "{tmp}/deep.yaml"],
         "error: can't read the configuration file {tmp}/deep.yaml: the value is nested too deep, in line 2"),
    ],
)  # fmt: skip
def test_settings_that_are_wrong_need_no_process_to_be_told(spark, tmp_path, arguments, line):
    (tmp_path / "deep.yaml").write_text("output: b\nmethod: " + "[" * 30_000)
    done = called(spark, "pipeline", *(part.format(tmp=tmp_path) for part in arguments))
    assert is_one_line(done, 2, line.format(tmp=tmp_path))


def is_one_line(done, code, line):
    said = [said for said in done.stdout.splitlines() if not said.startswith("Encoding")]
    return (done.returncode, len(said), said[0].startswith(line)) == (code, 1, True)


# Locales: containers have none, and the JVM decodes arguments and file names by them


def encoding_of_the_jvm(environment):
    command = [str(ROOT / "spark-submit.sh"), "--exec", "java", "-XshowSettings:properties", "-version"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    return done.stderr.split("sun.jnu.encoding = ")[1].splitlines()[0]


@pytest.mark.parametrize(
    "locale",
    [{}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LANG": "en_US.ISO-8859-1"}, {"LC_ALL": "xx_YY.UTF-8"},
     {"LANG": "C.UTF-8", "LC_CTYPE": "C"}, {"LC_ALL": "C.UTF-8"}],
    ids=str,
)  # fmt: skip
def test_java_reads_utf8_whatever_the_locale(locale):
    assert encoding_of_the_jvm(without_locale(**locale)) == "UTF-8"


def test_java_reads_utf8_where_the_system_tells_nothing_of_locales(tmp_path):
    (tmp_path / "locale").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "locale").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert encoding_of_the_jvm(without_locale(PATH=path)) == "UTF-8"


def test_a_locale_that_is_right_is_left_alone():
    command = [str(ROOT / "spark-submit.sh"), "--exec", "sh", "-c", "echo $LANG ${LC_ALL-unset}"]
    done = subprocess.run(command, capture_output=True, text=True, env=without_locale(LANG="C.UTF-8"), timeout=60)
    assert done.stdout == "C.UTF-8 unset\n"


def test_without_arguments_it_runs_the_demo(tmp_path):
    done = subprocess.run([str(ROOT / "spark-submit.sh")], capture_output=True, text=True, cwd=tmp_path, timeout=400)
    assert (done.returncode, done.stderr) == (0, "")
    assert "could be removed" in done.stdout
    duplicates = json.loads((tmp_path / "dedup-demo/tables/duplicates.json").read_text())
    assert "copies/exact/astronaut.png" in duplicates["album/astronaut.png"]
    assert not any("camera" in other for other in duplicates["album/astronaut.png"])


def test_python_that_does_not_fit_is_named(tmp_path):
    done = submit("--exec", "true", DEDUP_VENV=str(tmp_path / "venv"), DEDUP_PYTHON="/nowhere/python3")
    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.10, 3.11 or 3.12 is needed and none was found.")
