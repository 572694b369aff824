"""Compile kernels with numba, and keep the machine code between runs where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from dedup_core.jit.version import version_of_kernels


def compiled(kernel: Callable[..., Any]) -> Any:
    """Compile ``kernel`` for one thread, without the GIL, cached on disk where a cache can be written.

    Python workers on a cluster often run from a read-only folder with no home: numba then has nowhere to
    put its cache and refuses to compile at all, so the kernel is compiled anew in that process instead.
    """
    # numba knows a cached kernel by its name and by its own file. What it calls may stand in other files: were
    # one of those changed by an update, the old machine code would go on running.
    kernel.__qualname__ += f"_{version_of_kernels()}"
    try:
        return numba.njit(kernel, nogil=True, cache=True)
    except RuntimeError:  # numba: "no locator available": neither the package nor a user cache is writable
        return numba.njit(kernel, nogil=True)
