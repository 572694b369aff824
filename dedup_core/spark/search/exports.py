"""imagededup's own forms of the result: duplicates.json and to_remove.json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from dedup_core.encoders.registry import metric_of
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store
from dedup_core.spark.tables import EVIDENCE_OF_OTHER, columns_of

DUPLICATES, REMOVALS = "duplicates", "to_remove"
_EXPORT = re.compile(r"(duplicates|to_remove)(_(?P<method>\w+))?\.json")


def export_names(settings: SearchSettings) -> list[str]:
    """Return the files that a search with these settings may write."""
    forms = (DUPLICATES, REMOVALS) if settings.list_pairs else (REMOVALS,)
    methods = settings.method if settings.export_json else ()
    return [_name(form, settings, method) for form in forms for method in methods]


def small_exports(settings: SearchSettings, counts: Mapping[str, Any], say: Callable[[str], None]) -> set[str]:
    """Return which forms of what a method found are small enough for JSON files; of the others say that they aren't.

    Args:
        settings: of the search.
        counts: what the method found.
        say: takes a line for the person who watches.
    """
    if not settings.export_json:
        return set()
    images = counts["images" if settings.list_pairs else "removals"]
    if images > settings.max_export_images:
        say(f"  {images:,} images are too many for the JSON files (max_export_images): the tables hold the same")
        return set()
    if not settings.list_pairs:
        return {REMOVALS}
    if counts["listed"] < counts["pairs"]:
        say(f"  duplicates.json would lack pairs of equal images: --most-copies {counts['most_copies']} lists them all")
        return {REMOVALS}
    if counts["listed"] > settings.max_export_pairs:
        too_many = f"{counts['listed']:,} pairs are too many for duplicates.json (max_export_pairs)"
        say(f"  {too_many}: the tables hold the same")
        return {REMOVALS}
    return {DUPLICATES, REMOVALS}


def stale_exports(store: Store, methods: Collection[str] | None = None) -> list[str]:
    """Return the JSON files of earlier runs that would outlive what they tell of.

    Args:
        store: the output folder.
        methods: those whose tables are new; all, if None. The files of other methods stay, as their tables do.
    """
    exports = [_EXPORT.fullmatch(name) for name in store.entries()]
    return [
        export[0]
        for export in exports
        if export and (methods is None or export["method"] is None or export["method"] in methods)
    ]


def export_duplicates(duplicates: DataFrame, settings: SearchSettings, method: str, staging: Staging) -> None:
    """Make one method's map ready as JSON. Rows stream through the driver.

    Args:
        duplicates: its ``duplicates`` table.
        settings: of the search.
        method: its name.
        staging: where the file is made ready.
    """
    kind = "int" if metric_of(method).is_whole else "double"
    told = [(lambda each: each["score"].cast(kind).cast("string"))] if settings.scores else []
    told += [(lambda each: F.concat(F.lit('"'), each["verdict"], F.lit('"')))] if settings.verdicts else []
    if settings.verdicts and settings.is_judged(method):
        told += [lambda each: F.to_json(F.struct(*(each[name].alias(name) for name in columns_of(EVIDENCE_OF_OTHER))))]
    as_json = _with(told) if told else _names_only()
    rows = duplicates.orderBy("path").select("path", as_json.alias("as_json"))
    staging.finish_file(_name(DUPLICATES, settings, method), _json_object(rows.toLocalIterator()))


def export_removals(removals: DataFrame, settings: SearchSettings, method: str, staging: Staging) -> None:
    """Make one method's list of what can be removed ready as JSON, as `export_duplicates`."""
    rows = removals.select("path").orderBy("path")
    staging.finish_file(_name(REMOVALS, settings, method), _json_list(rows.toLocalIterator()))


def _name(form: str, settings: SearchSettings, method: str) -> str:
    suffix = "" if len(settings.method) == 1 else f"_{method}"
    return f"{form}{suffix}.json"


def _json_object(rows: Iterable[Row]) -> Iterator[str]:
    yield "{"
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n  {json.dumps(row['path'])}: {row['as_json']}"
    yield "\n}\n"


def _json_list(rows: Iterable[Row]) -> Iterator[str]:
    yield "["
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n  {json.dumps(row['path'])}"
    yield "\n]\n"


def _names_only() -> Column:
    """Return a row's duplicates as JSON text, made by Spark: a row may have a million of them."""
    return F.to_json(F.transform("duplicates", lambda duplicate: duplicate["path"]))


def _with(told: Sequence[Callable[[Column], Column]]) -> Column:
    """Return a row's duplicates as JSON text, each an array of its path and what else is told of it."""

    def as_json(duplicate: Column) -> Column:
        name = F.regexp_replace(F.to_json(F.array(duplicate["path"])), r"\]$", "")  # ["name" without its end
        return F.concat(F.concat_ws(",", name, *(each(duplicate) for each in told)), F.lit("]"))

    return F.concat(F.lit("["), F.array_join(F.transform("duplicates", as_json), ","), F.lit("]"))
