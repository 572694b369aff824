"""What the jobs do: encode, find, publish. A job is a choice of these steps."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.config import (
    EncodeSettings,
    FindSettings,
    JobSettings,
    PipelineSettings,
    ReportSettings,
    SearchSettings,
)
from dedup_core.errors import InputError, SettingsError, to_install
from dedup_core.spark import features as encoding
from dedup_core.spark.encoding_tasks import EncodePlan
from dedup_core.spark.exports import clear_exports, export_maps
from dedup_core.spark.find import check_features, find_method
from dedup_core.spark.local_files import local_path
from dedup_core.spark.runs import Run
from dedup_core.spark.schemas import FEATURES, TABLES, conform
from dedup_core.spark.sources import open_source
from dedup_core.spark.store import Staging, Store, literal, read_table

Say = Callable[[str], None]


def run_pipeline(spark: SparkSession, settings: PipelineSettings, say: Say) -> Run:
    """Make every table from images."""
    run = _open_run(spark, settings, say, settings.input)
    encoded = _encode(run, settings)
    found = _find(run, settings, encoded.read("ready/features", FEATURES))
    _close_run(run, settings, [encoded, found])
    if settings.report:
        _report(run, settings)
    return run


def run_encode(spark: SparkSession, settings: EncodeSettings, say: Say) -> Run:
    """Make the ``features`` and ``failures`` tables from images."""
    run = _open_run(spark, settings, say, settings.input)
    return _close_run(run, settings, [_encode(run, settings)])


def run_find(spark: SparkSession, settings: FindSettings, say: Say) -> Run:
    """Make the ``pairs``, ``duplicates``, ``groups`` and ``removals`` tables from features.

    Raises:
        InputError: if there is no features table.
        SettingsError: if it lacks a method.
    """
    store = Store(settings.output)
    if settings.features is None:
        table, source = read_table(spark, store, "features"), _source_of(store)
    elif Store(settings.features).exists():
        table = conform(spark.read.parquet(literal(Store(settings.features).path())), FEATURES)
        source = settings.features
    else:
        raise InputError(f"--features: there is no table at {settings.features}")
    run = _open_run(spark, settings, say, source)
    return _close_run(run, settings, [_find(run, settings, table)])


def _report(run: Run, settings: PipelineSettings) -> None:
    """Write the page. The tables are published by now: that they can't be shown does not make the run a failure."""
    if importlib.util.find_spec("jinja2") is None:
        run.say(f"No report: it needs jinja2 ({to_install('report')})")
        return
    from dedup_core.spark.report import write_report  # loads the templates' engine, which the tables do without

    run.say("Writing the report")
    with run.stage("report"):
        write_report(run.spark, ReportSettings.model_validate({"output": settings.output}), say=lambda _line: None)


def _open_run(spark: SparkSession, settings: JobSettings, say: Say, source: str) -> Run:
    store = Store(settings.output)
    local = local_path(source)
    run = Run(spark, store, settings, say, source if local is None else os.path.abspath(local))
    if isinstance(settings, EncodeSettings) and _lies_inside(store.url, source):
        raise SettingsError(f"the output folder {store.url} lies inside the input {run.source}: choose one outside it")
    run.check_output()
    return run


def _lies_inside(output: str, folder: str) -> bool:
    inner, outer = (
        location if (local := local_path(location)) is None else os.path.realpath(local)
        for location in (output, folder)
    )
    return f"{inner.rstrip('/')}/".startswith(f"{outer.rstrip('/')}/")


def _source_of(store: Store) -> str:
    """Return what the tables of a store were made from, as its newest record says."""
    record = store.newest_record()
    return str(record["source"]) if record else store.url


def _encode(run: Run, settings: EncodeSettings) -> Staging:
    def progress(done: int, total: int, seconds: float) -> None:
        rest = f", {(total - done) * seconds / done:,.0f} s to go" if done < total else ""
        run.say(f"  {done:,} of {total:,} images, {done / seconds:,.0f} a second{rest}")

    plan = EncodePlan.of(settings)
    staging = Staging(run.spark, run.store, encoding.work_name(settings, plan))
    run.say(f"Encoding {settings.input} by {', '.join(settings.method)}")
    with run.stage("encode"):
        encoding.encode_all(open_source(run.spark, settings), staging, settings, plan, progress)
        counts = encoding.finish_tables(staging, settings, plan, run.run_id)
    run.counts |= {"seen": counts.seen, "encoded": counts.encoded, "reused": counts.reused, "failed": counts.failed}
    return staging


def _find(run: Run, settings: SearchSettings, features: DataFrame) -> Staging:
    check_features(features, settings.method)
    staging = Staging(run.spark, run.store, "find")
    staging.clear()  # an earlier run's that crashed
    for method in settings.method:
        find_method(run, settings, method, features.where(F.col("method") == method), staging)
    return staging


def _close_run(run: Run, settings: JobSettings, work: list[Staging]) -> Run:
    """Publish all tables one after the other, then the exports, and the record last."""
    with run.stage("publish"):
        if run.replaces_all:
            for name in [*TABLES, "evaluation", "report", "runs"]:
                run.store.delete(name)
        for staging in work:
            staging.publish()
        if run.replaces_all:
            clear_exports(run)
        elif isinstance(settings, SearchSettings):
            clear_exports(run, settings.method)
        if isinstance(settings, SearchSettings) and settings.export_json:
            export_maps(run, settings)
        for staging in work:
            staging.clear()
    run.record()
    return run
