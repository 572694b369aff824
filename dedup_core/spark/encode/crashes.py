"""What is done where Python workers die: what they did is done again, each image decoded in a process beside.

Where Spark tries a task again, as on clusters, its next attempt does so by itself (`EncodePlan.guards`), and nothing of
this is needed. In local mode the first death ends the job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from dedup_core.spark.encode.tasks import EncodePlan

Made = TypeVar("Made")

_SIGNS = ("Python worker exited unexpectedly", "ExecutorLostFailure")
_SIGNS_OF_PYTHON = ("Connection reset", "Broken pipe", "java.io.EOFException")
"""What Spark says where a worker is gone. The latter are of any connection, and count where it led to a Python."""


def made_despite_crashes(plan: EncodePlan, make: Callable[[EncodePlan], Made]) -> Made:
    """Return what is made by a plan; where workers die over it, made once more by the same plan, guarded.

    Args:
        plan: what workers do.
        make: runs the job, from its beginning.
    """
    try:
        return make(plan)
    except Exception as error:
        if plan.is_guarded or not _tells_of_death(str(error)):
            raise
    return make(replace(plan, is_guarded=True))


def _tells_of_death(said: str) -> bool:
    signs = (*_SIGNS, *(_SIGNS_OF_PYTHON if "PythonRunner" in said else ()))
    return any(sign in said for sign in signs)
