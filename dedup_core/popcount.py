"""Counting differing bits: one pair at a time, and one code against eight at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

LANES = 8
"""How many codes `any_within` compares with each row. Arrays it reads need this many spare codes at their end."""
ROWS = 2
"""How many rows it compares: more of them share a branch, fewer are wasted at the end of a bucket."""


def popcount(word: Any) -> int:
    """Return the number of set bits of a 64-bit word."""
    return int(word).bit_count()


def any_within(codes: Any, row: Any, others: Any, column: Any, max_distance: Any) -> bool:
    """Say whether any of ``ROWS`` codes from row on lies within a distance of any of ``LANES`` others from column on.

    Args:
        codes: uint64 (n,).
        row: uint64, below n - ROWS.
        others: uint64 (m,).
        column: uint64, below m - LANES.
        max_distance: uint64.
    """
    rows, columns = codes[int(row) : int(row) + ROWS], others[int(column) : int(column) + LANES]
    return any(popcount(code ^ other) <= max_distance for code in rows for other in columns)


# Kernels that run uncompiled (NUMBA_DISABLE_JIT=1) call the two functions above; compiled ones get the versions below.
@intrinsic
def _count_bits(_typing_context: Any, word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), generate


@intrinsic
def _any_lane_within(_typing_context: Any, codes: Any, row: Any, others: Any, column: Any, max_distance: Any) -> Any:
    # Written as LLVM vectors, which suit every processor: left to itself LLVM vectorises only loops of 16 codes
    # and more, and most buckets are smaller than that.
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, first_row, columns, first_column, limit = arguments
        word, vector = ir.IntType(64), ir.VectorType(ir.IntType(64), LANES)
        count_bits = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector]), f"llvm.ctpop.v{LANES}i64"
        )
        row_data, column_data = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in ((signature.args[0], rows), (signature.args[2], columns))
        )
        lanes = builder.load(builder.bitcast(builder.gep(column_data, [first_column]), vector.as_pointer()), align=8)
        # A signed "less than" is the one comparison of 64-bit lanes that AVX2 has.
        beyond = _in_every_lane(builder, builder.add(limit, ir.Constant(word, 1)), vector)
        near = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [0] * LANES)
        for offset in range(ROWS):
            place = builder.add(first_row, ir.Constant(word, offset))
            code = _in_every_lane(builder, builder.load(builder.gep(row_data, [place])), vector)
            distances = builder.call(count_bits, [builder.xor(lanes, code)])
            near = builder.or_(near, builder.icmp_signed("<", distances, beyond))
        return builder.icmp_unsigned("!=", builder.bitcast(near, ir.IntType(LANES)), ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(codes, row, others, column, max_distance), generate


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


@overload(any_within)
def _compiled_any_within(codes: Any, row: Any, others: Any, column: Any, max_distance: Any) -> Any:  # noqa: ARG001
    def compare(codes: Any, row: Any, others: Any, column: Any, max_distance: Any) -> Any:
        return _any_lane_within(codes, row, others, column, max_distance)  # type: ignore[call-arg]

    return compare
