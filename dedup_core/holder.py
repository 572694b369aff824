"""Who works in an output folder: what the file of a lock says, and whether that process is still alive."""

from __future__ import annotations

import datetime
import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dedup_core.errors import InUseError
from dedup_core.ledger import STAGING

LOCK = f"{STAGING}/lock"
"""Where the locks of an output folder lie, a file each."""

SILENCE_SECONDS = 120.0
"""How long a process on another machine may give no sign of life."""


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
        return cls(run_id, socket.gethostname(), _machine(), pid, _started(pid) or "", f"{now:%Y-%m-%d %H:%M:%S} UTC")

    def to_json(self) -> str:
        """Return the text of the lock's file."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Holder | None:
        """Return who wrote a lock; None of half of one."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            return None

    def shuts_out(self, folder: str) -> InUseError:
        """Return what to say to who comes to the folder meanwhile."""
        return InUseError(
            f"the output folder {folder} is in use: run {self.run_id} has worked there since {self.since}, process "
            f"{self.pid} on {self.host}. Wait until it has ended, or choose another folder"
        )

    def lives(self, silence: float) -> bool:
        """Return whether the run may still be at work, after so many seconds without a sign of it."""
        if self.machine != _machine() or os.name == "nt":  # where to ask for a process is to interrupt it
            return silence < SILENCE_SECONDS
        if not _is_alive(self.pid):
            return False
        started = _started(self.pid)
        if started is None or not self.started:  # another process may have got the number
            return silence < SILENCE_SECONDS
        return started == self.started


def _machine() -> str:
    """Return what tells this machine, and on Linux what processes it shows, from others: containers share a kernel."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return " ".join(parts)


def _started(pid: int) -> str | None:
    """Return when a process started, in ticks of the kernel; nothing if it has ended; None where that can't be told."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "" if told[0] == "Z" else told[19]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
