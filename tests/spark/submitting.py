"""Jobs run as a user runs them: through spark-submit.sh, in a process of their own.

Each takes many seconds and leaves half of a small machine idle, as the suite's own session does. So what a test marks
with ``beside`` is run while other tests are, from the moment that the tests are collected; the test waits for it.
"""

import os
import subprocess
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTRAS = os.environ.get("DEDUP_EXTRAS", "spark,report,demo")
VENV = Path(os.environ.get("DEDUP_VENV", ROOT / ".venv"))
IS_PREPARED = (VENV / f".prepared-{EXTRAS}").exists()


class Beside:
    """Runs one after the other, in the order of the tests that wait for them."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="beside-")
        self._one_at_a_time = ThreadPoolExecutor(1)
        self._runs: dict[str, Future] = {}

    def start(self, test, run, parameters):
        """Plan a run for a test, by its id.

        ``run(folder, **parameters)`` is a generator. Up to its ``yield`` it prepares what it needs, in a fresh folder
        and right now, before a test may have patched anything; what follows goes on beside the tests.
        """
        folder = Path(self._folder.name, str(len(self._runs)))
        folder.mkdir()
        begun = run(folder, **parameters)
        next(begun)
        self._runs[test] = self._one_at_a_time.submit(_rest_of, begun)

    def result(self, test):
        """Wait for a test's run, and return what it returned, or raise what it raised."""
        return self._runs[test].result()

    def close(self):
        """Forget what has not begun."""
        self._one_at_a_time.shutdown(wait=True, cancel_futures=True)
        self._folder.cleanup()


def _rest_of(begun):
    try:
        next(begun)
    except StopIteration as done:
        return done.value
    raise RuntimeError("a run yields once")


def without_locale(**locale):
    """Return the environment of a container, which says nothing of languages, and what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    return kept | locale


def submit(*arguments, options=(), cwd=None, **environment):
    """Run a job by its name, with spark-submit's own options before it, and return the finished process."""
    place = []
    if arguments:
        job, *rest = map(str, arguments)
        place = [job if job.startswith("--") else str(ROOT / "jobs" / f"{job}.py"), *rest]
    command = [str(ROOT / "spark-submit.sh"), *options, *place]
    environment = without_locale(**environment)
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, cwd=cwd)


def error_of(done):
    """Return the one line that a failed job ends with."""
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert (len(errors), done.stderr) == (1, ""), done.stdout + done.stderr
    assert "Traceback" not in done.stdout
    return errors[0]
