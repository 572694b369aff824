"""Checks of what callers of the functions over DataFrames pass: each error names the argument, and what it must be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import DataFrame

from dedup_core.arguments import shown
from dedup_core.errors import InputError

_SAID_AS_IT_IS = (str, bytes, int, float, list, tuple, os.PathLike, type(None))


def dataframe(value: Any, name: str, columns: Iterable[str] = ()) -> DataFrame:
    """Return the value, a DataFrame of Spark, classic or of Connect.

    Args:
        value: what is passed.
        name: of the argument.
        columns: that it must have.

    Raises:
        TypeError: if it is none.
        InputError: if it lacks a column.
    """
    if not _is_dataframe(value):
        raise TypeError(f"{name} must be a DataFrame of Spark, not {_what(value)}: {_how_to_make(value, name)}")
    for column in columns:
        if column not in value.columns:
            raise InputError(f"the {name} have no column {column!r}: they have {', '.join(value.columns)}")
    frame: DataFrame = value
    return frame


def dataframe_or_none(value: Any, name: str, columns: Iterable[str] = ()) -> DataFrame | None:
    """Return the value, a DataFrame as `dataframe` takes it, or None."""
    return None if value is None else dataframe(value, name, columns)


def names(value: Any, name: str) -> tuple[str, ...]:
    """Return one name or several as a tuple.

    Raises:
        TypeError: if it is anything else.
    """
    if isinstance(value, str):
        return (value,)
    is_many = isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)) and not _is_dataframe(value)
    several = tuple(value) if is_many else (None,)
    if not all(isinstance(one, str) for one in several):
        raise TypeError(f"{name} must be a name or a list of names, such as 'phash', not {_what(value)}")
    return several


def text(value: Any, name: str, what: str = "a column's name") -> str:
    """Return the value, a string that is not empty.

    Raises:
        TypeError: if it is no string.
        ValueError: if it is empty.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be {what}, not {_what(value)}")
    if not value:
        raise ValueError(f"{name} must be {what}, not ''")
    return value


def folder_or_none(value: Any, name: str = "folder") -> str | None:
    """Return the value as text, a path or a URL, or None.

    Raises:
        TypeError: if it is neither.
        ValueError: if it is empty.
    """
    return None if value is None else text(_plain(value), name, "a path")


def _is_dataframe(value: Any) -> bool:
    """Return whether a value is a DataFrame of Spark: those of Connect are of a class of their own."""
    return callable(getattr(type(value), "mapInArrow", None))


def _plain(path: Any) -> Any:
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def _what(value: Any) -> str:
    """Return a value in few words: no table's rows are shown."""
    if isinstance(value, _SAID_AS_IT_IS) and not hasattr(value, "_fields"):
        return shown(value).replace("\n", " ")
    kind = type(value)
    return f"a {kind.__module__.split('.')[0]}.{kind.__qualname__}"


def _how_to_make(value: Any, name: str) -> str:
    if name in getattr(value, "_fields", ()):
        return f"give its .{name}"
    if isinstance(value, (str, os.PathLike)):
        return "spark.read makes one of files"
    return "spark.createDataFrame makes one of rows"
