"""The compiled code of resizes, called with arrays. It is loaded when first called."""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from dedup_core.jit import stored

_ENTRIES = "dedup_core.images.resizing.entries", ("passed", "rounded", "averaged", "gray", "weigh", "count", "pack")


@functools.cache
def is_compiled() -> bool:
    """Return whether an earlier run has left the code, so that it is loaded in a tenth of a second."""
    return stored.are_kept(*_ENTRIES)


@functools.cache
def entries() -> dict[str, stored.Call]:
    """Return all entries by name, and load them, for which they may have to be compiled."""
    return stored.functions(*_ENTRIES)


def call(name: str, *arguments: np.ndarray | float) -> int:
    """Call an entry with numbers, and with arrays as large and of such a dtype as it says, contiguous."""
    return entries()[name](*[address(each) if isinstance(each, np.ndarray) else each for each in arguments])


def address(array: np.ndarray) -> int:
    """Return where an array's first number lies."""
    if array.flags.writeable and array.size:
        # in a fifth of the time
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    return array.ctypes.data
