"""Machine code that is kept in a file, and loaded and called without numba, which takes a second to load itself.

A file holds the entries (`entry`) of one module, for one processor and one version of all kernels. It lies where numba
keeps its own: in NUMBA_CACHE_DIR, or beside the module, or where this user's caches are.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dedup_core.jit.code import Code
from dedup_core.jit.version import version_of_kernels

Call = Callable[..., int]

_PACKAGE = Path(__file__).parents[1]
_KINDS: dict[str, Any] = {"int64": ctypes.c_int64, "float64": ctypes.c_double}  # all others are addresses
_NEVER_CALLED = ("NRT_", "Py", "numba_")  # names that numba declares for errors and for memory, of which there are none


def functions(module: str) -> dict[str, Call]:
    """Return a module's entries by name, to be called with numbers and with addresses of arrays.

    They are loaded from where an earlier run has kept them; else numba compiles them, which takes seconds.

    Raises:
        RuntimeError: if numba is switched off.
        Exception: whatever numba or LLVM have to say where they can't compile.
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        raise RuntimeError("NUMBA_DISABLE_JIT switches numba off")
    places = list(_places(module))
    codes = next(filter(None, map(_read, places)), None)
    if codes is None:
        codes = _compiled(module)
        _keep(codes, places)
    return {name: _loaded(code) for name, code in codes.items()}


def is_kept(module: str) -> bool:
    """Return whether a module's code seems to have been kept: then `functions` takes a tenth of a second."""
    try:
        return any(place.is_file() for place in _places(module))
    except ImportError:  # there is no numba, or no llvmlite
        return False


def _compiled(module: str) -> dict[str, Code]:
    from dedup_core.jit.entry import Kernel  # loads numba

    found = vars(importlib.import_module(module))
    return {name: entry.compiled() for name, entry in found.items() if isinstance(entry, Kernel)}


def _places(module: str) -> Iterator[Path]:
    """Yield the files in which a module's code may be: none where the package is zipped, whose version isn't known."""
    folder = _PACKAGE.parent.joinpath(*module.split(".")[:-1])
    if not folder.is_dir():
        return
    name = f"{module.rpartition('.')[2]}-{_fitting()}.code"
    chosen, caches = os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME", "~/.cache")
    if chosen:
        yield Path(chosen, module.rpartition(".")[0], name)
        return
    yield folder / "__pycache__" / name
    of_user = Path(os.path.expanduser(caches))
    if of_user.is_absolute():  # there is a home
        yield of_user / "dedup_core" / name


def _fitting() -> str:
    """Return a short hash of all that machine code depends on."""
    import llvmlite
    from llvmlite import binding

    chosen = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_"))
    parts = (version_of_kernels(), version("numba"), llvmlite.__version__, binding.get_host_cpu_name(),
             binding.get_host_cpu_features().flatten(), sys.platform, chosen)  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _read(place: Path) -> dict[str, Code] | None:
    """Return what a file holds; None if there is none, or one that isn't whole."""
    try:
        digest, _, content = place.read_bytes().partition(b"\n")
    except OSError:
        return None
    if digest != _digest(content):
        return None
    entries = json.loads(content)
    return {name: Code(symbol, tuple(parameters), keeps_gil, tuple(outer), base64.b64decode(code))
            for name, (symbol, parameters, keeps_gil, outer, code) in entries.items()}  # fmt: skip


def _keep(codes: Mapping[str, Code], places: list[Path]) -> None:
    """Write a file, whole or not at all, in the first folder that may be written to."""
    entries = {name: [*code[:-1], base64.b64encode(code.code).decode()] for name, code in codes.items()}
    content = json.dumps(entries).encode()
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            written = place.with_suffix(f".{os.getpid()}")
            written.write_bytes(_digest(content) + b"\n" + content)
            written.replace(place)
        except OSError:
            continue
        return


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _loaded(code: Code) -> Call:
    engine = _engine(code)
    made_by = ctypes.PYFUNCTYPE if code.keeps_gil else ctypes.CFUNCTYPE
    kinds = (_kind(name) for name in code.parameters)
    call_it = made_by(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *kinds)(
        engine.get_function_address(code.symbol)
    )

    def call(*arguments: float, engine: Any = engine) -> int:  # noqa: ARG001 - which owns the code
        if len(arguments) != len(code.parameters):
            raise TypeError(f"{len(arguments)} arguments for {code.parameters}")
        result, error = ctypes.c_int64(), ctypes.c_void_p()
        status = call_it(ctypes.byref(result), ctypes.byref(error), *arguments)
        if status:
            raise RuntimeError(f"compiled code ended with status {status}: {code.symbol}")
        return result.value

    return call


def _engine(code: Code) -> Any:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    for name in code.outer:
        if name.startswith(_NEVER_CALLED) and binding.address_of_symbol(name) is None:
            binding.add_symbol(name, ctypes.cast(ctypes.pythonapi.Py_FatalError, ctypes.c_void_p).value)
    machine = binding.Target.from_default_triple().create_target_machine()
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(code.code))
    engine.finalize_object()
    return engine


def _kind(parameter: str) -> Any:
    return _KINDS.get(parameter, ctypes.c_void_p)
