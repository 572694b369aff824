"""The innermost integer loops of the cosine search: products of bytes, four at a time, in LLVM's vector types.

Words of 32 bits hold four coordinates each. A processor with AVX-512 VNNI multiplies and adds 64 of them in one
instruction, one with AVX-VNNI 32; AVX2 does it by products of 16 bits, any other by plain arithmetic. Integers
add up to the same sum in any order, so all of them mark the same pairs.

The functions themselves are the same computation in numpy, for reading and for runs with numba switched off.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from dedup_core.cosine.tile import FEATURES, contiguous, data_of, in_every_lane

WORD_BYTES = 4
OFFSET = 128  # makes a signed byte unsigned: the instructions multiply unsigned by signed ones
ADDED = 2  # words after the coordinates: two numbers of 16 bits, and one of 32 that is added as it is

_WIDE = {"avx512vnni", "avx512f"} <= FEATURES
_DOTS = _WIDE or "avxvnni" in FEATURES or {"avx512vnni", "avx512vl"} <= FEATURES
LANES = 16 if _WIDE else 8  # words in one vector
TILE_ROWS = 6 if _DOTS else 4
PANEL_ROWS = 32 * TILE_ROWS  # rows that are compared with a strip of columns while both are near in the caches
TILE_VECTORS = 4 if _WIDE else 2  # TILE_ROWS x TILE_VECTORS sums fill the vector registers, with room for operands
TILE_COLUMNS = TILE_VECTORS * LANES
COORDINATE_COST = 0.0027 if _WIDE else 0.006 if _DOTS else 0.024  # nanoseconds a pair of rows, about
ROW_WORDS = 16  # coordinates of a row come in whole multiples of so many words, zeros after the last

_WORD = ir.IntType(32)
_WORDS = ir.VectorType(_WORD, LANES)
_HALVES = ir.VectorType(ir.IntType(16), 2 * LANES)


def sums_reach(rows: Any, strip: Any, masks: Any) -> Any:
    """Mark which sums of a tile are not negative; say whether any is.

    A sum is the product of all coordinates and of the two numbers of 16 bits, and both rows' last words. The strip's
    coordinates are unsigned: OFFSET was added to each.

    Args:
        rows: int32 (TILE_ROWS, k), contiguous: words of four signed bytes, and the ADDED words.
        strip: int32 (k, TILE_COLUMNS), contiguous, the same of other rows, transposed.
        masks: uint64 (TILE_ROWS,), written: bit ``b`` is column ``b``.
    """
    left = np.ascontiguousarray(rows[:, :-ADDED]).view(np.int8).astype(np.int64)
    right = np.ascontiguousarray(strip[:-ADDED].T).view(np.uint8).astype(np.int64)
    halves = [np.ascontiguousarray(side).view(np.int16).astype(np.int64) for side in (rows[:, -2:-1], strip[-2:-1].T)]
    sums = left @ right.T + halves[0] @ halves[1].T + rows[:, -1:] + strip[-1]
    masks[:] = ((sums >= 0) * (1 << np.arange(TILE_COLUMNS, dtype=np.uint64))).astype(np.uint64).sum(axis=1)
    return masks.any()


def dot_words(left: Any, right: Any) -> Any:
    """Return the product of two rows of signed bytes, an integer.

    Args:
        left: int32 (k,), contiguous: words of four bytes, a multiple of ROW_WORDS of them.
        right: int32 (k,), contiguous.
    """
    return int(left.view(np.int8).astype(np.int64) @ right.view(np.int8).astype(np.int64))


def _call(builder: Any, name: str, *arguments: Any) -> Any:
    kind = ir.FunctionType(_WORDS, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _splat(kind: Any, number: int) -> Any:
    return ir.Constant(kind, [number] * kind.count)


def _load(builder: Any, base: Any, index: Any) -> Any:
    """Load LANES words from ``base[index]`` on: any address will do."""
    return builder.load(builder.bitcast(builder.gep(base, [index]), _WORDS.as_pointer()), align=WORD_BYTES)


def _add_halves(builder: Any, total: Any, a: Any, b: Any) -> Any:
    """Add the products of the lanes' two signed numbers of 16 bits."""
    if _DOTS:
        return _call(builder, f"llvm.x86.avx512.vpdpwssd.{LANES * 32}", total, a, b)
    if "avx2" in FEATURES:
        products = _call(builder, "llvm.x86.avx2.pmadd.wd", builder.bitcast(a, _HALVES), builder.bitcast(b, _HALVES))
        return builder.add(total, products)
    half = _splat(_WORDS, 16)
    for x, y in ((builder.shl(a, half), builder.shl(b, half)), (a, b)):
        total = builder.add(total, builder.mul(builder.ashr(x, half), builder.ashr(y, half)))
    return total


