"""Compile kernels with numba, and keep the machine code between runs where that is possible."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_MARKS = b"@compiled", b"import numba", b"from numba"  # of a file that holds compiled code


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
    """Return a short hash of all files of the package that hold compiled code, whatever folder they stand in.

    Where the package is zipped there are none.
    """
    package = Path(__file__).parents[1]
    version = hashlib.sha256()
    for path in sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).parts):
        source = path.read_bytes()
        if any(mark in source for mark in _MARKS):
            version.update(hashlib.sha256(source).digest())
    return version.hexdigest()[:12]
