"""CSV by what its first line tells: the separator, and how many fields a row has."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_SEPARATORS = ",;\t|"
_LONGEST_FIELD = 16 * 2**20

Row = list[str]


@dataclass(frozen=True)
class Dialect:
    """What separates fields, what they are called, and whether a row of another number of fields is read as empty."""

    separator: str
    names: tuple[str, ...]
    is_lenient: bool = False

    @classmethod
    def of(cls, header: str) -> Dialect:
        """Return the dialect of a file that begins with this line. What separates the names separates the fields.

        Raises:
            ValueError: if the line names no columns.

        Example:
            >>> Dialect.of('path;"size, bytes"')
            Dialect(separator=';', names=('path', 'size, bytes'), is_lenient=False)
        """
        outside_quotes = re.sub('"[^"]*"', "", header)
        separator = max(_SEPARATORS, key=outside_quotes.count)
        names, _, is_cut = next(cls(separator, ()).rows([header]), (None, "", True))
        if not names or is_cut:
            raise ValueError(f"a line that names the columns must come first, not {header[:100]!r}")
        return cls(separator, tuple(name or f"_c{number}" for number, name in enumerate(names)))

    def rows(self, lines: Iterable[str]) -> Iterator[tuple[Row | None, str, bool]]:
        """Yield rows: None for one that is broken; the last line that it took; and whether a line break is inside."""
        csv.field_size_limit(_LONGEST_FIELD)
        remembered = _Remembered(lines)
        reader, taken = csv.reader(remembered, delimiter=self.separator, strict=True), 0
        while True:
            row: Row | None = None
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:  # a quote that is closed in the middle of a field, or never
                pass
            yield row, remembered.last, reader.line_num - taken > 1 or (row is None and remembered.is_over)
            taken = reader.line_num

    def fields(self, lines: Iterable[str]) -> Iterator[Row]:
        """Yield rows of which none is broken, without empty lines."""
        csv.field_size_limit(_LONGEST_FIELD)
        rows = filter(None, csv.reader(lines, delimiter=self.separator, strict=True))
        return (row if len(row) == len(self.names) else [""] * len(self.names) for row in rows)

    def takes(self, row: Row | None) -> bool:
        """Return whether a row has the fields that the names say, or is an empty line, or may have any."""
        return row is not None and (self.is_lenient or len(row) in (0, len(self.names)))


class _Remembered:
    """Lines, of which the last one can be told."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.last, self.is_over = "", False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            self.last = next(self._lines)
        except StopIteration:
            self.is_over = True
            raise
        return self.last
