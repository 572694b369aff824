"""Compile kernels with numba, and keep the machine code between runs where that is possible."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def compiled(kernel: Callable[..., Any]) -> Any:
    """Compile ``kernel`` for one thread, without the GIL, cached on disk where a cache can be written.

    Python workers on a cluster often run from a read-only folder with no home: numba then has nowhere to
    put its cache and refuses to compile at all, so the kernel is compiled anew in that process instead.
    """
    # numba knows a cached kernel by its name and by its own file. What it calls may stand in other files: were
    # one of those changed by an update, the old machine code would go on running.
    kernel.__qualname__ += f"_{_version_of_kernels()}"
    try:
        return numba.njit(kernel, nogil=True, cache=True)
    except RuntimeError:  # numba: "no locator available": neither the package nor a user cache is writable
        return numba.njit(kernel, nogil=True)


@functools.cache
def _version_of_kernels() -> str:
    """Return a short hash of all files that hold compiled code; they are few, and none where the package is zipped."""
    sources = (path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    marks = b"@compiled", b"import numba", b"from numba"
    of_kernels = [source for source in sources if any(mark in source for mark in marks)]
    return hashlib.sha256(b"".join(of_kernels)).hexdigest()[:12]
