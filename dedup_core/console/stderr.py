"""What other programs write to stderr, without the lines that help nobody."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_lines(beginning: bytes) -> Iterator[None]:
    """Keep lines that begin so from what programs that are started meanwhile write to stderr; pass on all else.

    What Python itself writes goes where it went, past all this.
    """
    shown = os.dup(2)
    ours = sys.stderr
    sys.stderr = open(shown, "w", 1, encoding=ours.encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
    read, write = os.pipe()
    os.dup2(write, 2)
    os.close(write)
    copying = threading.Thread(target=_copy, args=(read, shown, beginning), daemon=True)
    copying.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = ours
        os.dup2(shown, 2)  # with which our end of the pipe closes: programs that go on hold theirs
        copying.join(timeout=0.2)


def _copy(read: int, shown: int, beginning: bytes) -> None:
    with open(read, "rb") as lines:
        for line in lines:
            if not line.startswith(beginning):
                os.write(shown, line)
