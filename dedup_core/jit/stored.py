"""Machine code that is kept in files, and loaded and called without numba, which takes a second to load itself.

A file holds one entry (`entry`), for one processor and one version of all kernels. It lies in NUMBA_CACHE_DIR if that
is set, else beside the module, or where that can't be written to in this user's cache.
"""

from __future__ import annotations

import base64
import ctypes
import functools
import hashlib
import importlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dedup_core.jit.machine_code import MachineCode
from dedup_core.jit.version import PACKAGE, version_of_kernels

Call = Callable[..., int]

_KINDS: dict[str, Any] = {"int64": ctypes.c_int64, "float64": ctypes.c_double}  # all others are addresses
_NEVER_CALLED = "NRT_", "Py", "numba_"  # names that numba declares for errors and for memory, of which there are none
_CHOICES = ("NUMBA_BOUNDSCHECK", "NUMBA_CPU_FEATURES", "NUMBA_CPU_NAME", "NUMBA_ENABLE_AVX", "NUMBA_LOOP_VECTORIZE",
            "NUMBA_OPT", "NUMBA_SLP_VECTORIZE")  # fmt: skip


def functions(module: str, names: Sequence[str]) -> dict[str, Call]:
    """Return a module's entries by name, to be called with numbers and with addresses of arrays.

    Each is loaded from where an earlier run has kept it; else numba compiles it, which takes seconds, and it is kept.

    Raises:
        RuntimeError: if numba is switched off.
        Exception: whatever numba or LLVM have to say where they can't compile.
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        raise RuntimeError("NUMBA_DISABLE_JIT switches numba off")
    return {name: _loaded(_kept(module, name) or _compiled(module, name)) for name in names}


def are_kept(module: str, names: Sequence[str]) -> bool:
    """Return whether so many of a module's entries seem to have been kept: then they are loaded in no time."""
    try:
        return all(any(map(os.path.isfile, _places(module, name))) for name in names)
    except Exception:  # noqa: BLE001 - there is no numba, or an LLVM that can't be loaded: `functions` says so
        return False


def _kept(module: str, name: str) -> MachineCode | None:
    return next(filter(None, map(_read, _places(module, name))), None)


def _compiled(module: str, name: str) -> MachineCode:
    code = getattr(importlib.import_module(module), name).compiled()  # loads numba
    _keep(code, _places(module, name))
    return code


def _places(module: str, name: str) -> Iterator[Path]:
    """Yield the files in which an entry's code may be."""
    folder = PACKAGE.parent.joinpath(*module.split(".")[:-1])
    chosen, caches = os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    file = f"{module.rpartition('.')[2]}.{name}-{_fitting()}.code"
    if chosen:
        yield Path(chosen, "dedup_core", file)
        return
    if folder.is_dir():  # in an archive there is none
        yield folder / "__pycache__" / file
    of_user = Path(os.path.expanduser(caches))
    if of_user.is_absolute():  # there is a home
        yield of_user / "dedup_core" / file


def _fitting() -> str:
    """Return a short hash of all that machine code depends on."""
    chosen = [(name, os.environ[name]) for name in _CHOICES if name in os.environ]
    return hashlib.sha256(repr((version_of_kernels(), *_compiler(), chosen)).encode()).hexdigest()[:16]


@functools.cache
def _compiler() -> tuple[str, ...]:
    """Return which compiler there is in this process, and for which processor: that takes a millisecond to find out."""
    import llvmlite
    from llvmlite import binding

    return (version("numba"), llvmlite.__version__, binding.get_process_triple(), binding.get_host_cpu_name(),
            binding.get_host_cpu_features().flatten())  # fmt: skip


def _read(place: Path) -> MachineCode | None:
    """Return what a file holds; None if there is none, or one that isn't whole."""
    try:
        digest, _, content = place.read_bytes().partition(b"\n")
        if digest != _digest(content):
            return None
        symbol, parameters, keeps_gil, outer, code = json.loads(content)
    except (OSError, ValueError, TypeError):
        return None
    return MachineCode(symbol, tuple(parameters), keeps_gil, tuple(outer), base64.b64decode(code))


def _keep(code: MachineCode, places: Iterator[Path]) -> None:
    """Write a file, whole or not at all, in the first folder that may be written to."""
    content = json.dumps([*code[:-1], base64.b64encode(code.code).decode()]).encode()
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            _replace(place, _digest(content) + b"\n" + content)
        except OSError:
            continue
        return


def _replace(place: Path, content: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        written = Path(folder, place.name)
        written.write_bytes(content)
        written.replace(place)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _loaded(code: MachineCode) -> Call:
    engine = _engine(code)
    made_by = ctypes.PYFUNCTYPE if code.keeps_gil else ctypes.CFUNCTYPE
    kinds = (_KINDS.get(parameter, ctypes.c_void_p) for parameter in code.parameters)
    function = made_by(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *kinds)
    call_it = function(engine.get_function_address(code.symbol))

    def call(*arguments: float, engine: Any = engine) -> int:  # noqa: ARG001 - which owns the code
        if len(arguments) != len(code.parameters):
            raise TypeError(f"{len(arguments)} arguments for {code.parameters}")
        result, error = ctypes.c_int64(), ctypes.c_void_p()
        status = call_it(ctypes.byref(result), ctypes.byref(error), *arguments)
        if status:
            raise RuntimeError(f"compiled code ended with status {status}: {code.symbol}")
        return result.value

    return call


def _engine(code: MachineCode) -> Any:
    """Return what holds a kernel, ready to be called. What it declares and never calls is the end of the process."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    never = [name for name in code.outer if name.startswith(_NEVER_CALLED)]
    module = binding.parse_assembly("\n".join(f'declare void @"{name}"()' for name in never))
    engine = binding.create_mcjit_compiler(module, binding.Target.from_default_triple().create_target_machine())
    for name in never:
        end = ctypes.cast(ctypes.pythonapi.Py_FatalError, ctypes.c_void_p).value
        engine.add_global_mapping(module.get_function(name), end)
    engine.add_object_file(binding.ObjectFileRef.from_data(code.code))
    engine.finalize_object()
    return engine
