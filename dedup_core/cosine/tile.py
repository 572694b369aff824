"""The two innermost loops of the cosine search, written in LLVM's vector types.

A compiler may not turn a plain loop over a sum into vector instructions, for that would change the order of additions.
Here the order is written down: vectors of `LANES` running sums, folded in one way. LLVM maps them onto whatever the
processor has, and a fused multiply-add is rounded once by definition, so the results don't depend on the processor.

The functions themselves are the same computation in Python, for reading and for runs with numba switched off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

LANES = 8  # numbers in one vector
SUMS = 4  # vectors of running sums in a dot product: enough to hide an addition's latency
STEP = LANES * SUMS
TILE_ROWS = 6  # a tile of TILE_ROWS x TILE_COLUMNS sums fills the 16 vector registers of AVX2, with room for operands
TILE_COLUMNS = 2 * LANES

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


def dot_steps(left: Any, right: Any) -> Any:
    """Return the float64 dot product of two float32 vectors over their whole STEPs of coordinates.

    Args:
        left: float32 (d,), contiguous.
        right: float32 (d,), contiguous.
    """
    whole = len(left) - len(left) % STEP
    products = left[:whole].astype(np.float64).reshape(-1, STEP) * right[:whole].astype(np.float64).reshape(-1, STEP)
    return products.sum()


def _vector(builder: Any, base: Any, index: Any) -> Any:
    """Load LANES float32 numbers from ``base[index]`` on: any address will do."""
    pointer = builder.bitcast(builder.gep(base, [index]), _FLOATS.as_pointer())
    return builder.load(pointer, align=4)


def _add_product(builder: Any, total: Any, a: Any, b: Any) -> None:
    """Add the lanes' products to the running sums, each rounded once."""
    name = f"llvm.fma.v{LANES}f{32 if a.type == _FLOATS else 64}"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.type, [a.type] * 3), name)
    builder.store(builder.call(fma, [a, b, builder.load(total)]), total)


def _zeros(builder: Any, kind: Any, count: int) -> list[Any]:
    """Running sums at zero. They are written as memory; LLVM keeps them in registers."""
    totals = [cgutils.alloca_once(builder, kind) for _ in range(count)]
    for total in totals:
        builder.store(ir.Constant(kind, [0.0] * LANES), total)
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


# Kernels that run uncompiled (NUMBA_DISABLE_JIT=1) call the two functions above; compiled ones get the versions below.
@intrinsic
def _vector_dot(_typing_context: Any, left: Any, right: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x, length), (y, _) = (
            data_of(context, builder, kind, array) for kind, array in zip(signature.args, arguments, strict=True)
        )
        totals = _zeros(builder, _DOUBLES, SUMS)
        size = length.type
        with cgutils.for_range(builder, builder.udiv(length, size(STEP))) as loop:
            for part, total in enumerate(totals):
                at = builder.add(builder.mul(loop.index, size(STEP)), size(part * LANES))
                a, b = (builder.fpext(_vector(builder, base, at), _DOUBLES) for base in (x, y))
                _add_product(builder, total, a, b)
        sums = [builder.load(total) for total in totals]
        lanes = builder.fadd(builder.fadd(sums[0], sums[1]), builder.fadd(sums[2], sums[3]))
        numbers = [builder.extract_element(lanes, ir.IntType(32)(lane)) for lane in range(LANES)]
        while len(numbers) > 1:
            numbers = [builder.fadd(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
        return numbers[0]

    return types.float64(left, right), generate


def contiguous(*arrays: Any) -> bool:
    """Whether all have their numbers end to end."""
    return all(array.layout == "C" for array in arrays)


# numba asks an overload's two signatures to agree in every annotation. None: no version for such arguments.
@overload(dot_steps)
def _compiled_dot_steps(left: Any, right: Any) -> Any:
    def dot(left: Any, right: Any) -> Any:
        return _vector_dot(left, right)  # type: ignore[call-arg]

    return dot if contiguous(left, right) else None
