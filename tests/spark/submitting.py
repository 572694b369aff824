"""Jobs run as a user runs them: through spark-submit.sh, in a process of their own."""

import io
import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from dedup_core.console.registry import run_script

ROOT = Path(__file__).parents[2]
EXTRAS = os.environ.get("DEDUP_EXTRAS", "spark,report,demo")
VENV = Path(os.environ.get("DEDUP_VENV", ROOT / ".venv"))
IS_PREPARED = (VENV / f".prepared-{EXTRAS}").exists()


QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Short runs never earn back the better compiler, nor a collector with threads of its own: without these they take half
as long again, and twice the work."""


def without_locale(**locale):
    """Return the environment of a container, which says nothing of languages, and what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    return kept | locale


def submit(*arguments, options=(), **environment):
    """Run a job by its name, with spark-submit's own options before it, and return the finished process."""
    job, *rest = map(str, arguments)
    place = (
        [job]
        if job.startswith("--")
        else ["--driver-java-options", QUICK_JAVA, *options, str(ROOT / "jobs" / f"{job}.py")]
    )
    command = [str(ROOT / "spark-submit.sh"), *place, *rest]
    return subprocess.run(command, capture_output=True, text=True, env=without_locale(**environment), timeout=600)


def called(spark, job, *arguments):
    """Run a job by its name as its script does, but in the session at hand, and return how it ended.

    What it says on either stream is its output, as it is for who submits it.
    """
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(said), pytest.raises(SystemExit) as left:
        run_script(job, list(map(str, arguments)))
    return subprocess.CompletedProcess(arguments, left.value.code, said.getvalue(), "")


def error_of(done):
    """Return the one line that a failed job ends with."""
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert (len(errors), done.stderr) == (1, ""), done.stdout + done.stderr
    assert "Traceback" not in done.stdout
    return errors[0]
