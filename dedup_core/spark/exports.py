"""imagededup's own forms of the result: duplicates.json and to_remove.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from pyspark.sql import Row
from pyspark.sql import functions as F

from dedup_core.config import FindSettings
from dedup_core.encoders import Encoder, encoder
from dedup_core.spark.runs import Run
from dedup_core.spark.store import read_table


def export_maps(run: Run, settings: FindSettings) -> None:
    """Write the JSON files, or say why not. Rows stream through the driver; it never holds them all."""
    for method in settings.method:
        suffix = "" if len(settings.method) == 1 else f"_{method}"
        duplicates = read_table(run.spark, run.store, "duplicates").where(F.col("method") == method)
        if (images := duplicates.count()) > settings.max_export_images:
            run.say(
                f"  {images:,} images are too many for duplicates.json (max_export_images): the tables hold the same"
            )
            continue
        rows = duplicates.orderBy("path").toLocalIterator()
        as_json = _with_scores(encoder(method)) if settings.scores else _names_only
        run.store.write_lines(f"duplicates{suffix}.json", _json_object(rows, as_json))
        removals = read_table(run.spark, run.store, "removals").where(F.col("method") == method).select("path")
        run.store.write_lines(f"to_remove{suffix}.json", _json_list(removals.orderBy("path").toLocalIterator()))


def _json_object(rows: Iterable[Row], as_json: Callable[[Row], object]) -> Iterator[str]:
    yield "{"
    for number, row in enumerate(rows):
        found = [as_json(duplicate) for duplicate in row["duplicates"]]
        yield f"{',' if number else ''}\n  {json.dumps(row['path'])}: {json.dumps(found)}"
    yield "\n}\n"


def _json_list(rows: Iterable[Row]) -> Iterator[str]:
    yield "["
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n  {json.dumps(row['path'])}"
    yield "\n]\n"


def _names_only(duplicate: Row) -> object:
    return duplicate["path"]


def _with_scores(encoder: Encoder) -> Callable[[Row], object]:
    score = int if encoder.feature == "hash" else float
    return lambda duplicate: [duplicate["path"], score(duplicate["score"])]
