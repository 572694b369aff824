"""The two innermost loops of the cosine search, written in LLVM's vector types.

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
    (6, 4) if "avx512f" in FEATURES else (2, 2)
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


def dense_sums(left: Any, right: Any, sums: Any) -> Any:
    """Write one of the SUMS vectors of running sums of `dot_steps`, for every pair of so many left and right rows.

    Args:
        left: float64 (DENSE_ROWS, k), contiguous: the coordinates that belong to these sums.
        right: float64 (DENSE_COLUMNS, k), contiguous.
        sums: float64 (DENSE_ROWS * DENSE_COLUMNS, LANES), contiguous, written.
    """
    rows, columns = (side.reshape(len(side), -1, LANES) for side in (left, right))
    sums[:] = (rows[:, None] * columns).sum(axis=2).reshape(-1, LANES)


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
def _vector_dense(_typing_context: Any, left: Any, right: Any, sums: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x, length), (y, _), (out, _) = (
            data_of(context, builder, kind, array) for kind, array in zip(signature.args, arguments, strict=True)
        )
        size, places = length.type, list(itertools.product(range(DENSE_ROWS), range(DENSE_COLUMNS)))
        totals = _zeros(builder, len(places))
        with cgutils.for_range(builder, builder.udiv(length, size(LANES))) as loop:
            step = builder.mul(loop.index, size(LANES))
            rows, columns = (
                [_vector(builder, base, builder.add(builder.mul(length, size(row)), step)) for row in range(count)]
                for base, count in ((x, DENSE_ROWS), (y, DENSE_COLUMNS))
            )
            for (row, column), total in zip(places, totals, strict=True):
                _add_product(builder, total, rows[row], columns[column])
        for at, total in enumerate(totals):
            place = builder.bitcast(builder.gep(out, [size(at * LANES)]), _DOUBLES.as_pointer())
            builder.store(builder.load(total), place, align=8)
        return context.get_dummy_value()

    return types.none(left, right, sums), generate


def contiguous(*arrays: Any) -> bool:
    """Whether all have their numbers end to end."""
    return all(array.layout == "C" for array in arrays)


# numba asks an overload's two signatures to agree in every annotation. None: no version for such arguments.
@overload(dot_steps)
def _compiled_dot_steps(left: Any, right: Any) -> Any:
    def dot(left: Any, right: Any) -> Any:
        return _vector_dot(left, right)  # type: ignore[call-arg]

    return dot if contiguous(left, right) else None


@overload(dense_sums)
def _compiled_dense_sums(left: Any, right: Any, sums: Any) -> Any:
    def dense(left: Any, right: Any, sums: Any) -> Any:
        return _vector_dense(left, right, sums)  # type: ignore[call-arg]

    return dense if contiguous(left, right, sums) else None
