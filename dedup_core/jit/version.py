"""Of which sources the package's compiled code is made. This file loads no numba."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

_MARKS = b"@compiled", b"@entry", b"import numba", b"from numba"  # of a file that holds compiled code


@functools.cache
def version_of_kernels() -> str:
    """Return a short hash of all files of the package that hold compiled code, whatever folder they stand in.

    Where the package is zipped there are none.
    """
    package = Path(__file__).parents[1]
    version = hashlib.sha256()
    for path in sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).parts):
        source = path.read_bytes()
        if any(mark in source for mark in _MARKS):
            version.update(hashlib.sha256(source).digest())
    return version.hexdigest()[:12]
