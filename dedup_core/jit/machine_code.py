"""What is kept of a kernel. This file loads no numba."""

from __future__ import annotations

from typing import NamedTuple


class MachineCode(NamedTuple):
    """A kernel's machine code.

    Attributes:
        symbol: its name in there.
        parameters: the type of each, as of `entry`.
        keeps_gil: as of `entry`.
        outer: names of what it declares and doesn't hold.
        code: an object file.
    """

    symbol: str
    parameters: tuple[str, ...]
    keeps_gil: bool
    outer: tuple[str, ...]
    code: bytes
