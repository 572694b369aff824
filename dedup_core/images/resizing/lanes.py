"""The three innermost steps of a resize, written in LLVM's vector types.

Numbers travel as pairs: two neighbours along the axis that is being resized, as int16 in one int32. Weights travel the
same way, so one instruction multiplies two numbers by two weights and adds both products. A weight of 22 bits does not
fit 16: it is cut into a low part, signed, and a high one that counts 65,536 times as much. Sums wrap at 32 bits, as
they do in Pillow, so the order of additions doesn't matter and neither does the processor.

The functions themselves are the same computation in Python, for reading and for tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from dedup_core.images.resizing.layout import CHANNELS, GROUP, GROUP_BYTES, LANES, ORDER, PAIRS, ROWS, TURN

_WORD, _HALF, _BYTE, _SIZE = ir.IntType(32), ir.IntType(16), ir.IntType(8), ir.IntType(64)
_VECTOR = 16  # lanes of the vectors that are written here
_WORDS = ir.VectorType(_WORD, _VECTOR)
_BYTES = ir.VectorType(_BYTE, PAIRS)
_HALVES = ir.VectorType(_HALF, 2 * _VECTOR)
_WIDE = ir.VectorType(_WORD, 2 * _VECTOR)


def add_products(into: Any, source: Any, taps: Any, begins: Any, how: Any) -> None:
    """Add weighted pairs to LANES sums.

    Args:
        into: int32 (n,): the sums, from ``begins`` or from 0.
        source: int32 (m,): pairs of numbers.
        taps: int32 (k,): pairs of weights.
        begins: five int64: where the sums lie, the first pair of the first lane, how far apart the pairs of one lane
            lie, the first tap, how many taps.
        how: two int64: by how many bits the products are shifted, a number that the compiler must not know, or it
            multiplies in another way; and whether there are sums already, to which they are added, 1 or 0.
    """
    at, first, stride, tap, n = map(int, begins)
    pairs = np.stack([source[first + k * stride : first + k * stride + LANES] for k in range(n)])
    numbers = pairs.view(np.int16).reshape(n, LANES, 2).astype(np.int64)
    weights = taps[tap : tap + n].view(np.int16).reshape(n, 1, 2).astype(np.int64)
    sums = (numbers * weights).sum(axis=(0, 2)) << int(how[0])
    before = into[at : at + LANES] if how[1] else 0
    into[at : at + LANES] = (before + sums).astype(np.int32)


def lay_across(pixels: Any, starts: Any, source: Any, at: Any) -> None:
    """Lay GROUP columns of ROWS rows of a picture across: of each two columns and channel the rows in ORDER, as pairs.

    Args:
        pixels: uint8 (n,): rows of bytes, three a pixel.
        starts: int64 (ROWS,): where each row's first byte of the group lies.
        source: int32 (m,), written.
        at: int64: where the group lies in it.
    """
    block = np.stack([pixels[start : start + GROUP_BYTES] for start in starts[ORDER]])
    both = block.reshape(ROWS, GROUP // 2, 2, CHANNELS).transpose(1, 3, 0, 2).astype(np.int16)
    source[at : at + GROUP // 2 * LANES] = np.ascontiguousarray(both).view(np.int32).ravel()


def lay_down(sums: Any, at: Any, pairs: Any, to: Any, rounding: Any) -> None:
    """Round TURN columns of ROWS sums to numbers, and lay them down: of each two rows the columns, as pairs.

    Args:
        sums: int32 (n,), column after column, the rows in ORDER.
        at: int64: where the first column lies.
        pairs: int32 (m,), written.
        to: two int64: where the first pair of the first column lies, and how far apart the rows' pairs are.
        rounding: three int32: what is added, by how many bits it is shifted, and the most that it may then be.
    """
    half, shift, most = map(int, rounding)
    columns = sums[at : at + TURN * ROWS].reshape(TURN, ROWS)[:, ORDER].astype(np.int64)
    numbers = np.clip((columns + half) >> shift, 0, most).astype(np.int16)
    for pair, row in enumerate(np.ascontiguousarray(numbers).view(np.int32).T):
        pairs[int(to[0]) + pair * int(to[1]) :][:TURN] = row


# Kernels call the functions above, and compiled get the versions below.
@intrinsic
def _add_vectors(_typing_context: Any, into: Any, source: Any, taps: Any, begins: Any, how: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, pairs, weights = (_data(context, builder, signature, arguments, k) for k in range(3))
        at, first, stride, tap, n = cgutils.unpack_tuple(builder, arguments[3])
        parts = range(LANES // _VECTOR)
        places = [_pointer(builder, sums, builder.add(at, _SIZE(part * _VECTOR)), _WORDS) for part in parts]
        totals = [cgutils.alloca_once(builder, _WORDS) for _ in parts]
        for total in totals:
            builder.store(_all(_WORDS, 0), total)
        with cgutils.for_range(builder, n) as loop:
            weight = builder.load(builder.gep(weights, [builder.add(tap, loop.index)]))
            both = builder.bitcast(_in_every_lane(builder, weight, _WORDS), _HALVES)
            begin = builder.add(first, builder.mul(stride, loop.index))
            for part, total in zip(parts, totals, strict=True):
                place = _pointer(builder, pairs, builder.add(begin, _SIZE(part * _VECTOR)), _HALVES)
                products = _products(builder, builder.load(place, align=4), both)
                builder.store(builder.add(builder.load(total), products), total)
        bits, is_begun = (builder.trunc(number, _WORD) for number in cgutils.unpack_tuple(builder, arguments[4]))
        shift = _in_every_lane(builder, bits, _WORDS)
        kept = _in_every_lane(builder, builder.neg(is_begun), _WORDS)
        for place, total in zip(places, totals, strict=True):
            before = builder.and_(builder.load(place, align=4), kept)
            builder.store(builder.add(before, builder.shl(builder.load(total), shift)), place, align=4)
        return context.get_dummy_value()

    return types.void(into, source, taps, begins, how), generate


@intrinsic
def _across(_typing_context: Any, pixels: Any, starts: Any, source: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, rows, laid = (_data(context, builder, signature, arguments, k) for k in range(3))
        begins = [builder.load(builder.gep(rows, [_SIZE(row)])) for row in range(ROWS)]
        columns = []
        for part in range(0, GROUP_BYTES, PAIRS):
            places = (_pointer(builder, data, builder.add(begin, _SIZE(part)), _BYTES) for begin in begins)
            halves = [builder.load(place, align=1) for place in places]
            both = (
                builder.shuffle_vector(a, b, _order(range(ROWS))) for a, b in zip(halves, halves[PAIRS:], strict=False)
            )
            columns += _transposed_halves(builder, list(both))
        for k in range(GROUP_BYTES // 2):
            pair, channel = divmod(k, CHANNELS)
            left = columns[2 * pair * CHANNELS + channel]
            right = columns[(2 * pair + 1) * CHANNELS + channel]
            for half in (0, 1):
                numbers = builder.zext(_mixed_halves(builder, left, right, half), _HALVES)
                to = builder.add(arguments[3], _SIZE(k * ROWS + half * PAIRS))
                builder.store(numbers, _pointer(builder, laid, to, _HALVES), align=4)
        return context.get_dummy_value()

    return types.void(pixels, starts, source, at), generate


@intrinsic
def _down(_typing_context: Any, sums: Any, at: Any, pairs: Any, to: Any, rounding: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, laid = (_data(context, builder, signature, arguments, k) for k in (0, 2))
        first, stride = cgutils.unpack_tuple(builder, arguments[3])
        half, shift, most = (
            _in_every_lane(builder, number, _WORDS) for number in cgutils.unpack_tuple(builder, arguments[4])
        )
        for part in range(0, ROWS, _VECTOR):
            columns = []
            for column in range(TURN):
                place = _pointer(builder, data, builder.add(arguments[1], _SIZE(column * ROWS + part)), _WORDS)
                number = builder.ashr(builder.add(builder.load(place, align=4), half), shift)
                number = _bounded(builder, number, most)
                number = builder.trunc(number, ir.VectorType(_HALF, _VECTOR))
                columns.append(builder.bitcast(number, ir.VectorType(_WORD, TURN)))
            for row, turned in enumerate(_transposed(builder, columns)):
                pair = 4 * (part // _VECTOR) + row % 4 + 8 * (row // 4)  # of rows that lie in ORDER
                offset = builder.mul(stride, _SIZE(pair))
                builder.store(turned, _pointer(builder, laid, builder.add(first, offset), turned.type), align=4)
        return context.get_dummy_value()

    return types.void(sums, at, pairs, to, rounding), generate


def _products(builder: Any, pairs: Any, weights: Any) -> Any:
    """Multiply two numbers by two weights in every lane, and add both products: x86 has one instruction for it."""
    products = builder.mul(builder.sext(pairs, _WIDE), builder.sext(weights, _WIDE))
    even, odd = (builder.shuffle_vector(products, products, _order(range(start, 2 * _VECTOR, 2))) for start in (0, 1))
    return builder.add(even, odd)


def _bounded(builder: Any, numbers: Any, most: Any) -> Any:
    least = _all(numbers.type, 0)
    numbers = builder.select(builder.icmp_signed(">", numbers, least), numbers, least)
    return builder.select(builder.icmp_signed("<", numbers, most), numbers, most)


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Transpose as many vectors as each has lanes: a power of two. Each round mixes the first half with the second."""
    half, lanes = len(rows) // 2, len(rows)
    for _ in range(lanes.bit_length() - 1):
        rows = [
            _mixed(builder, rows[k], rows[k + half], first, half) for k in range(half) for first in (0, half)
        ]  # fmt: skip
    return rows


