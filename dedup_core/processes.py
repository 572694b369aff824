"""Fresh processes that do not run the caller's script again, and end early on an interrupt."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
Answer = Callable[[bytes], Result]

_PATIENCE_SECONDS = 120.0
"""How long a process may take to start, and to end."""


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


class ProcessesOrThreads(Executor):
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

    def code_of_last(self) -> int:
        """Wait for the end of the process that was started last, and return its exit code, or the signal below zero."""
        worker = self._workers.pop()
        worker.join(_PATIENCE_SECONDS)
        if worker.exitcode is None:  # it hangs, and speaks to nobody
            worker.kill()
            worker.join()
        return worker.exitcode or 0

    def terminate(self) -> None:
        """End every process that was started."""
        for worker in self._workers:
            if worker.pid is not None:  # else it could not be started
                worker.terminate()


class ProcessDiedError(Exception):
    """A process has ended before it had an answer.

    Attributes:
        code: the signal that killed it, below zero, or its exit code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"the process ended with {code}")
        self.code = code


class Beside(Generic[Result]):
    """A fresh process that answers one question at a time, and the next one in another process where it has died.

    Args:
        opening: makes, in the process, what answers there. It can be pickled, as the answers can.
    """

    def __init__(self, opening: Callable[[], Answer[Result]]) -> None:
        self._opening, self._context = opening, _Context()
        self._pipe: Connection | None = None

    def __enter__(self) -> Beside[Result]:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._context.terminate()

    def ask(self, question: bytes) -> Result:
        """Return the answer.

        Raises:
            ProcessDiedError: if the process ends before it has one.
            OSError: if it ends before it is asked, for what it has said itself.
        """
        pipe = self._pipe or self._started()
        try:
            pipe.send_bytes(question)
            return pipe.recv()
        except (EOFError, OSError):
            self._pipe = None
            raise ProcessDiedError(self._context.code_of_last()) from None

    def _started(self) -> Connection:
        here, there = self._context.Pipe()
        self._context.Process(target=_answer, args=(there, self._opening), daemon=True).start()
        there.close()  # so that its end is seen here
        try:
            if not here.poll(_PATIENCE_SECONDS):
                raise EOFError
            here.recv()
        except (EOFError, OSError):
            raise OSError(f"a process of Python ended with {self._context.code_of_last()} as it started") from None
        self._pipe = here
        return here


def _answer(pipe: Connection, opening: Callable[[], Answer[Any]]) -> None:
    _die_of_interrupts()
    answer = opening()
    pipe.send("ready")
    with suppress(EOFError, OSError):  # nobody asks any more
        while True:
            pipe.send(answer(pipe.recv_bytes()))
