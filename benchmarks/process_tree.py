"""Run a command, and measure how long it takes and how much memory its processes hold. On Linux alone."""

from __future__ import annotations

import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

_WORKER = b"pyspark.daemon"
_PROC = Path("/proc")


@dataclass(frozen=True)
class Memory:
    """Bytes that processes hold, by PSS: a page that several share counts once.

    Attributes:
        driver: the JVM and the driver's Python. In local mode this JVM is the executor too.
        workers: all Python workers together.
        whole: all of them.
    """

    driver: int = 0
    workers: int = 0
    whole: int = 0

    def peak(self, other: Memory) -> Memory:
        """Return the larger one of each."""
        return Memory(*(max(getattr(self, each.name), getattr(other, each.name)) for each in fields(Memory)))


@dataclass(frozen=True)
class Measured:
    """What a command took: seconds, the peak of each kind of memory, and when it started, in seconds since 1970."""

    seconds: float
    peak: Memory
    started: float


def measured(command: Sequence[str], log: Path, every: float = 1.0) -> Measured:
    """Run a command, looking at its processes every so many seconds.

    Args:
        command: what to run.
        log: where its output goes.
        every: seconds between two looks; a look at a JVM of 3 GiB takes some 50 ms of a core.

    Raises:
        SystemExit: with the end of its output, if it fails.
    """
    started, clock, peak = time.time(), time.perf_counter(), Memory()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = peak.peak(_memory_of(process.pid))
            with suppress(subprocess.TimeoutExpired):
                process.wait(every)
    seconds = time.perf_counter() - clock
    if process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
        raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}:\n{said}")
    return Measured(seconds, peak, started)


def _memory_of(root: int) -> Memory:
    held = {True: 0, False: 0}
    for number in _tree(root):
        with suppress(OSError):  # it has ended meanwhile
            is_worker = _WORKER in (_PROC / str(number) / "cmdline").read_bytes()
            held[is_worker] += _pss(number)
    return Memory(held[False], held[True], held[False] + held[True])


def _tree(root: int) -> list[int]:
    children = defaultdict(list)
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            # The name stands in brackets and may hold anything; the parent is the second field after it.
            children[int((folder / "stat").read_text().rpartition(")")[2].split()[1])].append(int(folder.name))
    found = [root]
    for number in found:
        found += children[number]
    return found


def _pss(number: int) -> int:
    for line in (_PROC / str(number) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
