"""The shell script that a user starts with, run as they run it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = os.environ.get("DEDUP_EXTRAS", "spark,report,demo")
VENV = Path(os.environ.get("DEDUP_VENV", ROOT / ".venv"))

pytestmark = pytest.mark.skipif(
    not (VENV / f".prepared-{EXTRAS}").exists(),
    reason="the environment of spark-submit.sh is not prepared: ./tests/run.sh",
)


def submit(*arguments, **environment):
    command = [str(ROOT / "spark-submit.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=300)


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--input", "x", "--output", "y", "--method", "fash"], 2, "error: --method: unknown method 'fash'"),
        (["--input", "/nowhere", "--output", "{tmp}/out"], 3, "error: the input does not exist: /nowhere"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(tmp_path, arguments, code, line):
    done = submit(str(ROOT / "jobs/pipeline.py"), *(part.format(tmp=tmp_path) for part in arguments))
    assert done.returncode == code
    said = [said for said in done.stdout.splitlines() if not said.startswith("Encoding")]
    assert said[0].startswith(line)  # spark-submit hands on what Python writes to either stream as its output
    assert (len(said), done.stderr) == (1, "")


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