def _mixed(builder: Any, a: Any, b: Any, first: int, count: int) -> Any:
    """Return the lanes from ``first`` on of both vectors in turn."""
    lanes = a.type.count
    return builder.shuffle_vector(a, b, _order(x for k in range(first, first + count) for x in (k, k + lanes)))


def _transposed_halves(builder: Any, rows: list[Any]) -> list[Any]:
    """Transpose both halves of vectors, each for itself: AVX2 mixes within halves alone."""
    half = len(rows) // 2
    for _ in range(len(rows).bit_length() - 1):
        rows = [_mixed_halves(builder, rows[k], rows[k + half], part) for k in range(half) for part in (0, 1)]
    return rows


def _mixed_halves(builder: Any, a: Any, b: Any, part: int) -> Any:
    """Return the lanes of the first or last part of each half of both vectors in turn."""
    lanes = a.type.count
    firsts = (half + part * lanes // 4 for half in (0, lanes // 2))
    places = (first + k for first in firsts for k in range(lanes // 4))
    return builder.shuffle_vector(a, b, _order(x for place in places for x in (place, place + lanes)))


def _order(lanes: Any) -> Any:
    numbers = list(lanes)
    return ir.Constant(ir.VectorType(_WORD, len(numbers)), numbers)


def _all(kind: Any, number: int) -> Any:
    return ir.Constant(kind, [number] * kind.count)


def _in_every_lane(builder: Any, number: Any, kind: Any) -> Any:
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), number, _WORD(0))
    return builder.shuffle_vector(first, first, _order([0] * kind.count))


def _pointer(builder: Any, data: Any, index: Any, kind: Any) -> Any:
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def _data(context: Any, builder: Any, signature: Any, arguments: Any, k: int) -> Any:
    return context.make_array(signature.args[k])(context, builder, arguments[k]).data


# numba asks an overload's two signatures to agree in every annotation.
@overload(add_products)
def _compiled_add_products(into: Any, source: Any, taps: Any, begins: Any, how: Any) -> Any:  # noqa: ARG001
    def add(into: Any, source: Any, taps: Any, begins: Any, how: Any) -> Any:
        _add_vectors(into, source, taps, begins, how)  # type: ignore[call-arg]

    return add


@overload(lay_across)
def _compiled_lay_across(pixels: Any, starts: Any, source: Any, at: Any) -> Any:  # noqa: ARG001
    def lay(pixels: Any, starts: Any, source: Any, at: Any) -> Any:
        _across(pixels, starts, source, at)  # type: ignore[call-arg]

    return lay


@overload(lay_down)
def _compiled_lay_down(sums: Any, at: Any, pairs: Any, to: Any, rounding: Any) -> Any:  # noqa: ARG001
    def lay(sums: Any, at: Any, pairs: Any, to: Any, rounding: Any) -> Any:
        _down(sums, at, pairs, to, rounding)  # type: ignore[call-arg]

    return lay
