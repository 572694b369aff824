"""How many core-hours and shuffle bytes an exact Hamming join takes at any size, from costs measured here.

    python benchmarks/sizing.py [--chunk 4000000] [--cores 200] [--distances 3 6 10]

A chunk against itself and against another one are timed on uniform random codes. The join of N codes is a grid of
k = N / chunk chunks: k tasks of the first kind and k (k - 1) / 2 of the second. The grid is then dealt to the cores
as Spark does, each task to the core that is free first, which gives the wall time; each chunk travels to k tasks at
8 bytes a code.
"""

from __future__ import annotations

import argparse
import heapq
import time
from collections.abc import Callable, Iterator

import numpy as np

from dedup_core.hamming import cross_join_blocks, self_join_blocks
from dedup_core.pairs import Pairs

SIZES = (10_000_000, 100_000_000, 1_000_000_000)


def task_seconds(chunk: int, distance: int) -> tuple[float, float]:
    """Return the seconds of a chunk against itself, and against another one."""
    random = np.random.default_rng(0)
    left, right = (random.integers(0, 2**64, chunk, dtype=np.uint64) for _ in range(2))
    return _timed(lambda: self_join_blocks(left, distance)), _timed(lambda: cross_join_blocks(left, right, distance))


def _timed(join: Callable[[], Iterator[Pairs]]) -> float:
    """Return the processor seconds of the second of two runs: the first one's memory is new to the process."""
    for _ in range(2):
        started = time.process_time()
        for _ in join():
            pass
    return time.process_time() - started


def makespan(alone: float, across: float, chunks: int, cores: int) -> float:
    """Return the seconds until the last of the grid's tasks is done."""
    free = [0.0] * cores
    for first in range(chunks):
        for second in range(first, chunks):
            heapq.heappush(free, heapq.heappop(free) + (alone if first == second else across))
    return max(free)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunk", type=int, default=4_000_000)
    parser.add_argument("--cores", type=int, default=200)
    parser.add_argument("--distances", type=int, nargs="+", default=[3, 6, 10])
    given = parser.parse_args()
    print(f"chunks of {given.chunk:,} codes, {given.cores} cores")
    print("| codes | distance | s a task (alone, across) | tasks | core-hours | hours | shuffle |")
    print("|---|---|---|---|---|---|---|")
    _ = task_seconds(50_000, 10)  # compiles what larger joins run
    for distance in given.distances:
        alone, across = task_seconds(given.chunk, distance)
        for codes in SIZES:
            chunks = -(-codes // given.chunk)
            core_hours = (chunks * alone + chunks * (chunks - 1) / 2 * across) / 3600
            hours = makespan(alone, across, chunks, given.cores) / 3600
            tasks, shuffle = chunks * (chunks + 1) // 2, codes * 8 * chunks / 1e9
            print(
                f"| {codes:,} | {distance} | {alone:.1f}, {across:.1f} | {tasks:,} | {core_hours:,.2f} | {hours:.3f} "
                f"| {shuffle:,.1f} GB |"
            )


if __name__ == "__main__":
    main()
