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

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.config import EncodeSettings
from dedup_core.encoders import Decoding, Encoded, encode_batch, encoder
from dedup_core.errors import DedupError, InputError
from dedup_core.picture import Failure
from dedup_core.spark.local_files import read_uri
from dedup_core.spark.schemas import ENCODED, FAILURES, FEATURES, LISTING, conform
from dedup_core.spark.session import setting
from dedup_core.spark.sources import Source
from dedup_core.spark.store import Staging, literal, read_table

_BUCKETS = 1024
_FIRST_CHECKPOINT_IMAGES = 2_000
_BATCH_IMAGES = 64
_IDENTITY = ["path", "size", "modified_at"]

Progress = Callable[[int, int, float], None]
"""Called with the images done, the images to do and the seconds spent."""

_ENCODED_ARROW = pa.schema(
    [
        ("path", pa.string()), ("size", pa.int64()), ("modified_at", pa.timestamp("us", "UTC")), ("width", pa.int32()),
        ("height", pa.int32()), ("format", pa.string()), ("method", pa.string()), ("fingerprint", pa.string()),
        ("hash", pa.int64()), ("embedding", pa.list_(pa.float32())), ("reason", pa.string()), ("message", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class EncodePlan:
    """What a worker needs to know to encode; small, and sent with every task."""

    methods: tuple[str, ...]
    decoding: Decoding
    max_file_bytes: int

    @classmethod
    def of(cls, settings: EncodeSettings) -> EncodePlan:
        """Take from the settings what matters to a worker."""
        return cls(settings.method, settings.decoding, settings.max_file_bytes)

    def fingerprint(self, method: str) -> str:
        """Return the fingerprint of that method's features."""
        return self.decoding.fingerprint(encoder(method))


@dataclass(frozen=True)
class EncodeCounts:
    """What came of a run's images."""

    seen: int
    encoded: int
    reused: int
    failed: dict[str, int]


def encode_contents(contents: DataFrame, plan: EncodePlan) -> DataFrame:
    """Encode images.

    Args:
        contents: columns of ``schemas.CONTENTS``.
        plan: methods and settings.

    Returns:
        Columns of ``schemas.ENCODED``: a row an image and method, or one row an image with a reason and no method.
    """

    def encode(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for start in range(0, batch.num_rows, _BATCH_IMAGES):
                yield _encode_rows(batch.slice(start, _BATCH_IMAGES).to_pylist(), plan)

    return contents.mapInArrow(encode, ENCODED)


def encode_all(source: Source, staging: Staging, settings: EncodeSettings, progress: Progress) -> None:
    """Encode what has no features yet, and save progress in the staging place as it goes."""
    staging.clear("listing")
    source.list_into(staging)
    listing = staging.read("listing", LISTING)
    before = _done_before(staging, settings)
    todo = listing if before is None else listing.join(before, on=_IDENTITY, how="left_anti")
    todo = staging.write("todo", todo.withColumn("bucket", F.pmod(F.xxhash64("path"), F.lit(_BUCKETS))))
    sizes = {row["bucket"]: row["count"] for row in todo.groupBy("bucket").count().collect()}
    started, done, total = time.monotonic(), 0, sum(sizes.values())
    for first, last, images in _checkpoints(sizes, settings.checkpoint_seconds):
        chosen = todo.where(F.col("bucket").between(first, last)).drop("bucket")
        target = staging.path("encoded", f"{secrets.token_hex(8)}")
        tasks = -(-images // settings.images_per_task)
        with setting(staging.spark, "spark.sql.execution.arrow.maxRecordsPerBatch", str(_BATCH_IMAGES)):
            contents = source.contents(chosen.repartition(tasks))
            encode_contents(contents, EncodePlan.of(settings)).write.parquet(target)
        done += images
        progress(done, total, time.monotonic() - started)


def finish_tables(staging: Staging, settings: EncodeSettings, run_id: str) -> EncodeCounts:
    """Make the ``features`` and ``failures`` tables ready, and account for every image.

    Raises:
        InputError: if no image could be encoded, or more failed than the settings allow.
        DedupError: if the images don't add up, which would mean that some were lost.
    """
    listed = staging.read("listing", LISTING).select(_IDENTITY)
    encoded = _encoded_so_far(staging).join(listed, on=_IDENTITY, how="left_semi").withColumn("run_id", F.lit(run_id))
    features = conform(encoded.where(F.col("method").isNotNull()), FEATURES)
    reusable = _reusable(staging, settings)
    if reusable is not None:
        kept = reusable.join(listed, on=_IDENTITY, how="left_semi").join(
            encoded.select("path"), on="path", how="left_anti"
        )
        features = features.unionByName(conform(kept, FEATURES))
    features.write.mode("overwrite").partitionBy("method").parquet(staging.path("ready", "features"))
    staging.write("ready/failures", conform(encoded.where(F.col("method").isNull()), FAILURES))
    return _account(staging, settings, run_id)


def _encode_rows(rows: list[dict], plan: EncodePlan) -> pa.RecordBatch:
    contents = (
        row["content"] if row["content"] is not None else _read_listed(row["uri"], plan.max_file_bytes) for row in rows
    )
    results = encode_batch(contents, [encoder(name) for name in plan.methods], plan.decoding)
    encoded: list[dict] = []
    for row, result in zip(rows, results, strict=True):
        image = {"path": row["path"], "size": row["size"], "modified_at": row["modified_at"]}
        if isinstance(result, Failure):
            encoded.append(image | {"reason": result.reason, "message": result.message})
        else:
            image |= {"width": result.width, "height": result.height, "format": result.format}
            encoded.extend(image | _feature(name, result, plan) for name in plan.methods)
    return pa.RecordBatch.from_pylist(encoded, schema=_ENCODED_ARROW)


def _read_listed(uri: str | None, max_bytes: int) -> bytes | Failure:
    if uri is None:
        return Failure("empty", "the manifest's row has no content")
    return read_uri(uri, max_bytes)


def _feature(method: str, result: Encoded, plan: EncodePlan) -> dict:
    value = result.features[method]
    column = encoder(method).feature
    as_stored = int(value.astype("int64")) if column == "hash" else value
    return {"method": method, "fingerprint": plan.fingerprint(method), column: as_stored}


def work_name(settings: EncodeSettings) -> str:
    """Name a piece of work by its input and by what its features depend on, so that a rerun finds what is done."""
    plan = EncodePlan.of(settings)
    stated = [settings.input, settings.input_format, settings.path_column, settings.content_column, repr(plan)]
    stated += [plan.fingerprint(name) for name in plan.methods]
    return f"encode-{hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:12]}"


def _done_before(staging: Staging, settings: EncodeSettings) -> DataFrame | None:
    """Return the images that a crashed run of the same work, or the published tables, already have."""
    crashed = _encoded_so_far(staging).select(_IDENTITY) if staging.whole_parts("encoded") else None
    reusable = _reusable(staging, settings)
    if reusable is None:
        return crashed
    methods = reusable.groupBy(*_IDENTITY).count()
    complete = methods.where(F.col("count") == F.lit(len(settings.method))).select(_IDENTITY)
    return complete if crashed is None else complete.unionByName(crashed)


def _reusable(staging: Staging, settings: EncodeSettings) -> DataFrame | None:
    """Return the published features that this run would compute again just the same, if there may be any."""
    if settings.overwrite or not settings.reuse or not staging.store.exists("features"):
        return None
    plan = EncodePlan.of(settings)
    same = [(F.col("method") == name) & (F.col("fingerprint") == plan.fingerprint(name)) for name in plan.methods]
    published = read_table(staging.spark, staging.store, "features")
    return published.where(functools.reduce(operator.or_, same) & F.col("modified_at").isNotNull())


def _encoded_so_far(staging: Staging) -> DataFrame:
    parts = staging.whole_parts("encoded")
    if not parts:
        return staging.spark.createDataFrame([], ENCODED)
    return staging.spark.read.schema(ENCODED).parquet(*map(literal, parts))


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
    is_reused = (F.col("run_id") != run_id).cast("int")
    methods = (
        features.groupBy("method").agg(F.count("path").alias("encoded"), F.sum(is_reused).alias("reused")).collect()
    )
    failures = staging.read("ready/failures", FAILURES).groupBy("reason").count().orderBy(F.desc("count")).collect()
    failed = {row["reason"]: row["count"] for row in failures}
    encoded = {row["method"]: row["encoded"] for row in methods}
    if not encoded:
        raise InputError(
            f"none of the {seen:,} files in {settings.input} is an image that can be read: {_list(failed)}"
        )
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
