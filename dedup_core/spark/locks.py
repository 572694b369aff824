"""One run at a time in an output folder: a small file says who works there, and others wait or are refused.

The same on every filesystem, as long as a file that is written is listed at once: whoever comes says so first, and
looks then. A run that sees another one that is alive steps back, and of two that came at once the first by its name
waits a moment for the other to do so. A holder on this machine is dead when its process is; one elsewhere, when its
file has not been written anew for two minutes, by the clock of the filesystem.
"""

from __future__ import annotations

import datetime
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pyarrow import ArrowException

from dedup_core.current import Current
from dedup_core.errors import InputError, InUseError, SettingsError
from dedup_core.holder import LOCK, SILENCE_SECONDS, Holder
from dedup_core.spark.settling import settle
from dedup_core.spark.store import Store

BEAT_SECONDS = 15.0
PATIENCE_SECONDS = 60.0
_TIE_SECONDS = 1.0
_TRIES = 10


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
        if store.read_marker() is None:  # a file of such a name is somebody's
            return cls(store, Current())
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
        now = Current() if self.store.read_marker() is None else self.store.read_current()
        if now.shown() != self.current.shown():
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
                raise others[0].shuts_out(self._store.url)
        except BaseException:
            self._store.delete_files([self._name])
            raise
        self._beat.start()

    def check(self) -> None:
        """See that the folder is still ours.

        A process that was held up for long may have been given up. And where a filesystem lists late what others have
        written, as NFS may, two may have come in: the earlier one stays.

        Raises:
            InUseError: if it isn't.
        """
        for patience in (_TIE_SECONDS, None):
            here, others = self._store.leaves(self._name), self._others()
            if here and not (others and _came(others[0]) < _came(self._holder)):
                return
            if patience is not None:  # one that only looks in, or a filesystem that lists late
                time.sleep(patience)
        if others:
            raise others[0].shuts_out(self._store.url)
        raise InUseError(
            f"the output folder {self._store.url} was given up for this run, of which nothing was seen for too long: "
            "run it again, and what is done is used"
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

    def _write(self, tries_left: int = _TRIES) -> None:
        try:
            self._store.write_text(self._name, self._holder.to_json())
        except FileNotFoundError:  # another one has left, and the empty folder with it
            if not tries_left:
                raise
            self._write(tries_left - 1)

    def _others(self) -> list[Holder]:
        """Return who else is at work here, and clear away what the dead have left."""
        ages = self._store.ages(LOCK)
        own = ages.pop(self._name, None)
        alive = []
        for name, age in ages.items():
            # What is hidden is about to be written.
            text = None if "/." in name else self._store.content(name)
            holder = None if text is None else Holder.from_json(text)
            silence = 0.0 if own is None else age - own  # by the clock of the filesystem
            if holder is not None and holder.lives(silence):
                alive.append(holder)
            elif own is not None and (holder is not None or silence > SILENCE_SECONDS):
                self._store.delete_files([name])
        return sorted(alive, key=_came)


def _came(holder: Holder) -> tuple[str, str]:
    """Return what tells in which order runs came."""
    return holder.since, holder.run_id