def _add_bytes(builder: Any, total: Any, unsigned: Any, signed: Any) -> Any:
    """Add the products of the lanes' four bytes, unsigned by signed."""
    if _DOTS:
        return _call(builder, f"llvm.x86.avx512.vpdpbusd.{LANES * 32}", total, unsigned, signed)
    byte = _splat(_HALVES, 8)
    a, b = builder.bitcast(unsigned, _HALVES), builder.bitcast(signed, _HALVES)
    even = builder.and_(a, _splat(_HALVES, 255)), builder.ashr(builder.shl(b, byte), byte)
    odd = builder.lshr(a, byte), builder.ashr(b, byte)
    for pair in (even, odd):
        total = _add_halves(builder, total, *(builder.bitcast(side, _WORDS) for side in pair))
    return total


# Kernels that run uncompiled (NUMBA_DISABLE_JIT=1) call the two functions above; compiled ones get the versions below.
@intrinsic
def _vector_sums(_typing_context: Any, rows: Any, strip: Any, masks: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, depth = data_of(context, builder, signature.args[0], arguments[0])
        right, _ = data_of(context, builder, signature.args[1], arguments[1])
        out, _ = data_of(context, builder, signature.args[2], arguments[2])
        size = depth.type
        totals = [
            [cgutils.alloca_once_value(builder, _splat(_WORDS, 0)) for _ in range(TILE_VECTORS)]
            for _ in range(TILE_ROWS)
        ]

        def step(word: Any, combine: Any) -> None:
            at = builder.mul(word, size(TILE_COLUMNS))
            columns = [_load(builder, right, builder.add(at, size(part * LANES))) for part in range(TILE_VECTORS)]
            for row in range(TILE_ROWS):
                place = builder.add(builder.mul(depth, size(row)), word)
                number = in_every_lane(builder, builder.load(builder.gep(left, [place])), LANES)
                for part, column in enumerate(columns):
                    total = totals[row][part]
                    builder.store(combine(builder.load(total), column, number), total)

        coordinates = builder.sub(depth, size(ADDED))
        with cgutils.for_range(builder, coordinates) as loop:
            step(loop.index, lambda *operands: _add_bytes(builder, *operands))
        step(coordinates, lambda *operands: _add_halves(builder, *operands))
        step(builder.add(coordinates, size(1)), lambda total, a, b: builder.add(builder.add(total, a), b))
        return _marked(builder, totals, out, size)

    return types.boolean(rows, strip, masks), generate


def _marked(builder: Any, totals: Any, out: Any, size: Any) -> Any:
    """Store a mask a row of sums that are not negative, if there is one; say whether there is."""
    sums = [[builder.load(total) for total in parts] for parts in totals]
    both = functools.reduce(builder.and_, itertools.chain.from_iterable(sums))  # negative where all are
    zero, mask, part_kind = _splat(_WORDS, 0), ir.IntType(64), ir.IntType(LANES)
    negative = builder.bitcast(builder.icmp_signed("<", both, zero), part_kind)
    any_reaches = builder.icmp_unsigned("!=", negative, part_kind(-1))
    with builder.if_then(any_reaches):
        for row, parts in enumerate(sums):
            bits = mask(0)
            for part, total in enumerate(parts):
                reaches = builder.bitcast(builder.icmp_signed(">=", total, zero), part_kind)
                bits = builder.or_(bits, builder.shl(builder.zext(reaches, mask), mask(part * LANES)))
            builder.store(bits, builder.gep(out, [size(row)]))
    return any_reaches


@intrinsic
def _vector_dot_words(_typing_context: Any, left: Any, right: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x, length), (y, _) = (
            data_of(context, builder, kind, array) for kind, array in zip(signature.args, arguments, strict=True)
        )
        size = length.type
        zero, signs = _splat(_WORDS, 0), _splat(_WORDS, -0x7F7F7F80)  # 0x80808080: the bytes' highest bits
        total, surplus = (cgutils.alloca_once_value(builder, zero) for _ in range(2))
        with cgutils.for_range(builder, builder.udiv(length, size(ROW_WORDS))) as loop:
            for part in range(0, ROW_WORDS, LANES):
                at = builder.add(builder.mul(loop.index, size(ROW_WORDS)), size(part))
                a, b = _load(builder, x, at), _load(builder, y, at)
                builder.store(_add_bytes(builder, builder.load(total), builder.xor(b, signs), a), total)
                builder.store(_add_bytes(builder, builder.load(surplus), signs, a), surplus)
        lanes = builder.sub(builder.load(total), builder.load(surplus))
        kind = ir.FunctionType(_WORD, [_WORDS])
        add_up = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.add.v{LANES}i32")
        return builder.sext(builder.call(add_up, [lanes]), ir.IntType(64))

    return types.int64(left, right), generate


# numba asks an overload's two signatures to agree in every annotation. None: no version for such arguments.
@overload(sums_reach)
def _compiled_sums_reach(rows: Any, strip: Any, masks: Any) -> Any:
    def mark(rows: Any, strip: Any, masks: Any) -> Any:
        return _vector_sums(rows, strip, masks)  # type: ignore[call-arg]

    return mark if contiguous(rows, strip, masks) else None


@overload(dot_words)
def _compiled_dot_words(left: Any, right: Any) -> Any:
    def dot(left: Any, right: Any) -> Any:
        return _vector_dot_words(left, right)  # type: ignore[call-arg]

    return dot if contiguous(left, right) else None
