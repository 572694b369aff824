"""imagededup's own forms of the result: duplicates.json and to_remove.json."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator

from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from dedup_core.config import SearchSettings
from dedup_core.encoders import is_hash
from dedup_core.spark.runs import Run
from dedup_core.spark.store import read_table


def clear_exports(run: Run, methods: Collection[str] | None = None) -> None:
    """Delete the JSON files of an earlier run that would outlive what they tell of.

    Args:
        run: whose output folder holds them.
        methods: those whose tables are new; all, if None. The files of other methods stay, as their tables do.
    """
    for name in run.store.entries():
        export = re.fullmatch(r"(duplicates|to_remove)(_(?P<method>\w+))?\.json", name)
        if export and (methods is None or export["method"] is None or export["method"] in methods):
            run.store.delete_file(name)


def export_maps(run: Run, settings: SearchSettings) -> None:
    """Write the JSON files, or say why not. Rows stream through the driver; it never holds them all."""
    for method in settings.method:
        suffix = "" if len(settings.method) == 1 else f"_{method}"
        duplicates = read_table(run.spark, run.store, "duplicates").where(F.col("method") == method)
        if (images := duplicates.count()) > settings.max_export_images:
            run.say(
                f"  {images:,} images are too many for duplicates.json (max_export_images): the tables hold the same"
            )
            continue
        as_json = _with_scores("int" if is_hash(method) else "double") if settings.scores else _names_only()
        rows = duplicates.orderBy("path").select("path", as_json.alias("found")).toLocalIterator()
        run.store.write_lines(f"duplicates{suffix}.json", _json_object(rows))
        removals = read_table(run.spark, run.store, "removals").where(F.col("method") == method).select("path")
        run.store.write_lines(f"to_remove{suffix}.json", _json_list(removals.orderBy("path").toLocalIterator()))


def _json_object(rows: Iterable[Row]) -> Iterator[str]:
    yield "{"
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n  {json.dumps(row['path'])}: {row['found']}"
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
