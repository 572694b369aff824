"""Kernels of pointers and numbers, whose machine code can be kept and called without numba (`stored`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
from numba import types

from dedup_core.jit.machine_code import MachineCode

_TYPES = {
    "uint8*": types.CPointer(types.uint8), "int32*": types.CPointer(types.int32),
    "int64*": types.CPointer(types.int64), "float64*": types.CPointer(types.float64),
    "int64": types.int64, "float64": types.float64,
}  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """A kernel that returns an int64 and allocates nothing."""

    kernel: Callable[..., int]
    parameters: tuple[str, ...]
    keeps_gil: bool

    def compiled(self) -> MachineCode:
        """Return its machine code for this processor. That takes seconds."""
        signature = types.int64(*(_TYPES[name] for name in self.parameters))
        options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        dispatcher: Any = numba.njit(signature, **options)(self.kernel)
        made = dispatcher.overloads[signature.args]
        outer = tuple(
            function.name for function in made.library._final_module.functions if function.is_declaration
        )  # numba has no other way to its machine code
        code = made.library._get_compiled_object()
        return MachineCode(made.fndesc.llvm_func_name, self.parameters, self.keeps_gil, outer, code)


def entry(*parameters: str, keeps_gil: bool = False) -> Callable[[Callable[..., int]], Kernel]:
    """Have a kernel compiled for others than numba's callers.

    Args:
        parameters: the type of each: "int64", "float64", or of a pointer "uint8*", "int32*", "int64*", "float64*".
        keeps_gil: of what takes less time than to give the GIL away, but for pictures of extreme shapes.
    """
    return lambda kernel: Kernel(kernel, parameters, keeps_gil)
