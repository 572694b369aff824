"""The innermost loops of the cosine search, written in LLVM's vector types.

A compiler may not turn a plain loop over a sum into vector instructions, for that would change the order of additions.
Here the order is written down: vectors of `LANES` running sums, folded in one way. LLVM maps them onto whatever the
processor has, and a fused multiply-add is rounded once by definition, so the results don't depend on the processor.

The functions themselves are the same computation in Python, for reading and for runs with numba switched off.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic, overload


def _features() -> frozenset[str]:
    """What the processor can do that numba compiles for: NUMBA_CPU_NAME and NUMBA_CPU_FEATURES are heard."""
    listed = cpu_target.target_context.codegen().magic_tuple()[2]
    return frozenset(name[1:] for name in listed.split(",") if name.startswith("+"))


FEATURES = _features()
LANES = 8  # numbers in one vector
SUMS = 4  # vectors of running sums in a dot product: enough to hide an addition's latency
STEP = LANES * SUMS
DENSE_ROWS, DENSE_COLUMNS = (
    (4, 6) if "avx512f" in FEATURES else (2, 2)
)  # pairs whose running sums fill the vector registers

_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


def dot_steps(left: Any, right: Any) -> Any:
    """Return the float64 dot product of two vectors over their whole STEPs of coordinates.

    Args:
        left: float32 or float64 (d,), contiguous.
        right: the same.
    """
    whole = len(left) - len(left) % STEP
    products = left[:whole].astype(np.float64) * right[:whole].astype(np.float64)
    sums = products.reshape(-1, SUMS, LANES).sum(axis=0)
    lanes = (sums[0] + sums[1]) + (sums[2] + sums[3])
    while len(lanes) > 1:
        lanes = lanes[::2] + lanes[1::2]
    return lanes[0]


def widen(vector: Any, part: Any, wide: Any) -> None:
    """Write the coordinates that belong to one of the running sums of `dot_steps`.

    Args:
        vector: float32 (d,), contiguous.
        part: which of the SUMS, int64.
        wide: float64 (k,), contiguous, written: LANES of each whole STEP.
    """
    wide[:] = vector[: len(wide) * SUMS].reshape(-1, SUMS, LANES)[:, part].ravel()


def gathered_sums(left: Any, right: Any, places: Any, sums: Any) -> None:
    """Write one of the SUMS vectors of running sums of `dot_steps`, for every pair of so many left and right rows.

    Args:
        left: float64 (DENSE_ROWS, k), contiguous, of `widen`.
        right: float64 (m, k), contiguous.
        places: int64 (DENSE_COLUMNS,), contiguous: which of the right rows.
        sums: float64 (DENSE_ROWS * DENSE_COLUMNS, LANES), contiguous, written.
    """
    rows, columns = (side.reshape(len(side), -1, LANES) for side in (left, right[places]))
    sums[:] = (rows[:, None] * columns).sum(axis=2).reshape(-1, LANES)


def fold_sums(sums: Any, first: Any, products: Any) -> None:
    """Write what `dot_steps` returns for LANES pairs.

    Args:
        sums: float64 (SUMS, n, LANES), contiguous: the running sums of each pair.
        first: the first of the pairs, int64.
        products: float64 (n,), contiguous, written.
    """
    parts = sums[:, first : first + LANES]
    lanes = (parts[0] + parts[1]) + (parts[2] + parts[3])
    while lanes.shape[1] > 1:
        lanes = lanes[:, ::2] + lanes[:, 1::2]
    products[first : first + LANES] = lanes[:, 0]


def _vector(builder: Any, base: Any, index: Any) -> Any:
    """Load LANES numbers from ``base[index]`` on: any address will do."""
    kind = ir.VectorType(base.type.pointee, LANES)
    return builder.load(builder.bitcast(builder.gep(base, [index]), kind.as_pointer()), align=4)


def _doubles(builder: Any, numbers: Any) -> Any:
    return numbers if numbers.type == _DOUBLES else builder.fpext(numbers, _DOUBLES)


def _add_product(builder: Any, total: Any, a: Any, b: Any) -> None:
    """Add the lanes' products to the running sums, each rounded once."""
    kind = ir.FunctionType(_DOUBLES, [_DOUBLES] * 3)
    fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f64")
    builder.store(builder.call(fma, [a, b, builder.load(total)]), total)


