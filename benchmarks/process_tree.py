"""Run a command, and measure how long it takes, and what its processes take of memory and cores. On Linux alone."""

from __future__ import annotations

import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

_WORKER = b"pyspark.daemon"
_PROC = Path("/proc")
_PARENT, _TIMES = 1, slice(11, 13)  # fields of stat, after the name
_ALL_TIMES = slice(11, 15)  # those of ended children too


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
    """What a command took.

    Attributes:
        seconds: from start to end.
        core_seconds: of all processes, but for what each did after the last look at it; a busy machine hardly changes
            them.
        peak: of each kind of memory, at any time.
    """

    seconds: float
    core_seconds: float
    peak: Memory


def measured(command: Sequence[str], log: Path, every: float = 1.0) -> Measured:
    """Run a command, looking at its processes every so many seconds.

    Args:
        command: what to run.
        log: where its output goes.
        every: seconds between two looks; a look at a JVM of 3 GiB takes some 50 ms of a core.

    Raises:
        SystemExit: with the end of its output, if it fails.
    """
    started, peak = time.perf_counter(), Memory()
    core_seconds: dict[int, float] = {}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            tree = _tree(process.pid)
            core_seconds |= tree
            peak = peak.peak(_memory_of(tree))
            with suppress(subprocess.TimeoutExpired):
                process.wait(every)
    seconds = time.perf_counter() - started
    if process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
        raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}:\n{said}")
    return Measured(seconds, sum(core_seconds.values()), peak)


def core_seconds(process: int) -> float:
    """Return the seconds of a core that a process and all that it started, ended ones too, have had so far."""
    return sum(_tree(process, _ALL_TIMES).values())


def _memory_of(processes: Iterable[int]) -> Memory:
    held = {True: 0, False: 0}
    for number in processes:
        with suppress(OSError):  # it has ended meanwhile
            is_worker = _WORKER in (_PROC / str(number) / "cmdline").read_bytes()
            held[is_worker] += _pss(number)
    return Memory(held[False], held[True], held[False] + held[True])


def _tree(root: int, times: slice = _TIMES) -> dict[int, float]:
    """Return the numbers of a process and all that it started, each with the seconds that it has had of a core."""
    children, seconds = defaultdict(list), {}
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            # The name stands in brackets and may hold anything.
            after = (folder / "stat").read_text().rpartition(")")[2].split()
            children[int(after[_PARENT])].append(int(folder.name))
            seconds[int(folder.name)] = sum(map(int, after[times])) / os.sysconf("SC_CLK_TCK")
    found = [root]
    for number in found:
        found += children[number]
    return {number: seconds[number] for number in found if number in seconds}


def _pss(number: int) -> int:
    for line in (_PROC / str(number) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
