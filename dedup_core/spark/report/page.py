"""The published tables to one page that people open: ``report/index.html``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.encoders.registry import methods as known_methods
from dedup_core.encoders.registry import metric_of
from dedup_core.errors import SettingsError
from dedup_core.filesystems import for_spark
from dedup_core.ledger import REPORT
from dedup_core.report.model import ReportData
from dedup_core.report.page import render
from dedup_core.settings.settings import ReportSettings
from dedup_core.spark.explained import explained
from dedup_core.spark.locks import settled
from dedup_core.spark.published import Published, read_table
from dedup_core.spark.publishing import refuse_foreign
from dedup_core.spark.report.counts import failure_kinds, method_results, rows_by_method
from dedup_core.spark.report.images import page_images
from dedup_core.spark.report.opened import Tables
from dedup_core.spark.report.quality import evaluations
from dedup_core.spark.report.sample import group_sample, pair_sample, paths_shown
from dedup_core.spark.report.searches import (
    embeddings_given,
    encoding_record,
    features_elsewhere,
    runs_shown,
    search_facts,
    unlisted_images,
)
from dedup_core.spark.runs import records as newest_first
from dedup_core.spark.store import Store
from dedup_core.spark.tables import FEATURES, TABLES, conform

_HOW_TO_REGISTER = "enter it in dedup_core.encoders.registry.ENCODERS first"


@explained()
def write_report(spark: SparkSession, settings: ReportSettings, say: Callable[[str], None]) -> str:
    """Write the page from the tables under the output folder, and return where it lies.

    Raises:
        InputError: if there are no tables.
        SettingsError: if they lack a method that is asked for, or the registry lacks all that they have.
        InUseError: if a run works in the folder.
    """
    with settled(Store(settings.output)):
        return write_page(spark, settings, say)


def write_page(spark: SparkSession, settings: ReportSettings, say: Callable[[str], None]) -> str:
    """Write the page as `write_report` does, for who holds the folder."""
    store = Store(settings.output)
    name = f"{REPORT}/{settings.report_name}"
    refuse_foreign(store, [], [], [name])
    report = gather(spark, store, settings)
    page = render(report)
    store.write_ledger(store.read_ledger().with_files([name]))
    store.write_lines(name, [page])
    missing = sum(image.thumbnail is None for image in report.files.values())
    if report.left_out:
        say(f"Left out {', '.join(report.left_out)}: no such method is registered: {_HOW_TO_REGISTER}")
    say(f"Report   {store.url}/{name} ({len(page.encode()) / 1e6:.1f} MB)")
    say(f"         {len(report.groups):,} of {sum(m.groups for m in report.methods):,} groups" + _note(missing))
    return f"{store.url}/{name}"


def _note(missing: int) -> str:
    if not missing:
        return ""
    which = f"{missing:,} images have no picture: if they have"
    if missing == 1:
        which = "one image has no picture: if it has"
    return f"; {which} moved, name their folder by --images"


def gather(spark: SparkSession, store: Store, settings: ReportSettings) -> ReportData:
    """Return what the page shows. The driver holds the sample and counts, never a table.

    Raises:
        InputError: if there are no tables.
        SettingsError: if they lack a method that is asked for, or the registry lacks all that they have.
    """
    records = list(newest_first(store))
    compared = _images_compared(spark, store, unlisted_images(records))
    shown, left_out = _methods_shown(compared, settings.report_method, embeddings_given(records))
    images = {method: compared[method] for method in shown}
    tables = _open_tables(spark, store, shown)
    searches = {method: search_facts(method, metric, records) for method, metric in tables.metrics.items()}
    groups = group_sample(tables, settings.max_groups, settings.max_images_per_group)
    pairs, results = pair_sample(tables), method_results(tables, images, searches)
    features = _open_features(spark, store, features_elsewhere(records))
    encoding = encoding_record(records)
    return ReportData(
        source=records[0]["source"] if records else store.url,
        methods=results,
        groups=groups,
        files=page_images(spark, settings, features, encoding, paths_shown(groups, pairs)),
        pairs=pairs,
        failures=failure_kinds(read_table(spark, store, "failures")) if Published.of(store).has("failures") else (),
        runs=runs_shown(records),
        evaluations=evaluations(spark, store, results, records),
        left_out=left_out,
        caution=(encoding or {}).get("counts", {}).get("caution", {}),
        stale=tuple(store.read_current().stale()),
    )


def _images_compared(spark: SparkSession, store: Store, unlisted: Mapping[str, int]) -> dict[str, int]:
    """Return method to number of images compared, of those in the tables and those whose pairs are not listed."""
    published = Published.of(store)
    if unlisted and not published.has("duplicates"):
        return dict(unlisted)
    return {**unlisted, **rows_by_method(published.read(spark, "duplicates"))}


def _methods_shown(
    present: Collection[str], wanted: Sequence[str] | None, given: Collection[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the methods to show, those that are wanted or all that are present, and those that must be left out.

    Args:
        present: methods that the tables hold.
        wanted: those that are asked for; None for all.
        given: names of embeddings that were given: methods too.
    """
    for method in wanted or ():
        if method not in present:
            raise SettingsError(
                f"--report-method: there are no duplicates by {method}; the tables hold "
                f"{', '.join(sorted(present)) or 'none'}"
            )
    methods = list(dict.fromkeys(wanted or sorted(present)))
    shown = [method for method in methods if method in known_methods() or method in given]
    left_out = tuple(method for method in methods if method not in shown)
    if left_out and not shown:
        raise SettingsError(
            f"there are only duplicates by {', '.join(left_out)} to show, and no such method is registered: "
            f"{_HOW_TO_REGISTER}"
        )
    return shown, left_out


def _open_tables(spark: SparkSession, store: Store, methods: Sequence[str]) -> Tables:
    """Open the tables that duplicates are shown from. There is none of pairs where no search has listed any."""
    published = Published.of(store)

    def rows_shown(table: str) -> DataFrame:
        return published.read(spark, table).where(F.col("method").isin(list(methods)))

    pairs = rows_shown("pairs") if published.has("pairs") else spark.createDataFrame([], TABLES["pairs"])
    metrics = {method: metric_of(method) for method in methods}
    return Tables(pairs, rows_shown("groups"), rows_shown("removals"), metrics)


def _open_features(spark: SparkSession, store: Store, elsewhere: str | None) -> DataFrame | None:
    """Open the features that were searched: the published ones, or those of another folder; None where none are."""
    published = Published.of(store)
    if published.has("features"):
        return published.read(spark, "features")
    if elsewhere is None or not Store(elsewhere).exists():
        return None
    if (other := Published.around(elsewhere)) is not None:
        return other.read(spark, "features")
    return conform(spark.read.parquet(for_spark(elsewhere)), FEATURES)
