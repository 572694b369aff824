"""What the jobs do: encode, find, publish. A job is a choice of these steps."""

from __future__ import annotations

import importlib.util
import posixpath
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.commands import job_named
from dedup_core.encoders.registry import metric_of
from dedup_core.errors import InputError, LimitError, SettingsError, first_line, to_install
from dedup_core.filesystems import fixed_part, lies_inside, normal
from dedup_core.ledger import ENCODED, PLACES, REPORT, RUNS, SEARCHED
from dedup_core.settings.settings import (
    EncodeSettings,
    FindSettings,
    JobSettings,
    PipelineSettings,
    ReportSettings,
    SearchSettings,
)
from dedup_core.spark.batches import are_few
from dedup_core.spark.encode.features import FeatureWork, check_share, encode_all, finish_tables, work_name
from dedup_core.spark.encode.manifests import manifest_columns
from dedup_core.spark.encode.rereading import Reread, encode_settings_of
from dedup_core.spark.encode.sources import open_source
from dedup_core.spark.encode.tasks import EncodePlan
from dedup_core.spark.explained import explained
from dedup_core.spark.locks import Snapshot
from dedup_core.spark.provenance import FeatureFacts, facts_of, of_features, of_search
from dedup_core.spark.published import Published
from dedup_core.spark.publishing import publish
from dedup_core.spark.runs import Run, newest_record, records, source_of
from dedup_core.spark.search.exports import export_names, stale_exports
from dedup_core.spark.search.find import Again, check_features, find_method
from dedup_core.spark.search.given_embeddings import GivenTable, given_features, tell
from dedup_core.spark.search.given_features import read_features
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store
from dedup_core.spark.tables import FEATURES, TABLES, conform

Say = Callable[[str], None]

_PAGE = f"{REPORT}/{ReportSettings.model_fields['report_name'].default}"


@explained()
def run_pipeline(spark: SparkSession, settings: PipelineSettings, say: Say) -> Run:
    """Make every table from images."""
    files = [*([_PAGE] if settings.report else []), *export_names(settings)]
    with _open_run(spark, settings, say, settings.input, [*ENCODED, *SEARCHED], files) as run:
        _find_all(run, settings)
        if settings.report:
            _report(run, settings)
    return run


@explained()
def run_encode(spark: SparkSession, settings: EncodeSettings, say: Say) -> Run:
    """Make the ``features`` and ``failures`` tables from images."""
    with _open_run(spark, settings, say, settings.input, ENCODED) as run:
        _close_encoding(run, _encode(run, settings))
    return run


@explained()
def run_find(spark: SparkSession, settings: FindSettings, say: Say) -> Run:
    """Make the ``pairs``, ``duplicates``, ``groups`` and ``removals`` tables from features.

    Raises:
        InputError: if there is no features table, or it holds what can't be searched.
        SettingsError: if it lacks a method, or lies where this run writes.
    """
    store, table = Store(settings.output), _given_table(spark, settings)
    own = store.path("features")
    location = own if settings.features is None else settings.features
    is_own = lies_inside(location, own) and lies_inside(own, location)
    read = Snapshot.of(store if is_own else Store(posixpath.dirname(normal(location))))
    is_alone = table is not None and is_own and not _holds_others(store, table.name)
    if is_alone:
        source, features = normal(str(settings.embeddings)), spark.createDataFrame([], FEATURES)
    else:
        source = source_of(store) if is_own else normal(location)
        features = read_features(spark, location, settings.stored, say)
    tables = SEARCHED if table is None else (*ENCODED, *SEARCHED)
    with _open_run(spark, settings, say, source, tables, export_names(settings)) as run:
        if run.replaces_all and not is_alone and lies_inside(location, own):
            raise SettingsError(f"--overwrite would replace the features in {own}, which are to be searched")
        run.read.append(read)
        run.check()
        for sentence in read.current.stale_features():
            say(f"Stale: {sentence}")
        features, works = _with_given(run, table, features, _published_failures(run))
        images = check_features(features, settings.encoded, settings.encoded_together)
        encoded = _encoded_as(store if is_own else Store(posixpath.dirname(source)), settings)
        again = Again(_reread(run, encoded), _of_manifest(run, settings, encoded))
        _close_search(run, settings, [*works, _find(run, settings, features, again, are_few(images))])
    return run


