"""The command ``dedup``, also as ``python -m dedup_core``."""

from __future__ import annotations

import importlib.util
import sys
from typing import NoReturn

_NEEDED = {"pyspark": "pyspark", "pandas": "pandas", "pydantic": "pydantic", "click": "click", "yaml": "PyYAML"}
"""What the extra ``spark`` brings and every job imports: the module, and the package it comes in."""


def main() -> NoReturn:
    """Run the command line of this process, and leave with its exit code."""
    missing = [package for module, package in _NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        sys.stderr.write(f"error: {', '.join(missing)} missing, which dedup needs: pip install 'dedup-core[spark]'\n")
        sys.exit(1)
    from dedup_core.console.group import run_dedup  # loads those packages

    run_dedup(sys.argv[1:])


if __name__ == "__main__":
    main()
