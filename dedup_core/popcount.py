"""Counting differing bits: one pair at a time, and many codes against a vector of eight others."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

LANES = 8
"""How many columns `lanes_within` compares with each row. Arrays that it reads need so many spare codes at the end."""
STEP = 4
"""How many rows it takes at a time."""


def popcount(word: Any) -> int:
    """Return the number of set bits of a 64-bit word."""
    return int(word).bit_count()


def lanes_within(rows: Any, span: Any, columns: Any, column: Any, limit: Any) -> int:
    """Say which of ``LANES`` columns may lie within a Hamming distance of one of the rows.

    Every column that does is named. One that does not may be named for a row less than ``STEP`` past the end.

    Args:
        rows: uint64 (n + LANES,), the rows and spare codes.
        span: two uint64, the first row and the end of the rows, at most n.
        columns: uint64 (m + LANES,), the columns and spare codes.
        column: uint64, the first column, below m.
        limit: uint64, the distance, at most 64.

    Returns:
        uint64, in which bit k is set for the column k places after the first.
    """
    first, stop = map(int, span)
    nearby = columns[int(column) : int(column) + LANES]
    near = [any(popcount(row ^ other) <= limit for row in rows[first:stop]) for other in nearby]
    return np.uint64(sum(1 << lane for lane, is_near in enumerate(near) if is_near))


# Kernels that run uncompiled (NUMBA_DISABLE_JIT=1) call the two functions above; compiled ones get the versions below.
@intrinsic
def _count_bits(_typing_context: Any, word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), generate


@intrinsic
def _near_lanes(_typing_context: Any, rows: Any, span: Any, columns: Any, column: Any, limit: Any) -> Any:
    # Written as LLVM vectors, which suit every processor: left to itself LLVM vectorises only long loops, and most
    # buckets are short. All rows share one test at the end: a branch a row would be mispredicted too often. That lane 0
    # is the lowest bit of a word, and its lower half the first, holds for little-endian processors: all that numba has.
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row_array, row_span, column_array, first_column, most = arguments
        first_row, stop_row = cgutils.unpack_tuple(builder, row_span)
        words, halves = ir.VectorType(ir.IntType(64), LANES), ir.VectorType(ir.IntType(32), 2 * LANES)
        row_data, column_data = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in ((signature.args[0], row_array), (signature.args[2], column_array))
        )
        place = builder.bitcast(builder.gep(column_data, [first_column]), words.as_pointer())
        nearby = builder.load(place, align=8)
        # AVX2 has a minimum for 32 bits and none for 64. Counts leave the higher halves 0, so either does.
        least = cgutils.alloca_once_value(builder, ir.Constant(halves, [65, 0] * LANES))
        step = ir.Constant(first_row.type, STEP)
        with cgutils.for_range_slice(builder, first_row, stop_row, step, intp=first_row.type) as (row, _):
            for offset in range(STEP):
                at = builder.add(row, ir.Constant(row.type, offset))
                code = _in_every_lane(builder, builder.load(builder.gep(row_data, [at])), words)
                distances = builder.bitcast(_call(builder, "ctpop", builder.xor(nearby, code)), halves)
                builder.store(_call(builder, "umin", builder.load(least), distances), least)
        near = builder.icmp_unsigned(
            "<=", builder.bitcast(builder.load(least), words), _in_every_lane(builder, most, words)
        )
        return builder.zext(builder.bitcast(near, ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(rows, span, columns, column, limit), generate


def _call(builder: Any, operation: str, *vectors: Any) -> Any:
    """Apply one of LLVM's operations to vectors of one type."""
    kind = vectors[0].type
    name = f"llvm.{operation}.v{kind.count}i{kind.element.width}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * len(vectors)), name)
    return builder.call(function, vectors)


def _in_every_lane(builder: Any, word: Any, vector: Any) -> Any:
    undefined = ir.Constant(vector, ir.Undefined)
    index = ir.IntType(32)
    lane0 = builder.insert_element(undefined, word, ir.Constant(index, 0))
    return builder.shuffle_vector(lane0, undefined, ir.Constant(ir.VectorType(index, LANES), [0] * LANES))


# numba asks an overload's two signatures to agree in every annotation.
@overload(popcount)
def _compiled_popcount(word: Any) -> Any:  # noqa: ARG001
    def count(word: Any) -> Any:
        return np.int64(_count_bits(word))  # type: ignore[call-arg]

    return count


@overload(lanes_within)
def _compiled_lanes_within(rows: Any, span: Any, columns: Any, column: Any, limit: Any) -> Any:  # noqa: ARG001
    def compare(rows: Any, span: Any, columns: Any, column: Any, limit: Any) -> Any:
        return _near_lanes(rows, span, columns, column, limit)  # type: ignore[call-arg]

    return compare
