"""The published tables to one page that people open: ``report/index.html``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.encoders.registry import ENCODERS
from dedup_core.errors import SettingsError
from dedup_core.filesystems import for_spark
from dedup_core.ledger import REPORT
from dedup_core.report.model import ImageFile, MethodResult, ReportData, RunFacts
from dedup_core.report.page import render
from dedup_core.settings.settings import ReportSettings
from dedup_core.spark.publishing import refuse_foreign
from dedup_core.spark.report import sample as sampling
from dedup_core.spark.report.images import pictures
from dedup_core.spark.report.quality import evaluations
from dedup_core.spark.runs import newest_search
from dedup_core.spark.runs import records as newest_first
from dedup_core.spark.staging import read_table
from dedup_core.spark.store import Store
from dedup_core.spark.tables import FEATURES, TABLES, conform

_RUNS_SHOWN = 3
Record = Mapping[str, Any]


def write_report(spark: SparkSession, settings: ReportSettings, say: Callable[[str], None]) -> str:
    """Write the page from the tables under the output folder, and return where it lies.

    Raises:
        InputError: if there are no tables.
        SettingsError: if they have none of the methods to show.
    """
    store = Store(settings.output)
    name = f"{REPORT}/{settings.report_name}"
    refuse_foreign(store, [], [], [name])
    report = gather(spark, store, settings)
    page = render(report)
    store.write_ledger(store.read_ledger().with_files([name]))
    store.write_lines(name, [page])
    missing = sum(file.thumbnail is None for file in report.files.values())
    say(f"Report   {store.url}/{name} ({len(page.encode()) / 1e6:.1f} MB)")
    say(f"         {len(report.groups):,} of {sum(m.groups for m in report.methods):,} groups" + _note(missing))
    return f"{store.url}/{name}"


def gather(spark: SparkSession, store: Store, settings: ReportSettings) -> ReportData:
    """Return what the page shows. The driver holds the sample and counts, never a table.

    Raises:
        InputError: if there are no tables.
        SettingsError: if they have none of the methods to show.
    """
    records = list(newest_first(store))
    images = _images(spark, store, settings, records)
    tables = _tables(spark, store, list(images))
    groups = sampling.group_sample(tables, settings.max_groups, settings.max_images_per_group)
    pairs = sampling.pair_sample(tables)
    failures = read_table(spark, store, "failures") if store.exists("failures") else None
    counted = sampling.method_results(tables, images, _thresholds(tables, records))
    results = tuple(_with_search(result, records) for result in counted)
    return ReportData(
        source=records[0]["source"] if records else store.url,
        methods=results,
        groups=groups,
        files=_files(spark, store, settings, records, sampling.paths_shown(groups, pairs)),
        pairs=pairs,
        failures=() if failures is None else sampling.failure_kinds(failures),
        runs=tuple(_run_facts(record) for record in _worth_showing(records)),
        evaluations=evaluations(spark, store, results, records),
    )


def _note(missing: int) -> str:
    return f"; {missing:,} images have no picture: if they have moved, name their folder by --images" if missing else ""


def _images(spark: SparkSession, store: Store, settings: ReportSettings, records: Sequence[Record]) -> dict[str, int]:
    """Return method to number of images compared, of the methods to show."""
    present = _unlisted(records)
    if not present or store.exists("duplicates"):
        rows = read_table(spark, store, "duplicates").groupBy("method").count().collect()
        present |= {row["method"]: row["count"] for row in rows}
    for method in settings.report_method or ():
        if method not in present:
            raise SettingsError(
                f"--report-method: there are no duplicates by {method}; the tables hold "
                f"{', '.join(sorted(present)) or 'none'}"
            )
    return {method: present[method] for method in dict.fromkeys(settings.report_method or sorted(present))}


def _unlisted(records: Sequence[Record]) -> dict[str, int]:
    """Return method to number of images compared, of methods whose newest search listed no pairs."""
    methods = {method for record in records for method in record.get("counts", {}).get("found", {})}
    searches = {method: newest_search(method, records) for method in methods}
    return {
        method: search["counts"]["found"][method]["images"]
        for method, search in searches.items()
        if not _lists_pairs(search)
    }


def _tables(spark: SparkSession, store: Store, methods: Sequence[str]) -> sampling.Tables:
    def shown(table: str) -> DataFrame:
        if table == "pairs" and not store.exists(table):
            return spark.createDataFrame([], TABLES[table])
        return read_table(spark, store, table).where(F.col("method").isin(list(methods)))

    ascending = {method: method in ENCODERS and ENCODERS[method].feature == "hash" for method in methods}
    return sampling.Tables(shown("pairs"), shown("groups"), shown("removals"), ascending)


def _worth_showing(records: Sequence[Record]) -> list[Record]:
    """Return the newest records: those of runs that made tables, and of the evaluations the last one alone."""
    evaluated = [record for record in records if "evaluated" in record.get("counts", {})]
    return [record for record in records if record not in evaluated[1:]][:_RUNS_SHOWN]


def _thresholds(tables: sampling.Tables, records: Sequence[Record]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for method, ascending in tables.ascending.items():
        name = "max_distance_threshold" if ascending else "min_similarity_threshold"
        found[method] = newest_search(method, records).get("settings", {}).get(name)
    return found


def _lists_pairs(search: Record) -> bool:
    return search.get("settings", {}).get("list_pairs", True)


def _with_search(result: MethodResult, records: Sequence[Record]) -> MethodResult:
    """Say of a method whose newest search was clustered what recall it measured, and how many pairs were not listed."""
    search = newest_search(result.name, records)
    counts = search["counts"]["found"][result.name] if search else {}
    if "recall" in counts:
        result = replace(result, is_exact=False, recall=counts["recall"])
    if search and not _lists_pairs(search):
        result = replace(result, lists_pairs=False, pairs=counts["pairs"])
    return result


def _files(
    spark: SparkSession, store: Store, settings: ReportSettings, records: Sequence[Record], paths: Sequence[str]
) -> dict[str, ImageFile]:
    """Return what is known of each image on the page, with its picture."""
    features = _features(spark, store, records)
    known = {}
    if features is not None and paths:
        wanted = F.broadcast(spark.createDataFrame([(path,) for path in paths], "path STRING"))
        facts = features.select("path", "width", "height", "format", "size").join(wanted, on="path", how="left_semi")
        known = {row["path"]: row for row in facts.dropDuplicates(["path"]).collect()}
    sizes = {path: known[path]["size"] if path in known else None for path in paths}
    encoding = next((record for record in records if "input" in record["settings"]), None)
    made = pictures(spark, settings, encoding, sizes)
    return {
        path: ImageFile(**{name: known[path][name] if path in known else None for name in _FACTS},
                        thumbnail=made[path][0], missing=made[path][1])
        for path in paths
    }  # fmt: skip


_FACTS = ("width", "height", "format", "size")


def _features(spark: SparkSession, store: Store, records: Sequence[Record]) -> DataFrame | None:
    """Return the features that were searched: the published ones, or those of another folder that a run names."""
    if store.exists("features"):
        return read_table(spark, store, "features")
    other = next((r["settings"]["features"] for r in records if r["settings"].get("features")), None)
    if other is None or not Store(other).exists():
        return None
    return conform(spark.read.parquet(for_spark(other)), FEATURES)


def _run_facts(record: Record) -> RunFacts:
    parts = {name: record.get(name, {}) for name in ("settings", "versions", "seconds")}
    return RunFacts(run_id=str(record.get("run_id")), source=str(record.get("source")), **parts)
