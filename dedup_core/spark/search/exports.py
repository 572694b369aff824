"""imagededup's own forms of the result: duplicates.json and to_remove.json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from pyspark.sql import Column, Row, SparkSession
from pyspark.sql import functions as F

from dedup_core.encoders.registry import metric_of
from dedup_core.settings.settings import SearchSettings
from dedup_core.spark.staging import read_table
from dedup_core.spark.store import Store

_EXPORT = re.compile(r"(duplicates|to_remove)(_(?P<method>\w+))?\.json")


def export_names(settings: SearchSettings, methods: Iterable[str] | None = None) -> list[str]:
    """Return the files that a search with these settings writes, of some methods or of all."""
    if not settings.export_json:
        return []
    forms = ("duplicates", "to_remove") if settings.list_pairs else ("to_remove",)
    of = settings.method if methods is None else methods
    return [f"{form}{_suffix(settings, method)}.json" for form in forms for method in of]


def methods_to_export(
    settings: SearchSettings, counts: Mapping[str, Mapping[str, float]], say: Callable[[str], None]
) -> list[str]:
    """Return the methods whose results are few enough for JSON files, and say so of the others.

    Args:
        settings: of the search.
        counts: what each method found.
        say: takes a line for the person who watches.
    """
    largest, small = "images" if settings.list_pairs else "removals", []
    for method in settings.method if settings.export_json else ():
        if (images := counts[method][largest]) <= settings.max_export_images:
            small.append(method)
            continue
        say(f"  {images:,} images are too many for the JSON files (max_export_images): the tables hold the same")
    return small


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


def export_maps(spark: SparkSession, store: Store, settings: SearchSettings, methods: Iterable[str]) -> None:
    """Write the JSON files of some methods, from the published tables. Rows stream through the driver."""
    for method in methods:
        suffix, is_of_method = _suffix(settings, method), F.col("method") == F.lit(method)
        if settings.list_pairs:
            kind = "int" if metric_of(method).is_whole else "double"
            as_json = _with_scores(kind) if settings.scores else _names_only()
            duplicates = read_table(spark, store, "duplicates").where(is_of_method).orderBy("path")
            rows = duplicates.select("path", as_json.alias("as_json")).toLocalIterator()
            store.write_lines(f"duplicates{suffix}.json", _json_object(rows))
        removals = read_table(spark, store, "removals").where(is_of_method).select("path").orderBy("path")
        store.write_lines(f"to_remove{suffix}.json", _json_list(removals.toLocalIterator()))


def _suffix(settings: SearchSettings, method: str) -> str:
    return "" if len(settings.method) == 1 else f"_{method}"


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


def _with_scores(score: str) -> Column:
    def as_json(duplicate: Column) -> Column:
        name = F.regexp_replace(F.to_json(F.array(duplicate["path"])), r"\]$", "")  # ["name" without its end
        return F.concat(name, F.lit(","), duplicate["score"].cast(score).cast("string"), F.lit("]"))

    return F.concat(F.lit("["), F.array_join(F.transform("duplicates", as_json), ","), F.lit("]"))