def _zeros(builder: Any, count: int) -> list[Any]:
    """Running sums at zero. They are written as memory; LLVM keeps them in registers."""
    totals = [cgutils.alloca_once(builder, _DOUBLES) for _ in range(count)]
    for total in totals:
        builder.store(ir.Constant(_DOUBLES, [0.0] * LANES), total)
    return totals


def in_every_lane(builder: Any, number: Any, lanes: int) -> Any:
    """A vector of so many times the number."""
    kind, places = ir.VectorType(number.type, lanes), ir.VectorType(ir.IntType(32), lanes)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), number, ir.IntType(32)(0))
    return builder.shuffle_vector(first, first, ir.Constant(places, [0] * lanes))


def data_of(context: Any, builder: Any, kind: Any, array: Any) -> tuple[Any, Any]:
    """Where a contiguous array's numbers start, and its last dimension."""
    held = context.make_array(kind)(context, builder, array)
    return held.data, cgutils.unpack_tuple(builder, held.shape, kind.ndim)[-1]


def _folded(builder: Any, sums: Any) -> Any:
    """The sum of SUMS running sums: part by part, then neighbouring lanes, and theirs."""
    lanes = builder.fadd(builder.fadd(sums[0], sums[1]), builder.fadd(sums[2], sums[3]))
    count = LANES
    while count > 1:
        count //= 2
        halves = [
            builder.shuffle_vector(lanes, lanes, ir.Constant(ir.VectorType(ir.IntType(32), count), places))
            for places in ([2 * at for at in range(count)], [2 * at + 1 for at in range(count)])
        ]
        lanes = builder.fadd(*halves)
    return builder.extract_element(lanes, ir.IntType(32)(0))


# Kernels that run uncompiled (NUMBA_DISABLE_JIT=1) call the two functions above; compiled ones get the versions below.
@intrinsic
def _vector_dot(_typing_context: Any, left: Any, right: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x, length), (y, _) = (
            data_of(context, builder, kind, array) for kind, array in zip(signature.args, arguments, strict=True)
        )
        totals = _zeros(builder, SUMS)
        size = length.type
        with cgutils.for_range(builder, builder.udiv(length, size(STEP))) as loop:
            for part, total in enumerate(totals):
                at = builder.add(builder.mul(loop.index, size(STEP)), size(part * LANES))
                a, b = (_doubles(builder, _vector(builder, base, at)) for base in (x, y))
                _add_product(builder, total, a, b)
        return _folded(builder, [builder.load(total) for total in totals])

    return types.float64(left, right), generate


@intrinsic
def _vector_widen(_typing_context: Any, vector: Any, part: Any, wide: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x, _), (out, length) = (data_of(context, builder, signature.args[at], arguments[at]) for at in (0, 2))
        size = length.type
        first = builder.mul(arguments[1], size(LANES))
        with cgutils.for_range(builder, builder.udiv(length, size(LANES))) as loop:
            at = builder.add(first, builder.mul(loop.index, size(STEP)))
            _store(builder, _doubles(builder, _vector(builder, x, at)), out, builder.mul(loop.index, size(LANES)))
        return context.get_dummy_value()

    return types.none(vector, types.int64, wide), generate


