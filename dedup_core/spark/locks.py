"""One run at a time in an output folder: a small file says who works there, and others wait or are refused.

The same on every filesystem, as long as a file that is written is listed at once: whoever comes says so first, and
looks then. A run that sees another one that is alive steps back, and of two that came at once the first by its name
waits a moment for the other to do so. A holder on this machine is dead when its process is; one elsewhere, when its
file has not been written anew for two minutes, by the clock of the filesystem.
"""

from __future__ import annotations

import datetime
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyarrow import ArrowException

from dedup_core.current import Current
from dedup_core.errors import DedupError, InputError, SettingsError
from dedup_core.ledger import STAGING
from dedup_core.spark.settling import settle
from dedup_core.spark.store import Store

LOCK = f"{STAGING}/lock"
BEAT_SECONDS = 15.0
SILENCE_SECONDS = 120.0
PATIENCE_SECONDS = 60.0
_TIE_SECONDS = 1.0


class InUseError(DedupError):
    """Another run works in the output folder."""


@dataclass(frozen=True)
class Holder:
    """Who works in a folder.

    Attributes:
        run_id: of the run.
        host: the machine's name, for people.
        machine: what tells it, and the processes that it sees, from others.
        pid: of the process.
        started: when that process started, by the system's own count; empty where it can't be told.
        since: when the run came, UTC.
    """

    run_id: str
    host: str
    machine: str
    pid: int
    started: str
    since: str

    @classmethod
    def me(cls, run_id: str) -> Holder:
        """Return what to say of a run in this process."""
        now = datetime.datetime.now(datetime.timezone.utc)
        pid = os.getpid()
        return cls(run_id, socket.gethostname(), _machine(), pid, _started(pid), f"{now:%Y-%m-%d %H:%M:%S} UTC")

    def lives(self, silence: float) -> bool:
        """Return whether the run may still be at work, after so many seconds without a sign of it."""
        if self.machine != _machine() or os.name == "nt":  # where to ask for a process is to interrupt it
            return silence < SILENCE_SECONDS
        return _is_alive(self.pid) and _started(self.pid) == self.started


def new_run_id() -> str:
    """Return a run's name: when it starts, and a few random characters."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@contextmanager
def held(store: Store, run_id: str) -> Iterator[Lock]:
    """Hold an output folder for a while.

    Raises:
        InUseError: if another run does. It says who, and since when.
        SettingsError: if the folder can't be written.
    """
    lock = Lock(store, Holder.me(run_id))
    lock.take()
    try:
        yield lock
    finally:
        lock.leave()


@contextmanager
def settled(store: Store) -> Iterator[None]:
    """Hold an output folder for a while, with all in its place; nothing where no run has ever worked.

    Raises:
        InUseError: if a run works there.
    """
    if store.read_marker() is None:
        yield
        return
    with held(store, new_run_id()):
        settle(store)
        yield


@dataclass(frozen=True)
class Snapshot:
    """What an output folder that is only read held when it was opened.

    Attributes:
        store: the folder.
        current: what it held.
    """

    store: Store
    current: Current

    @classmethod
    def of(cls, store: Store) -> Snapshot:
        """Look at a folder as soon as all in it is in its place.

        Raises:
            InputError: if a publication there was cut short, and can't be ended.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        while (current := store.read_current()).pending is not None:
            try:
                with settled(store):
                    continue
            except InUseError:  # it publishes at this moment
                if time.monotonic() > until:
                    raise
                time.sleep(_TIE_SECONDS)
            except SettingsError as error:
                raise InputError(
                    f"{store.url} holds tables of two runs, since one was cut short while it published: let a job run "
                    f"there that may write, or give this one the right to ({error})"
                ) from error
        return cls(store, current)

    def check(self) -> None:
        """See that the folder still holds what it did: a reader must not mix the tables of two runs.

        Raises:
            InputError: if another run has published there.
        """
        now = self.store.read_current()
        if now != self.current:
            raise InputError(
                f"run {now.run_id} has published in {self.store.url} while its tables were read here: start again, and "
                "all is of one run"
            )


class Lock:
    """The lock of an output folder, kept fresh by a thread while it is held.

    Args:
        store: the output folder.
        holder: who is to hold it.
    """

    def __init__(self, store: Store, holder: Holder) -> None:
        """Take note; nothing is written yet."""
        self._store, self._holder = store, holder
        self._name = f"{LOCK}/{holder.run_id}.json"
        self._left = threading.Event()
        self._beat = threading.Thread(target=self._keep_fresh, daemon=True)

    def take(self) -> None:
        """Take the folder.

        Raises:
            InUseError: if somebody holds it.
            SettingsError: if nothing can be written there.
        """
        try:
            self._write()
        except (OSError, ArrowException) as error:
            raise SettingsError(f"can't write to the output folder {self._store.url}: {error}") from error
        try:
            others = self._others()
            if others and self._holder.run_id < min(other.run_id for other in others):
                time.sleep(_TIE_SECONDS)  # one that came at the same moment steps back
                others = self._others()
            if others:
                raise self._in_use(others[0])
        except BaseException:
            self._store.delete_files([self._name])
            raise
        self._beat.start()

    def check(self) -> None:
        """See that the folder is still ours: a process that was held up for long may have been given up.

        Raises:
            InUseError: if it isn't.
        """
        if not self._store.leaves(self._name):
            others = self._others()
            raise (
                self._in_use(others[0])
                if others
                else InUseError(
                    f"the output folder {self._store.url} was given up for this run, of which nothing was seen for too "
                    "long: run it again, and what is done is used"
                )
            )

    def leave(self) -> None:
        """Let others in."""
        self._left.set()
        if self._beat.ident is not None:
            self._beat.join()
        with suppress(OSError, ArrowException):  # a lock that can't be deleted is dead with this process
            self._store.delete_files([self._name])

    def _keep_fresh(self) -> None:
        while not self._left.wait(BEAT_SECONDS):
            with suppress(OSError, ArrowException):  # a filesystem that is away for a moment
                if self._store.leaves(self._name):
                    self._write()

    def _write(self) -> None:
        self._store.write_text(self._name, json.dumps(asdict(self._holder)) + "\n")

    def _others(self) -> list[Holder]:
        """Return who else is at work here, and clear away what the dead have left."""
        ages = self._store.ages(LOCK)
        own = ages.pop(self._name, 0.0)
        alive = []
        for name, age in ages.items():
            holder = None if "/." in name else _read(self._store, name)  # else one is about to be written
            if holder is not None and holder.lives(age - own):
                alive.append(holder)
            elif holder is not None or age - own > SILENCE_SECONDS:
                self._store.delete_files([name])
        return sorted(alive, key=lambda other: other.since)

    def _in_use(self, other: Holder) -> InUseError:
        return InUseError(
            f"the output folder {self._store.url} is in use: run {other.run_id} has worked there since {other.since}, "
            f"process {other.pid} on {other.host}. Wait until it has ended, or choose another folder"
        )


def _read(store: Store, name: str) -> Holder | None:
    """Return who wrote a lock; None if it is gone or half written."""
    try:
        content: dict[str, Any] = store.read_json(name)
        return Holder(**content)
    except (InputError, TypeError):
        return None


def _machine() -> str:
    """Return what tells this machine, and on Linux what processes it shows, from others: containers share a kernel."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return " ".join(parts)


def _started(pid: int) -> str:
    """Return when a process started, in ticks of the kernel; nothing where that can't be told, or it has ended."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if told[0] == "Z" else told[19]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
