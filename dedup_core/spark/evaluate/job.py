"""The evaluation job: predictions, held against the truth where there is one, at every threshold.

Everything lies under ``evaluation/`` at the end, and replaces what an earlier evaluation left there. Pairs stay in
Spark: the driver sees one row a threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.commands import to_run
from dedup_core.errors import InputError, LimitError, SettingsError
from dedup_core.evaluation.metrics import Quality
from dedup_core.evaluation.results import SAMPLES, MethodEvaluation, result_names, summary_lines, write_results
from dedup_core.evaluation.sweep_groups import GroupCounts
from dedup_core.filesystems import normal, same_place
from dedup_core.ledger import EVALUATION
from dedup_core.settings.layers import option
from dedup_core.settings.settings import EvaluateSettings
from dedup_core.spark.evaluate.ground_truth import fitted, read_truth
from dedup_core.spark.evaluate.predictions import Predictions, read_map, read_tables
from dedup_core.spark.evaluate.scoring import score
from dedup_core.spark.evaluate.thresholds import count_group_sizes, count_groups, count_pairs, sample_pairs
from dedup_core.spark.evaluate.truth import Truth
from dedup_core.spark.explained import explained
from dedup_core.spark.locks import Snapshot
from dedup_core.spark.published import Published
from dedup_core.spark.runs import Run, source_of
from dedup_core.spark.staging import Staging
from dedup_core.spark.store import Store

Stage = Callable[[str], AbstractContextManager[None]]

_GATES = {"precision": "min_precision", "recall": "min_recall", "f1-score": "min_f1"}
_SAMPLES = ("method", "threshold", "path_a", "path_b", "score", "is_true")


@explained()
def run_evaluate(spark: SparkSession, settings: EvaluateSettings, say: Callable[[str], None]) -> Run:
    """Make ``evaluation/`` from the tables of an output folder or a JSON map, and from the truth if there is one.

    Raises:
        SettingsError: if methods or columns are missing.
        InputError: if there are no tables, or the truth or the map can't be read, contradicts itself, or is about other
            images.
        LimitError: if a quality gate is not met. The results are written before.
    """
    with _open_run(spark, settings, say) as run:
        for sentence in [sentence for snapshot in run.read for sentence in snapshot.current.stale()]:
            say(f"Stale: {sentence}")
        results = _evaluate(run, settings)
    for result in results:
        for line in summary_lines(result, settings.target_precision):
            say(line)
    say(f"\nTables   {run.store.url}/evaluation/")
    if Published.of(run.store).has("duplicates"):
        say(f"Next     {to_run('report')} --output {settings.output} shows it on a page")
    _check_gates(settings, results)
    return run


def _evaluate(run: Run, settings: EvaluateSettings) -> list[MethodEvaluation]:
    staging = Staging(run.spark, run.store, f"evaluate-{run.run_id}")
    try:
        results = _evaluated(run, settings, staging)
        run.counts["evaluated"] = {result.method: result.counts() for result in results}
        with run.stage("publish"):
            run.publish([staging], gone=[EVALUATION])
    finally:
        if run.store.read_current().pending is None:  # else what is staged is still to be moved
            staging.clear()
    run.record()
    return results


@contextmanager
def _open_run(spark: SparkSession, settings: EvaluateSettings, say: Callable[[str], None]) -> Iterator[Run]:
    store = Store(settings.output)
    evaluated = _evaluated_store(settings, store)
    read = [] if evaluated is None else [Snapshot.of(evaluated)]
    # An evaluation adds to the tables: it is of the same source as they are.
    source = normal(str(settings.duplicates)) if evaluated is None else source_of(evaluated)
    run = Run(spark, store, settings, say, source, read=read)
    with run.output([], [], [f"{EVALUATION}/{name}" for name in (SAMPLES, *result_names(settings.method))]):
        if run.replaces_all:
            raise SettingsError(f"{store.url} holds tables made from another input, which no evaluation replaces")
        yield run


def _evaluated_store(settings: EvaluateSettings, output: Store) -> Store | None:
    """Return the folder whose tables are evaluated; None for a JSON map."""
    if settings.duplicates is None or same_place(settings.duplicates, settings.output):
        return output
    if settings.duplicates.lower().endswith(".json"):
        return None
    other = Store(settings.duplicates)
    if not other.exists():
        raise InputError(f"--duplicates: there is nothing at {settings.duplicates}")
    return other


def _evaluated(run: Run, settings: EvaluateSettings, staging: Staging) -> list[MethodEvaluation]:
    """Evaluate every method and leave the results ready to be published."""
    store = _evaluated_store(settings, run.store)
    truth = None
    if settings.ground_truth is not None:
        run.say(f"Reading the ground truth {settings.ground_truth}")
        with run.stage("truth"):
            truth = read_truth(run.spark, settings, staging)
    results, samples = [], []
    for method in settings.method:
        run.say(f"Evaluating {method}")
        with run.stage("read"):
            predictions = read_map(settings, staging) if store is None else read_tables(run.spark, store, method)
            known = None if truth is None else fitted(truth, predictions.images, predictions.failures, run.say)
        results.append(_evaluate_method(predictions, known, settings.max_sweep_pairs, run.stage))
        if settings.samples_per_threshold and store is not None:
            with run.stage("sample"):
                drawn = _samples(predictions, known, settings.samples_per_threshold)
                samples.append(staging.write(f"samples_{method}", drawn))
    with run.stage("write"):
        if samples:
            _write_samples(samples, staging)
        _write(results, settings, staging)
    return results


def _evaluate_method(
    predictions: Predictions, truth: Truth | None, max_sweep_pairs: int, stage: Stage
) -> MethodEvaluation:
    """Evaluate one method.

    Args:
        predictions: its pairs.
        truth: over exactly the images that it compared, if there is one.
        max_sweep_pairs: of more pairs, groups are counted at the loosest threshold alone.
        stage: times what runs under a name.
    """
    quality: Quality | None = None
    with stage("score"):
        if truth is None:
            n_pairs = count_pairs(predictions.pairs, predictions.thresholds)
        else:
            quality = score(truth, predictions.pairs, predictions.n_images, predictions.thresholds)
            n_pairs = quality.sweep.pairs
    scored = MethodEvaluation(
        predictions.method, predictions.n_images, predictions.thresholds, predictions.metric, n_pairs, quality
    )
    if predictions.groups is None:
        return scored
    with stage("group"):
        return _grouped(scored, predictions.pairs, predictions.groups, max_sweep_pairs)


def _grouped(scored: MethodEvaluation, pairs: DataFrame, groups: DataFrame, max_sweep_pairs: int) -> MethodEvaluation:
    """Add what each threshold groups and removes."""
    sizes = count_group_sizes(groups).orderBy("group_size").collect()  # one row a size
    by_size = np.array([(row["group_size"], row["groups"]) for row in sizes], np.int64).reshape(-1, 2)
    n_pairs = scored.pairs[-1]
    if n_pairs <= max_sweep_pairs:
        return replace(scored, groups=count_groups(pairs, scored.thresholds), sizes=by_size)
    note = (
        f"{n_pairs:,} pairs are more than max_sweep_pairs: groups and removals are given at the loosest threshold alone"
    )
    return replace(scored, groups=_at_loosest(groups, len(scored.thresholds)), sizes=by_size, notes=[note])


def _at_loosest(groups: DataFrame, n_thresholds: int) -> GroupCounts:
    """Return the counts of the ``groups`` table for the last threshold, and -1, which is none, for the others."""
    first = F.col("path") == F.col("group_id")
    counted = groups.agg(
        F.count_if(first).alias("groups"), F.count("*").alias("images"), F.count_if(~F.col("keep")).alias("removals")
    )
    row = counted.collect()[0]
    blank = np.full(n_thresholds - 1, -1, np.int64)
    return GroupCounts(*(np.append(blank, row[name]) for name in ("groups", "images", "removals")))


def _samples(predictions: Predictions, truth: Truth | None, per_threshold: int) -> DataFrame:
    drawn = sample_pairs(predictions.pairs.select("path_a", "path_b", "score", "threshold"), per_threshold)
    marked = drawn.withColumn("is_true", F.lit(None).cast("boolean")) if truth is None else truth.marked(drawn)
    return marked.withColumn("method", F.lit(predictions.method)).select(*_SAMPLES)


def _write_samples(samples: list[DataFrame], staging: Staging) -> None:
    every = samples[0]
    for more in samples[1:]:
        every = every.unionByName(more)
    # Some thousand rows: one file in one order.
    staging.write(f"ready/{EVALUATION}/{SAMPLES}", every.coalesce(1).sortWithinPartitions(*_SAMPLES[:4]))


def _write(results: list[MethodEvaluation], settings: EvaluateSettings, staging: Staging) -> None:
    from dedup_core.plotting.evaluation import write_figures  # takes matplotlib, which loads when it is first used

    def open_output(name: str) -> BinaryIO:
        return staging.open_output("ready", EVALUATION, name)

    write_results(results, settings.target_precision, open_output)
    write_figures(results, open_output)


def _check_gates(settings: EvaluateSettings, results: list[MethodEvaluation]) -> None:
    failed = []
    for result in results:
        for figure, gate in _GATES.items():
            least = getattr(settings, gate)
            if least is not None and (reached := result.figures[figure][1]) < least:
                failed.append(f"{result.method} {figure} {reached:.4f} is below the {least:g} of {option(gate)}")
    if failed:
        place = f"{settings.output}/evaluation/"
        raise LimitError(f"the quality gate is not met: {'; '.join(failed)} (what other thresholds reach: {place})")