@intrinsic
def _vector_gathered(_typing_context: Any, left: Any, right: Any, places: Any, sums: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x, length), (y, _), (which, _), (out, _) = (
            data_of(context, builder, kind, array) for kind, array in zip(signature.args, arguments, strict=True)
        )
        size, pairs = length.type, list(itertools.product(range(DENSE_ROWS), range(DENSE_COLUMNS)))
        starts = (
            [builder.mul(length, size(row)) for row in range(DENSE_ROWS)],
            [builder.mul(length, builder.load(builder.gep(which, [size(column)]))) for column in range(DENSE_COLUMNS)],
        )
        totals = _zeros(builder, len(pairs))
        with cgutils.for_range(builder, builder.udiv(length, size(LANES))) as loop:
            step = builder.mul(loop.index, size(LANES))
            rows, columns = (
                [_vector(builder, builder.gep(base, [start]), step) for start in side]
                for base, side in zip((x, y), starts, strict=True)
            )
            for (row, column), total in zip(pairs, totals, strict=True):
                _add_product(builder, total, rows[row], columns[column])
        for at, total in enumerate(totals):
            _store(builder, builder.load(total), out, size(at * LANES))
        return context.get_dummy_value()

    return types.none(left, right, places, sums), generate


@intrinsic
def _vector_fold(_typing_context: Any, sums: Any, first: Any, products: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x, _), (out, count) = (data_of(context, builder, signature.args[at], arguments[at]) for at in (0, 2))
        size, first = count.type, arguments[1]
        pairs = []
        for at in range(LANES):
            places = [builder.add(builder.mul(count, size(part)), builder.add(first, size(at))) for part in range(SUMS)]
            parts = [_vector(builder, x, builder.mul(place, size(LANES))) for place in places]
            pairs.append(builder.fadd(builder.fadd(parts[0], parts[1]), builder.fadd(parts[2], parts[3])))
        while len(pairs) > 1:  # neighbouring lanes of all pairs at once
            pairs = [_neighbours_added(builder, *pairs[at : at + 2]) for at in range(0, len(pairs), 2)]
        _store(builder, pairs[0], out, first)
        return context.get_dummy_value()

    return types.none(sums, types.int64, products), generate


def _neighbours_added(builder: Any, a: Any, b: Any) -> Any:
    """The sums of neighbouring lanes, those of ``a`` and then those of ``b``."""
    kind = ir.VectorType(ir.IntType(32), LANES)
    even, odd = (
        builder.shuffle_vector(a, b, ir.Constant(kind, [2 * at + odd for at in range(LANES)])) for odd in (0, 1)
    )
    return builder.fadd(even, odd)


def _store(builder: Any, numbers: Any, base: Any, index: Any) -> None:
    """Store LANES doubles at ``base[index]`` and after."""
    place = builder.bitcast(builder.gep(base, [index]), _DOUBLES.as_pointer())
    builder.store(numbers, place, align=8)


def contiguous(*arrays: Any) -> bool:
    """Whether all have their numbers end to end."""
    return all(array.layout == "C" for array in arrays)


# numba asks an overload's two signatures to agree in every annotation. None: no version for such arguments.
@overload(dot_steps)
def _compiled_dot_steps(left: Any, right: Any) -> Any:
    def dot(left: Any, right: Any) -> Any:
        return _vector_dot(left, right)  # type: ignore[call-arg]

    return dot if contiguous(left, right) else None


@overload(widen)
def _compiled_widen(vector: Any, part: Any, wide: Any) -> Any:  # noqa: ARG001
    def write(vector: Any, part: Any, wide: Any) -> Any:
        return _vector_widen(vector, part, wide)  # type: ignore[call-arg]

    return write if contiguous(vector, wide) else None


@overload(gathered_sums)
def _compiled_gathered_sums(left: Any, right: Any, places: Any, sums: Any) -> Any:
    def dense(left: Any, right: Any, places: Any, sums: Any) -> Any:
        return _vector_gathered(left, right, places, sums)  # type: ignore[call-arg]

    return dense if contiguous(left, right, places, sums) else None


@overload(fold_sums)
def _compiled_fold_sums(sums: Any, first: Any, products: Any) -> Any:  # noqa: ARG001
    def fold(sums: Any, first: Any, products: Any) -> Any:
        return _vector_fold(sums, first, products)  # type: ignore[call-arg]

    return fold if contiguous(sums, products) else None
