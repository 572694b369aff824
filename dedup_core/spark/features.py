"""Images to features: one decode an image, whatever the number of methods, with progress that survives a crash."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.config import EncodeSettings
from dedup_core.errors import DedupError, InputError
from dedup_core.spark.encoding_tasks import BATCH_IMAGES, EncodePlan, encode_contents
from dedup_core.spark.schemas import ENCODED, FAILURES, FEATURES, LISTING, conform
from dedup_core.spark.session import setting
from dedup_core.spark.sources import Source
from dedup_core.spark.store import Staging, literal, read_table

_BUCKETS = 1024
_FIRST_CHECKPOINT_IMAGES = 500
_BATCH_BYTES = 1 << 30
_HASHES_A_FILE = 1_000_000
_VECTORS_A_FILE = 30_000
_PASSING_REASONS = ("vanished", "unreadable")
_IDENTITY = ["path", "size", "modified_at"]

Progress = Callable[[int, int, float], None]
"""Called with the images done, the images to do and the seconds spent."""


@dataclass(frozen=True)
class EncodeCounts:
    """What came of a run's images."""

    seen: int
    encoded: int
    reused: int
    failed: dict[str, int]


def encode_all(
    source: Source, staging: Staging, settings: EncodeSettings, plan: EncodePlan, progress: Progress
) -> None:
    """Encode what has no features yet, and save progress in the staging place as it goes."""
    staging.clear("listing")
    try:
        source.list_into(staging)
    except InputError:
        if not staging.whole_parts("encoded"):
            staging.clear()
        raise
    listing = staging.read("listing", LISTING)
    before = _done_before(staging, settings, plan)
    todo = listing if before is None else _like(listing, before, "left_anti")
    todo = staging.write("todo", todo.withColumn("bucket", F.pmod(F.xxhash64("path"), F.lit(_BUCKETS))))
    sizes = {row["bucket"]: row["count"] for row in todo.groupBy("bucket").count().collect()}
    started, done, total = time.monotonic(), 0, sum(sizes.values())
    for first, last, images in _checkpoints(sizes, settings.checkpoint_seconds):
        chosen = todo.where(F.col("bucket").between(first, last)).drop("bucket")
        target = staging.path("encoded", f"{secrets.token_hex(8)}")
        tasks = -(-images // settings.images_per_task)
        with setting(staging.spark, "spark.sql.execution.arrow.maxRecordsPerBatch", str(_batch_rows(chosen))):
            contents = source.contents(chosen.repartition(tasks))
            encode_contents(contents, plan).write.parquet(target)
        done += images
        progress(done, total, time.monotonic() - started)


def finish_tables(staging: Staging, settings: EncodeSettings, plan: EncodePlan, run_id: str) -> EncodeCounts:
    """Make the ``features`` and ``failures`` tables ready, and account for every image.

    Raises:
        InputError: if no image could be encoded, or more failed than the settings allow.
        DedupError: if the images don't add up, which would mean that some were lost.
    """
    listed = staging.read("listing", LISTING).select(_IDENTITY)
    encoded = _like(_encoded_so_far(staging), listed, "left_semi").withColumn("run_id", F.lit(run_id))
    features = conform(encoded.where(F.col("method").isNotNull()), FEATURES)
    failed = encoded.where(F.col("method").isNull()).join(features.select("path"), on="path", how="left_anti")
    # What failed in passing before a crash was tried again after it: its last failure stands for both.
    failures = staging.write("ready/failures", conform(failed.dropDuplicates(["path"]), FAILURES))
    reusable = _reusable(staging, settings, plan)
    if reusable is not None:
        kept = _like(reusable, listed, "left_semi").join(features.select("path"), on="path", how="left_anti")
        kept = kept.join(failures.select("path"), on="path", how="left_anti")
        features = features.unionByName(conform(kept, FEATURES))
    files = -(-listed.count() // (_VECTORS_A_FILE if "cnn" in plan.methods else _HASHES_A_FILE))
    features.coalesce(files).write.mode("overwrite").partitionBy("method").parquet(staging.path("ready", "features"))
    return _account(staging, settings, run_id)


def work_name(settings: EncodeSettings, plan: EncodePlan) -> str:
    """Name a piece of work by its input and by what its features depend on, so that a rerun finds what is done."""
    stated = [settings.input, settings.input_format, settings.path_column, settings.content_column]
    stated += [repr(plan.decoding), str(plan.max_file_bytes)]
    stated += [plan.fingerprint(name) for name in plan.methods]
    return f"encode-{hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:12]}"


def _like(images: DataFrame, others: DataFrame, how: str) -> DataFrame:
    """Join on what tells an image's content; unknown equals unknown, as a manifest knows neither size nor time."""
    renamed = others.select(*(F.col(name).alias(f"other_{name}") for name in _IDENTITY))
    same = [F.col(name).eqNullSafe(F.col(f"other_{name}")) for name in _IDENTITY]
    return images.join(renamed, on=functools.reduce(operator.and_, same), how=how)


def _done_before(staging: Staging, settings: EncodeSettings, plan: EncodePlan) -> DataFrame | None:
    """Return the images that a crashed run of the same work, or the published tables, already have."""
    encoded = _encoded_so_far(staging)
    is_final = F.col("reason").isNull() | ~F.col("reason").isin(*_PASSING_REASONS)
    crashed = encoded.where(is_final).select(_IDENTITY) if staging.whole_parts("encoded") else None
    reusable = _reusable(staging, settings, plan)
    if reusable is None:
        return crashed
    methods = reusable.groupBy(*_IDENTITY).count()
    complete = methods.where(F.col("count") == F.lit(len(settings.method))).select(_IDENTITY)
    return complete if crashed is None else complete.unionByName(crashed)


def _reusable(staging: Staging, settings: EncodeSettings, plan: EncodePlan) -> DataFrame | None:
    """Return the published features that this run would compute again just the same, if there may be any."""
    if settings.overwrite or not settings.reuse or not staging.store.exists("features"):
        return None
    same = [(F.col("method") == name) & (F.col("fingerprint") == plan.fingerprint(name)) for name in plan.methods]
    published = read_table(staging.spark, staging.store, "features").where(functools.reduce(operator.or_, same))
    pixels = F.col("width").cast("bigint") * F.col("height")
    within_limits = (F.col("size") <= settings.max_file_bytes) & (pixels <= settings.max_pixels)
    return published.where(F.col("modified_at").isNotNull() & within_limits)


def _encoded_so_far(staging: Staging) -> DataFrame:
    parts = staging.whole_parts("encoded")
    if not parts:
        return staging.spark.createDataFrame([], ENCODED)
    return staging.spark.read.schema(ENCODED).parquet(*map(literal, parts))


def _batch_rows(images: DataFrame) -> int:
    """Return how many images Arrow may carry at once: a batch's bytes must stay below 2 GiB."""
    largest = images.agg(F.max("size").alias("largest")).collect()[0]["largest"] or 1
    return max(1, min(BATCH_IMAGES, _BATCH_BYTES // max(1, largest)))


def _checkpoints(sizes: dict[int, int], seconds: float) -> Iterator[tuple[int, int, int]]:
    """Cut the buckets into runs that take about ``seconds`` each, going by how fast the one before went."""
    wanted, first, images = _FIRST_CHECKPOINT_IMAGES, 0, 0
    for bucket in range(_BUCKETS):
        images += sizes.get(bucket, 0)
        last_one = bucket == _BUCKETS - 1
        if images >= wanted or (last_one and images):
            started = time.monotonic()
            yield first, bucket, images
            wanted = max(1, min(int(images * seconds / (time.monotonic() - started)), images * 8))
            first, images = bucket + 1, 0


def _account(staging: Staging, settings: EncodeSettings, run_id: str) -> EncodeCounts:
    seen = staging.read("listing", LISTING).count()
    features = staging.read("ready/features", FEATURES)
    is_reused = (F.coalesce("run_id", F.lit("")) != F.lit(run_id)).cast("int")
    methods = (
        features.groupBy("method").agg(F.count("path").alias("encoded"), F.sum(is_reused).alias("reused")).collect()
    )
    failures = staging.read("ready/failures", FAILURES).groupBy("reason").count().orderBy(F.desc("count")).collect()
    failed = {row["reason"]: row["count"] for row in failures}
    encoded = {row["method"]: row["encoded"] for row in methods}
    if not encoded:
        raise InputError(f"none of the {seen:,} files in {settings.input} could be encoded: {_list(failed)}")
    for method in settings.method:
        if encoded.get(method, 0) + sum(failed.values()) != seen:
            raise DedupError(
                f"{seen:,} images were listed, but {encoded.get(method, 0):,} have {method} features and "
                f"{sum(failed.values()):,} failed: do all workers see the same files?"
            )
    if sum(failed.values()) > settings.max_failed_share * seen:
        raise InputError(
            f"{sum(failed.values()):,} of {seen:,} images failed ({_list(failed)}), more than the share of "
            f"{settings.max_failed_share:g} that max_failed_share allows"
        )
    return EncodeCounts(seen, encoded[settings.method[0]], min(row["reused"] for row in methods), failed)


def _list(failed: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in failed.items())
