"""Work spread over threads or processes: results in order, memory bounded, and an early end on an interrupt."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def n_cores() -> int:
    """Return how many cores this process may use, which in a container are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_threads(function: Callable[[Item], Result], items: Iterable[Item], n_threads: int) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in order, computed by so many threads of this process.

    Threads start at once, and share the cores as far as the function leaves Python: for work too short to pay for
    the start of processes.
    """
    pool = ThreadPoolExecutor(n_threads)
    try:
        yield from _in_order(pool, function, items, 2 * n_threads)
    finally:
        pool.shutdown(cancel_futures=True)


def map_in_processes(function: Callable[[Item], Result], items: Iterable[Item], n_workers: int) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in order, computed by so many fresh processes.

    Where no process may be started, so many threads do the work: in a daemonic process of ``multiprocessing``, or
    on a system without semaphores or shared memory, or with no process left.

    Args:
        function: something that can be pickled.
        items: what it is called with, one at a time.
        n_workers: 1 or more.

    Raises:
        BrokenProcessPool: if a process dies.
    """
    from dedup_core.processes import ProcessesOrThreads  # loads what threads need not wait for

    pool = ProcessesOrThreads(n_workers)
    try:
        yield from _in_order(pool, function, items, 2 * n_workers)
    except BaseException:  # an interrupt must not wait for what is under way
        pool.terminate()
        raise
    finally:
        pool.shutdown()


def _in_order(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], n_ahead: int
) -> Iterator[Result]:
    """Yield results in order, with so many items ahead: neither they nor the results pile up."""
    ahead: deque[Future[Result]] = deque()
    for item in items:
        ahead.append(pool.submit(function, item))
        if len(ahead) > n_ahead:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()
