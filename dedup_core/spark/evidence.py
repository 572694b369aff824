"""What geometry says of a pair: as columns of a table, and as numbers where pairs pass between tasks as such.

It is said of a first picture, a, and a second one, b, and can be turned: what b is to a, a is to b.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F

from dedup_core.relations import RELATIONS, SAME_PIXELS
from dedup_core.spark.tables import EVIDENCE, EVIDENCE_OF_OTHER, columns_of

COLUMNS = tuple(columns_of(EVIDENCE))
"""Of a table."""

TRANSFORM = tuple(f"transform_{at}" for at in range(6))
NUMBERS = (*COLUMNS[:-1], *TRANSFORM)
"""The names of the numbers, each DOUBLE: NaN for null, and relations and sides by their place in a list."""

SIDES = ("a", "b")
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_ARROW = {
    "inliers": pa.int32(), "overlap_a": pa.float64(), "overlap_b": pa.float64(), "likeness": pa.float64(),
    "worst_tile": pa.float64(), "relation": pa.string(), "derived": pa.string(), "degrees": pa.float64(),
    "mirrored": pa.bool_(), "transform": pa.list_(pa.float64()),
}  # fmt: skip
FIELDS = [pa.field(name, kind) for name, kind in _ARROW.items()]
"""The columns as Arrow has them."""

Numbers = Mapping[str, np.ndarray]


def of_equal() -> dict[str, Column]:
    """Return the columns as they are of two files whose bytes are equal: nothing was matched."""
    known = dict.fromkeys(("overlap_a", "overlap_b", "likeness"), F.lit(1.0))
    known |= {"worst_tile": F.lit(0.0), "relation": F.lit(SAME_PIXELS), "degrees": F.lit(0.0)}
    known |= {"mirrored": F.lit(False), "transform": F.array(*map(F.lit, _IDENTITY))}
    kinds = columns_of(EVIDENCE)
    return {name: known.get(name, F.lit(None)).cast(kinds[name]).alias(name) for name in COLUMNS}


def as_numbers(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Return ``NUMBERS`` of the columns of a pair."""
    none = F.lit(float("nan"))
    told = {name: columns[name] for name in COLUMNS[:-1]}
    told["relation"], told["derived"] = (_place(columns[name], of) for name, of in _LISTS.items())
    told |= {name: F.element_at(columns["transform"], at) for at, name in enumerate(TRANSFORM, start=1)}
    return {name: F.coalesce(column.cast("double"), none) for name, column in told.items()}


def turned(numbers: Numbers, is_turned: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is said of pairs, with the two pictures changed over in some of them.

    Args:
        numbers: ``NUMBERS``, float64 (n,) each.
        is_turned: bool (n,), in which.
    """
    told = {name: numbers[name] for name in NUMBERS}
    other = {"overlap_a": told["overlap_b"], "overlap_b": told["overlap_a"], "derived": 1.0 - told["derived"]}
    # A picture that is mirrored and then turned is made from its mirror image by the same turn.
    other["degrees"] = np.where(told["mirrored"] == 1.0, told["degrees"], -told["degrees"])
    other |= _inverse(*(told[name] for name in TRANSFORM))
    return told | {name: np.where(is_turned, values, told[name]) for name, values in other.items()}


def as_arrays(numbers: Numbers) -> list[pa.Array]:
    """Return the columns of ``FIELDS`` from ``NUMBERS``."""
    arrays = []
    for name, kind in _ARROW.items():
        if name == "transform":
            arrays.append(_lists(np.stack([numbers[of] for of in TRANSFORM], axis=1)))
            continue
        is_null = np.isnan(numbers[name])
        values = np.where(is_null, 0.0, numbers[name])
        if name in _LISTS:
            arrays.append(pa.array(_LISTS[name]).take(pa.array(values.astype(np.int32), mask=is_null)))
        else:
            arrays.append(pa.array(values.astype(kind.to_pandas_dtype()), kind, mask=is_null))
    return arrays


def of_other(entry: Column, is_first: Column) -> list[Column]:
    """Return what is told of another image in the row of one: sides are 'this' and 'other'.

    Args:
        entry: a struct with the columns, but for ``transform``.
        is_first: whether the image of the row is a.
    """
    overlaps = [F.when(is_first, entry[one]).otherwise(entry[other]) for one, other in (COLUMNS[1:3], COLUMNS[2:0:-1])]
    is_this = (entry["derived"] == F.lit("a")) == is_first
    derived = F.when(entry["derived"].isNotNull(), F.when(is_this, F.lit("this")).otherwise(F.lit("other")))
    degrees = F.when(is_first | entry["mirrored"], entry["degrees"]).otherwise(-entry["degrees"])
    told = {"overlap_this": overlaps[0], "overlap_other": overlaps[1], "derived": derived, "degrees": degrees}
    return [told.get(name, entry[name]).alias(name) for name in columns_of(EVIDENCE_OF_OTHER)]


_LISTS = {"relation": RELATIONS, "derived": SIDES}


def _place(column: Column, names: tuple[str, ...]) -> Column:
    """Return where a name stands in a list; null for none."""
    place = F.array_position(F.array(*map(F.lit, names)), column) - F.lit(1)
    return F.when(column.isNotNull(), place)


def _inverse(*transform: np.ndarray) -> dict[str, np.ndarray]:
    a, b, c, d, e, f = transform
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1.0 / (a * e - b * d)
    rows = (e, -b, b * f - e * c, -d, a, d * c - a * f)
    return {name: scale * row for name, row in zip(TRANSFORM, rows, strict=True)}


def _lists(rows: np.ndarray) -> pa.ListArray:
    is_told = ~np.isnan(rows[:, 0])
    starts = np.concatenate([[0], np.cumsum(rows.shape[1] * is_told)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(starts, mask=np.append(~is_told, False)), pa.array(rows[is_told].ravel()))
