"""Counting differing bits: many words against a vector of others, and one word against many."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from dedup_core.jit.bits import popcount

VECTOR_BYTES = 64
ROWS = 32
"""How many rows `rows_within` looks at."""
STEP = 4
"""How many rows `columns_within` takes at a time."""
TOP_BYTE = 24
"""Where the highest byte of 32 bits begins."""
SPARE = max(ROWS, STEP, VECTOR_BYTES // 4)
"""How many more words an array must hold at its end for the vectors that begin at its last ones."""


def columns_within(rows: Any, span: Any, columns: Any, column: Any, limit: Any) -> int:
    """Say which of a vector of columns may lie within a Hamming distance of one of the rows.

    Every column that does is named. One that does not may be named for a row less than ``STEP`` past the end.

    Args:
        rows: uint64 or uint32 (n + SPARE,), the rows and spare words.
        span: two uint64, the first row and the end of the rows, at most n.
        columns: (m + SPARE,) of the same dtype, the columns and spare words.
        column: uint64, the first of the ``VECTOR_BYTES // itemsize`` columns, below m.
        limit: uint64, the distance, at most 64.

    Returns:
        uint64, in which bit k is set for the column k places after the first.
    """
    first, stop = map(int, span)
    nearby = columns[int(column) : int(column) + VECTOR_BYTES // columns.itemsize]
    near = [any(popcount(row ^ other) <= limit for row in rows[first:stop]) for other in nearby]
    return np.uint64(sum(1 << lane for lane, is_near in enumerate(near) if is_near))


def rows_within(rows: Any, first: Any, word: Any, limit: Any) -> int:
    """Say which of ``ROWS`` rows lie within a Hamming distance of a word.

    Args:
        rows: uint64 or uint32 (n + SPARE,), the rows and spare words.
        first: uint64, the first row, below n.
        word: of the same dtype.
        limit: uint64, the distance.

    Returns:
        uint64, in which bit k is set for the row k places after the first.
    """
    nearby = rows[int(first) : int(first) + ROWS]
    return np.uint64(sum(1 << place for place, row in enumerate(nearby) if popcount(row ^ word) <= limit))


# Kernels that run uncompiled (NUMBA_DISABLE_JIT=1) call the functions above; compiled ones get the versions below.
# Those are written as LLVM vectors, which suit every processor: left to itself LLVM vectorises only long loops, and
# most buckets are short. That lane 0 is the lowest bit of a word, and its lower half the first, holds for little-endian
# processors: all that numba has.
@intrinsic
def _near_columns(_typing_context: Any, rows: Any, span: Any, columns: Any, column: Any, limit: Any) -> Any:
    # All rows share one test at the end: a branch a row would be mispredicted too often.
    bits = rows.dtype.bitwidth
    lanes = 8 * VECTOR_BYTES // bits

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row_array, row_span, column_array, first_column, most = arguments
        first_row, stop_row = cgutils.unpack_tuple(builder, row_span)
        row_data, column_data = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in ((signature.args[0], row_array), (signature.args[2], column_array))
        )
        vector = ir.VectorType(ir.IntType(bits), lanes)
        nearby = _load_vector(builder, column_data, first_column, vector)
        shift = 0 if bits == 64 or _counts_lanes(context) else TOP_BYTE
        # AVX2 has a minimum for 32 bits and none for 64. Counts leave the higher halves 0, so either does.
        halves = ir.VectorType(ir.IntType(32), VECTOR_BYTES // 4)
        unseen = [65 << shift] if bits == 32 else [65, 0]
        least = cgutils.alloca_once_value(builder, ir.Constant(halves, unseen * lanes))
        step = ir.Constant(first_row.type, STEP)
        with cgutils.for_range_slice(builder, first_row, stop_row, step, intp=first_row.type) as (row, _):
            for offset in range(STEP):
                at = builder.add(row, ir.Constant(row.type, offset))
                word = _in_every_lane(builder, builder.load(builder.gep(row_data, [at])), vector)
                differing = builder.xor(nearby, word)
                distances = _in_top_byte(builder, differing) if shift else _call(builder, "ctpop", differing)
                nearer = _call(builder, "umin", builder.load(least), builder.bitcast(distances, halves))
                builder.store(nearer, least)
        found = builder.lshr(builder.load(least), ir.Constant(halves, [shift] * halves.count))
        return _lanes_at_most(builder, builder.bitcast(found, vector), most)

    return types.uint64(rows, span, columns, column, limit), generate


@intrinsic
def _near_rows(_typing_context: Any, rows: Any, first: Any, word: Any, limit: Any) -> Any:
    lanes = 8 * VECTOR_BYTES // rows.dtype.bitwidth

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row_array, first_row, one_word, most = arguments
        data = context.make_array(signature.args[0])(context, builder, row_array).data
        vector = ir.VectorType(one_word.type, lanes)
        word = _in_every_lane(builder, one_word, vector)
        near = ir.Constant(ir.IntType(64), 0)
        for offset in range(0, ROWS, lanes):
            place = ir.Constant(ir.IntType(64), offset)
            nearby = _load_vector(builder, data, builder.add(first_row, place), vector)
            distances = _call(builder, "ctpop", builder.xor(nearby, word))
            near = builder.or_(near, builder.shl(_lanes_at_most(builder, distances, most), place))
        return near

    return types.uint64(rows, first, word, limit), generate


def _counts_lanes(context: Any) -> bool:
    """Say whether the processor that is compiled for counts the bits of each lane by one instruction."""
    return "+avx512vpopcntdq" in context.codegen().magic_tuple()[2]


def _in_top_byte(builder: Any, vector: Any) -> Any:
    """Return lanes of 32 bits whose highest byte is the number of set bits; what is below it means nothing.

    Without an instruction for lanes LLVM counts the bits of bytes, by tables, and takes five more to add four bytes up.
    One product does so as well, and such lanes are in the order of their counts.
    """
    by_byte = _call(builder, "ctpop", builder.bitcast(vector, ir.VectorType(ir.IntType(8), VECTOR_BYTES)))
    return builder.mul(
        builder.bitcast(by_byte, vector.type), ir.Constant(vector.type, [0x01010101] * vector.type.count)
    )


def _load_vector(builder: Any, data: Any, first: Any, vector: Any) -> Any:
    place = builder.bitcast(builder.gep(data, [first]), vector.as_pointer())
    return builder.load(place, align=vector.element.width // 8)


def _lanes_at_most(builder: Any, vector: Any, most: Any) -> Any:
    """Return a 64-bit word in which the bits of the lanes that hold at most so much are set."""
    kind = vector.type
    most = builder.trunc(most, kind.element) if kind.element.width < most.type.width else most
    near = builder.icmp_unsigned("<=", vector, _in_every_lane(builder, most, kind))
    return builder.zext(builder.bitcast(near, ir.IntType(kind.count)), ir.IntType(64))


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
    first_lane = ir.Constant(ir.VectorType(index, vector.count), [0] * vector.count)
    return builder.shuffle_vector(lane0, undefined, first_lane)


# numba asks an overload's two signatures to agree in every annotation.
@overload(columns_within)
def _compiled_columns_within(rows: Any, span: Any, columns: Any, column: Any, limit: Any) -> Any:  # noqa: ARG001
    def compare(rows: Any, span: Any, columns: Any, column: Any, limit: Any) -> Any:
        return _near_columns(rows, span, columns, column, limit)  # type: ignore[call-arg]

    return compare


@overload(rows_within)
def _compiled_rows_within(rows: Any, first: Any, word: Any, limit: Any) -> Any:  # noqa: ARG001
    def compare(rows: Any, first: Any, word: Any, limit: Any) -> Any:
        return _near_rows(rows, first, word, limit)  # type: ignore[call-arg]

    return compare
