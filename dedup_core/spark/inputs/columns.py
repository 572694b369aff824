"""Columns by the names that people give: a column exactly so named, or a path to a field of a struct."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from dedup_core.errors import InputError

_MOST_LISTED = 20


def column(frame: DataFrame, name: str, option: str, where: str = "the table", kinds: tuple[str, ...] = ()) -> Column:
    """Return the column that a person names.

    Args:
        frame: where to look.
        name: of a column, whatever its letters, or else dotted, of a field of a struct: ``image.path``. The exact
            spelling counts, also where Spark itself would pass over upper and lower case.
        option: by which the name was given.
        where: what to call the frame in a message.
        kinds: the types that it may have, the one to recommend first; any where there are none.

    Raises:
        InputError: if there is no such column, with those that there are; if Spark can't tell it from another one; or
            if it has another type.
    """
    path = _path_to(frame.schema, name)
    if path is None:
        raise InputError(f"{where} has no column {name!r} ({option}): {_what_there_is(frame, name)}")
    if isinstance(path.kind, StructType):
        fields = _listed([f"{name}.{leaf}" for leaf in _leaves(path.kind)])
        raise InputError(f"{where}'s column {name!r} ({option}) has fields: name one of {fields}")
    _refuse_twins(frame, path, f"{option}: {where} has")
    kind = path.kind.simpleString()
    if kinds and not re.match(r"\w+", kind)[0].startswith(kinds):  # type: ignore[index]  # a type has a name
        raise InputError(
            f"{where} has the column {name!r} ({option}) as {kind.upper()}: save it as {kinds[0].upper()}, or name "
            "another one"
        )
    return path.column()


def has_column(frame: DataFrame, name: str) -> bool:
    """Return whether there is a column or a field of that name."""
    return _path_to(frame.schema, name) is not None


def column_names(frame: DataFrame) -> list[str]:
    """Return the names that `column` takes: of columns, and of the fields of structs as ``image.path``."""
    return list(_leaves(frame.schema))


@dataclass(frozen=True)
class _ColumnPath:
    """The way to a column or a field: the names that lead to it, the structs in which they stand, and its type."""

    steps: tuple[str, ...]
    structs: tuple[StructType, ...]
    kind: DataType

    def column(self) -> Column:
        escaped = self.steps[0].replace("`", "``")
        column = F.col(f"`{escaped}`")
        for step in self.steps[1:]:
            column = column.getField(step)
        return column


def _path_to(struct: StructType, name: str) -> _ColumnPath | None:
    for field in struct:
        if field.name == name:
            return _ColumnPath((name,), (struct,), field.dataType)
    for field in struct:
        if isinstance(field.dataType, StructType) and name.startswith(f"{field.name}."):
            inside = _path_to(field.dataType, name.removeprefix(f"{field.name}."))
            if inside is not None:
                return _ColumnPath((field.name, *inside.steps), (struct, *inside.structs), inside.kind)
    return None


def _refuse_twins(frame: DataFrame, path: _ColumnPath, has: str) -> None:
    """Refuse a name for which Spark would find two columns."""
    is_case_sensitive = str(frame.sparkSession.conf.get("spark.sql.caseSensitive")).lower() == "true"
    for step, struct in zip(path.steps, path.structs, strict=True):
        alike = [name for name in struct.names if name.lower() == step.lower()]
        if struct.names.count(step) > 1 or (len(alike) > 1 and not is_case_sensitive):
            raise InputError(
                f"{has} columns that can't be told apart: {', '.join(map(repr, alike))}; rename one of them, or where "
                "they differ in upper and lower case set spark.sql.caseSensitive=true"
            )


def _what_there_is(frame: DataFrame, name: str) -> str:
    names = column_names(frame)
    by_lower_case = {known.lower(): known for known in names}
    close = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.6)
    has = f"has {_listed(names)}"
    return f"did you mean {by_lower_case[close[0]]!r}? It {has}" if close else f"it {has}"


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - _MOST_LISTED:,} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + rest


def _leaves(struct: StructType) -> Iterator[str]:
    for field in struct:
        if isinstance(field.dataType, StructType):
            yield from (f"{field.name}.{leaf}" for leaf in _leaves(field.dataType))
        else:
            yield field.name