def _find_all(run: Run, settings: PipelineSettings) -> None:
    manifest = _of_manifest(run, settings, settings)  # a column that it lacks is told of before anything is encoded
    table = _given_table(run.spark, settings)
    encoded = _encode(run, settings)
    features, failures = (encoded.read(f"ready/{name}", TABLES[name]) for name in ENCODED)
    features, works = _with_given(run, table, features, failures)
    try:
        again = Again(_reread(run, settings), manifest)
        found = _find(run, settings, features, again, encoded.holds_few)
    except LimitError as error:
        # A stricter threshold needs the features, and they cost the most: they are there for the next attempt.
        for name in ("found", "given"):
            run.counts.pop(name, None)
        _close_encoding(run, encoded)
        raise LimitError(f"{error}. {_how_to_go_on(run, settings)}") from error
    _close_search(run, settings, [encoded, *works, found])


@contextmanager
def _open_run(
    spark: SparkSession, settings: JobSettings, say: Say, source: str, tables: Sequence[str], files: Sequence[str] = ()
) -> Iterator[Run]:
    store = Store(settings.output)
    run = Run(spark, store, settings, say, normal(source))
    if isinstance(settings, EncodeSettings):
        _check_input(store, run.source)
    if (embeddings := getattr(settings, "embeddings", None)) is not None:
        _check_input(store, normal(embeddings))
    methods = dict.fromkeys(name for kind in ("method", "encoded", "made") for name in getattr(settings, kind, ()))
    with run.output(tables, methods, files):
        yield run


def _check_input(store: Store, source: str) -> None:
    """Refuse an input that the output would come to lie in, or that lies where runs write.

    Raises:
        SettingsError: says which.
    """
    if lies_inside(store.url, source):
        raise SettingsError(f"the output folder {store.url} lies inside the input {source}: choose one outside it")
    for place in PLACES:
        if lies_inside(fixed_part(source), store.path(place)):
            raise SettingsError(
                f"the input {source} lies in {store.url}/{place}, where a run writes its tables: choose another output "
                "folder"
            )


def _report(run: Run, settings: PipelineSettings) -> None:
    """Write the page. The tables are published by now: that they can't be shown does not make the run a failure."""
    if importlib.util.find_spec("jinja2") is None:
        run.say(f"No report: it needs jinja2 ({to_install('report')})")
        return
    from dedup_core.spark.report.page import write_page  # loads the templates' engine, which the tables do without

    run.say("Writing the report")
    with run.stage("report"):
        try:
            write_page(run.spark, ReportSettings.model_validate({"output": settings.output}), say=lambda _line: None)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run is finished
            run.say(f"No report: {first_line(error)} (the tables are whole; {job_named('report')} tries again)")


def _encode(run: Run, settings: EncodeSettings) -> Staging:
    def progress(done: int, total: int, seconds: float) -> None:
        rest = f", {(total - done) * seconds / done:,.0f} s to go" if done < total else ""
        run.say(f"  {done:,} of {total:,} images, {done / seconds:,.0f} a second{rest}")

    plan = EncodePlan.of(settings)
    staging = run.staging(work_name(settings, plan))
    run.say(f"Encoding {settings.input} by {', '.join(settings.made)}")
    for note in plan.notes:
        run.say(f"  {note}")
    with run.stage("encode"):
        source, goes_on = open_source(run.spark, settings), not run.replaces_all
        work = FeatureWork.of(source, staging, settings, plan, run.run_id, goes_on)
        with work.staging.joining():
            encode_all(source, work, progress)
            counts = finish_tables(work)
    run.counts |= vars(counts)
    try:
        check_share(counts, settings)
    except InputError as error:
        raise InputError(f"{error} (which: the table {_publish_failures(run, staging)})") from error
    return work.staging


def _given_table(spark: SparkSession, settings: SearchSettings) -> GivenTable | None:
    """Return the table of embeddings that is given, its columns checked; None where there is none."""
    if settings.embeddings is None:
        return None
    name, path_column = settings.embeddings_name[0], settings.embeddings_path_column
    table = GivenTable(name, settings.embeddings, path_column, settings.column)
    table.rows(spark)
    return table


def _holds_others(store: Store, method: str) -> bool:
    """Return whether a features table is there, of more than embeddings that were given alone."""
    return any(entry not in (f"method={method}", "_SUCCESS") for entry in Published.of(store).entries("features"))


def _published_failures(run: Run) -> DataFrame | None:
    published = Published.of(run.store).undeleted()
    is_there = published.has("failures") and not run.replaces_all
    return published.read(run.spark, "failures") if is_there else None


