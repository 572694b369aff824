"""Write the tables of README.md and benchmarks/README.md from figures.yaml, so that each figure stands in one place.

    python benchmarks/figures.py            # after a figure in figures.yaml has changed
    python benchmarks/figures.py --check    # ends with 1 and names the files where text and figures differ

A table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`; all else is left as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "benchmarks" / "figures.yaml"
FILES = ROOT / "README.md", ROOT / "benchmarks" / "README.md"

_TABLE = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)

Tables = Mapping[str, Mapping[str, Any]]


def tables() -> Tables:
    """Return all tables by name, as they stand in figures.yaml."""
    return yaml.safe_load(FIGURES.read_text(encoding="utf-8"))


def rewritten(text: str, figures: Tables) -> str:
    """Return a page with its tables written anew.

    Raises:
        KeyError: if it names a table that there isn't.
    """
    return _TABLE.sub(lambda found: f"{found[1]}{as_table(found[2], figures)}{found[3]}", text)


def as_table(name: str, figures: Tables) -> str:
    """Return a table in Markdown."""
    columns, rows = cells(name, figures)
    line = "---:" if figures[name].get("right") else "---"
    lines = [columns, ["---", *[line] * (len(columns) - 1)], *rows]
    return "".join(f"|{'|'.join(_padded(line))}|\n" for line in lines)


def cells(name: str, figures: Tables) -> tuple[list[str], list[list[str]]]:
    """Return a table's columns and rows: its own, or those that it takes from another table."""
    table = figures[name]
    if "from" not in table:
        return table["columns"], table["rows"]
    columns, rows = cells(table["from"], figures)
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    chosen = [row for row in named if all(row[column] in values for column, values in table["where"].items())]
    return list(table["columns"].values()), [[row[column] for column in table["columns"]] for row in chosen]


def _padded(cells: list[str]) -> list[str]:
    return [cell if set(cell) <= set("-:") and cell else f" {cell} " if cell else " " for cell in cells]


def main(arguments: list[str]) -> int:
    """Write the files, or with --check say which of them differ; return the exit code."""
    pages = {path: path.read_text(encoding="utf-8") for path in FILES}
    new = {path: rewritten(text, tables()) for path, text in pages.items()}
    differing = [path for path, text in pages.items() if text != new[path]]
    for path in differing:
        print(f"{path.relative_to(ROOT)}: {'differs from figures.yaml' if '--check' in arguments else 'written'}")
        if "--check" not in arguments:
            path.write_text(new[path], encoding="utf-8")
    return 1 if differing and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
