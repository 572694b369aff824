"""Of which sources the package's compiled code is made. This file loads no numba."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

_MARKS = b"@compiled", b"@entry", b"import numba", b"from numba"  # of a file that holds compiled code
_IMPORT = re.compile(rb"from (dedup_core[\w.]*) import ([^\n(]+|\([^)]*\))")


@functools.cache
def version_of_kernels() -> str:
    """Return a short hash of all files of the package that hold compiled code, and of all that these import.

    Whatever is compiled may depend on constants in the latter. Of a package that is zipped the archive is hashed.
    """
    archive = next((folder for folder in PACKAGE.parents if folder.is_file()), None)
    if archive:
        return hashlib.sha256(archive.read_bytes()).hexdigest()[:12]
    sources = {path.relative_to(PACKAGE.parent).as_posix(): path.read_bytes() for path in PACKAGE.rglob("*.py")}
    version = hashlib.sha256()
    for name in sorted(_taking_part(sources)):
        version.update(hashlib.sha256(sources[name]).digest())
    return version.hexdigest()[:12]


def _taking_part(sources: Mapping[str, bytes]) -> set[str]:
    """Return the names of the files that hold compiled code, and of those that they import, and so on."""
    waiting = [name for name, source in sources.items() if any(mark in source for mark in _MARKS)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += (other for other in _imported(sources[name]) if other in sources)
    return found


def _imported(source: bytes) -> Iterator[str]:
    """Yield the files that a source's imports can mean."""
    for module, names in _IMPORT.findall(source):
        path = module.decode().replace(".", "/")
        yield f"{path}.py"
        yield from (f"{path}/{name}.py" for name in re.findall(r"\w+", names.decode()))