def _with_given(
    run: Run, table: GivenTable | None, features: DataFrame, failures: DataFrame | None
) -> tuple[DataFrame, list[Staging]]:
    """Return features with those of the embeddings that are given, and the work that makes them ready, if there is any.

    Args:
        run: the run.
        table: the embeddings.
        features: of the images that were encoded; none where the table alone says which there are.
        failures: that are known of.
    """
    if table is None:
        return features, []
    staging = run.staging("given")
    staging.clear()  # an earlier run's that crashed
    table = replace(table, run_id=run.run_id)
    run.say(f"Reading the embeddings {table.location} as {table.name}")
    with run.stage("read"):
        given = given_features(table, features, failures, staging)
    tell(given.counts, run.say)
    run.counts["given"] = {table.name: given.counts}
    others = features.where(F.col("method") != F.lit(table.name))
    return others.unionByName(conform(given.features, FEATURES)), [staging]


def _publish_failures(run: Run, work: Staging) -> str:
    """Show what failed in a run that goes no further, and return where: what finished runs have published stays."""
    place = "failures"
    if newest_record(run.store) is not None:
        place = f"{RUNS}/{run.run_id}.failures"
        run.store.move(work.place("ready", "failures"), work.place("ready", place))
    work.clear("ready", "features")
    run.check()
    publish(run.store, [work], check=run.still_holds)
    return f"{run.store.url}/{place}"


def _encoded_as(store: Store, settings: FindSettings) -> EncodeSettings | None:
    """Return how the images behind a features table were read; None where no record says so."""
    record = next((record for record in records(store) if "input" in record["settings"]), None)
    if record is None and settings.images is None:
        return None
    return encode_settings_of(settings.output, record, settings.images)


def _reread(run: Run, encoded: EncodeSettings | None) -> Reread | None:
    """Return how encoded images are read again; None, and a line that says so, where they can't be."""
    try:
        if encoded is not None:
            return Reread.of(run.spark, encoded)
    except InputError:
        if getattr(run.settings, "images", None) is not None:
            raise
    run.say("The images can't be read again, so that only equal files are the same: name their folder by --images")
    return None


def _note_features(run: Run, features: DataFrame, given: Sequence[str] = ()) -> dict[str, FeatureFacts]:
    """Note what is known of features, and return it by method; what the run writes of them is made by it."""
    facts = facts_of(features, given)
    written = getattr(run.settings, "made", ())
    run.made |= of_features({name: facts[name] for name in (*written, *given) if name in facts}, run.run_id, run.source)
    return facts


def _of_manifest(run: Run, settings: SearchSettings, encoded: EncodeSettings | None) -> DataFrame | None:
    """Return path and the columns that the order names and only a manifest has; None where it names none."""
    missing = [step.column for step in settings.order if not step.is_of_features]
    return manifest_columns(run.spark, encoded, missing) if missing else None


def _find(run: Run, settings: SearchSettings, features: DataFrame, again: Again, are_few: bool) -> Staging:
    staging = run.staging("find", are_few)
    staging.clear()  # an earlier run's that crashed
    features, run.counts["found"] = staging.together(features), {}
    facts = _note_features(run, features, () if settings.embeddings is None else settings.embeddings_name)
    with staging.joining():
        for method in settings.method:
            run.counts["found"][method] = find_method(settings, method, features, staging, run, again)
            run.made |= of_search(settings, method, metric_of(method), facts, run.run_id, run.source)
    return staging


def _how_to_go_on(run: Run, settings: PipelineSettings) -> str:
    stale = "; pairs and groups there are still an earlier run's" if Published.of(run.store).has("groups") else ""
    given = "" if settings.embeddings is None else " and the same --embeddings"
    return (
        f"The features are in {run.store.url}/features{stale}: {job_named('find_duplicates')} "
        f"--output {settings.output} --method {','.join(settings.method)}{given} with such an option searches them"
    )


def _close_encoding(run: Run, work: Staging) -> None:
    """Publish features and failures."""
    if not run.made:
        _note_features(run, work.read(f"ready/{ENCODED[0]}", FEATURES))
    with run.stage("publish"):
        run.publish([work], _of_another_input(run))
    run.record()


def _close_search(run: Run, settings: SearchSettings, work: list[Staging]) -> None:
    """Publish all tables and exports at once."""
    gone = _of_another_input(run) or stale_exports(run.store, settings.method)
    if not settings.list_pairs:
        gone += [f"{table}/method={method}" for table in ("pairs", "duplicates") for method in settings.method]
    with run.stage("publish"):
        run.publish(work, gone)
    run.record()


def _of_another_input(run: Run) -> list[str]:
    """Return what of ours goes because it was made from another input."""
    ours = (*run.store.read_ledger().files, *run.store.read_current().folders)
    return sorted({place.split("/")[0] for place in ours}) if run.replaces_all else []
