"""Of which sources the package's compiled code is made. This file loads no numba."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

_MARKS = b"@compiled", b"@entry", b"import numba", b"from numba"  # of a file that holds compiled code


@functools.cache
def version_of_kernels() -> str:
    """Return a short hash of all files beside one that holds compiled code: its constants may lie in any of them.

    Of a package that is zipped the archive is hashed.
    """
    archive = next((folder for folder in PACKAGE.parents if folder.is_file()), None)
    version = hashlib.sha256(archive.read_bytes() if archive else b"")
    for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")}, key=lambda path: path.relative_to(PACKAGE)):
        sources = [path.read_bytes() for path in sorted(folder.glob("*.py"))]
        if any(mark in source for source in sources for mark in _MARKS):
            for source in sources:
                version.update(hashlib.sha256(source).digest())
    return version.hexdigest()[:12]
