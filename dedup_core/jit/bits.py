"""Bits of a word: how many are set, and the lowest of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic, overload


def popcount(word: Any) -> int:
    """Return the number of set bits of a word of 32 or 64 bits."""
    return int(word).bit_count()


def lowest_bit(word: Any) -> int:
    """Return the place of the lowest set bit of a uint64 that is not 0, as a uint64."""
    return np.uint64((int(word) & -int(word)).bit_length() - 1)


# Kernels that run uncompiled (NUMBA_DISABLE_JIT=1) call the functions above; compiled ones get the versions below.
@intrinsic
def _count_bits(_typing_context: Any, word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), generate


@intrinsic
def _count_trailing_zeros(_typing_context: Any, word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return word(word), generate


# numba asks an overload's two signatures to agree in every annotation.
@overload(popcount)
def _compiled_popcount(word: Any) -> Any:  # noqa: ARG001
    def count(word: Any) -> Any:
        return np.int64(_count_bits(word))  # type: ignore[call-arg]

    return count


@overload(lowest_bit)
def _compiled_lowest_bit(word: Any) -> Any:  # noqa: ARG001
    def count(word: Any) -> Any:
        return _count_trailing_zeros(word)  # type: ignore[call-arg]

    return count
