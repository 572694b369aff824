"""Work spread over threads or processes: results in order, memory bounded, and an early end on an interrupt."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any, TypeVar

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
    pool = _ProcessesOrThreads(n_workers)
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


def _die_of_interrupts() -> None:
    """End at once and in silence on Ctrl-C, which reaches all processes: the main one says what there is to say."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back, also in a process that is started meanwhile, until it says that it can take it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker(SpawnProcess):
    """A fresh process that does not run the caller's script again.

    A spawned process imports the main module, for functions defined there; ours come from this package. Without
    the import a script needs no ``if __name__ == "__main__"`` around its calls, and a notebook no file.
    """

    _starting = threading.Lock()

    def start(self) -> None:
        """Start the process while an empty module stands in for the main one."""
        with self._starting, _interrupts_held():
            main = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                super().start()
            finally:
                sys.modules["__main__"] = main


class _ProcessesOrThreads(Executor):
    """Fresh processes; threads of this one from when on none can be started."""

    def __init__(self, n_workers: int) -> None:
        self._n_workers, self._context = n_workers, _Context()
        self._processes: Executor | None = None
        self._threads: Executor | None = None
        with suppress(*_CAN_NOT_START):
            self._processes = ProcessPoolExecutor(n_workers, self._context, initializer=_die_of_interrupts)

    def submit(self, function: Callable[..., Result], /, *given: Any, **named: Any) -> Future[Result]:
        """Have the function called, by a process if one can be had."""
        if self._processes is not None and self._threads is None:
            with suppress(*_CAN_NOT_START):
                return self._processes.submit(function, *given, **named)
        self._threads = self._threads or ThreadPoolExecutor(self._n_workers)
        return self._threads.submit(function, *given, **named)

    def terminate(self) -> None:
        """End what is under way in processes, and begin nothing more in threads."""
        self._context.terminate()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what is under way."""
        for pool in (self._processes, self._threads):
            if pool is not None:
                pool.shutdown(wait, cancel_futures=cancel_futures)


_CAN_NOT_START = (OSError, ImportError, NotImplementedError, AssertionError)
"""What says that processes can't be started. A daemonic process that may have no children says so by an assertion."""


class _Context(SpawnContext):
    """Starts such processes, and can end them all."""

    def __init__(self) -> None:
        super().__init__()
        self._workers: list[_Worker] = []

    def Process(self, *given: Any, **named: Any) -> _Worker:  # type: ignore[override]  # noqa: N802 - as in the base
        worker = _Worker(*given, **named)
        self._workers.append(worker)
        return worker

    def terminate(self) -> None:
        """End every process that was started."""
        for worker in self._workers:
            if worker.pid is not None:  # else it could not be started
                worker.terminate()
