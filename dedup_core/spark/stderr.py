"""What other programs write to stderr, without the lines that help nobody."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def without_lines(beginning: bytes) -> Iterator[None]:
    """Keep lines that begin so from what programs that are started meanwhile write to stderr; pass on all else.

    What Python itself writes goes where it went, past all this. A program that goes on is listened to as long as this
    process runs.
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
        copying.join(timeout=0.1)  # of what has ended, this is all


def _copy(read: int, shown: int, beginning: bytes) -> None:
    with open(read, "rb", 0) as written:
        chunks = iter(lambda: written.read(1 << 16), b"")
        for part in wanted_parts(chunks, beginning):
            with suppress(OSError):  # who writes must not stumble over a terminal that is gone
                _write(shown, part)


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def wanted_parts(chunks: Iterable[bytes], beginning: bytes) -> Iterator[bytes]:
    """Yield what is written but for lines that begin so; at once, as soon as a line can't be one of these."""
    line, is_told = b"", False  # what is held of a line, and whether it is known to be wanted
    for chunk in chunks:
        for part in chunk.splitlines(keepends=True):
            line = b"" if is_told else line + part
            if is_told or not (line.startswith(beginning) or beginning.startswith(line)):
                yield part if is_told else line
                line, is_told = b"", True
            if part.endswith((b"\n", b"\r")):
                line, is_told = b"", False
    if line and not line.startswith(beginning):
        yield line
