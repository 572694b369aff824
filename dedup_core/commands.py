"""What a job is called on the command line: ``dedup find`` where it is installed, its script in a checkout."""

from __future__ import annotations

import sys
from pathlib import Path

_SHORT = {"find_duplicates": "find"}


def command_of(job: str) -> str:
    """Return the command that runs a job: its name, with dashes, or a shorter one."""
    return _SHORT.get(job, job.replace("_", "-"))


def job_named(job: str) -> str:
    """Return what a message calls a job: ``dedup find`` in a run by ``dedup``, else ``jobs/find_duplicates.py``."""
    return f"dedup {command_of(job)}" if _is_command(Path(sys.argv[0])) else f"jobs/{job}.py"


def to_run(job: str) -> str:
    """Return what to type to run a job, without its options."""
    return job_named(job) if _is_command(Path(sys.argv[0])) else f"./spark-submit.sh {job_named(job)}"


def _is_command(program: Path) -> bool:
    return program.stem == "dedup" or program.parts[-2:] == ("dedup_core", "__main__.py")
