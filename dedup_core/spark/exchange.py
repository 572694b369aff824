"""Two entries of a disk given each other's names at one stroke, where the system can do that."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, and RENAME_EXCHANGE of Linux, which is RENAME_SWAP of macOS
_CAN_NOT = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}


def exchange(one: str, other: str) -> bool:
    """Give two files or folders each other's names; whoever looks sees the one or the other, and nothing else.

    Returns:
        False where the system or the disk can't, and nothing has happened.

    Raises:
        OSError: if one of them isn't there, or may not be renamed.
    """
    call = _call()
    if call is None:
        return False
    if call(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CAN_NOT:
        return False
    raise OSError(number, os.strerror(number), one, None, other)


@cache
def _call() -> Callable[[bytes, bytes], int] | None:
    """Return what exchanges two paths; None on other systems."""
    try:
        system = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            swap = system.renamex_np
            return lambda one, other: int(swap(one, other, ctypes.c_uint(_EXCHANGE)))
        rename = system.renameat2
    except (AttributeError, OSError, TypeError):
        return None
    return lambda one, other: int(rename(_HERE, one, _HERE, other, ctypes.c_uint(_EXCHANGE)))
