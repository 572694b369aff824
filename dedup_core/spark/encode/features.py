"""Images to features: each is decoded once, whatever the number of methods, with progress that survives a crash.

The features of an image are *new* if this run encodes it, *resumed* if a run of the same work did that was stopped,
*reused* if published ones are of the same content, and *kept* if its folder can't be listed this time. Resumed and
reused are only features of an image whose identity is known and has not changed.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import operator
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.encoders.registry import metric_of
from dedup_core.errors import DedupError, InputError, tally
from dedup_core.filesystems import literal, normal
from dedup_core.images.looks import CAUTIONS
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.batches import are_few
from dedup_core.spark.encode.checkpoints import Pace, Shelves, cores_of, parts
from dedup_core.spark.encode.crashes import made_despite_crashes
from dedup_core.spark.encode.listing import Listing, Source, list_images
from dedup_core.spark.encode.tasks import BATCH_IMAGES, EncodePlan, encode_contents
from dedup_core.spark.ids import are_told_apart, id_of
from dedup_core.spark.published import Published, are_few_images
from dedup_core.spark.session import rows_at_a_time
from dedup_core.spark.staging import ENCODING, Staging
from dedup_core.spark.tables import ENCODED, FAILURES, FEATURES, LISTING, STAGED, conform

_BATCH_BYTES = 1 << 30
_ROWS_A_FILE = {"hash": 1_000_000, "embedding": 30_000, "local": 10_000}
_IDENTITY = ["path", "identity"]
_UNSEEN = "unseen"

Progress = Callable[[int, int, float], None]
"""Called with the images done, the images to do and the seconds spent."""


@dataclass(frozen=True)
class FeatureWork:
    """One run's images: whose features are new, resumed, reused or kept, what failed, and what is still to do.

    Attributes:
        staging: where it is done.
        settings: of the job.
        plan: what workers do.
        run_id: of this run.
        listing: the images that there are.
        parts: the paths of what was encoded, by runs of the same work that were stopped, and by this one as it goes.
        stopped: the ids of those runs.
        published: the features of earlier runs that are made as this run makes them; None where there are none.
    """

    staging: Staging
    settings: EncodeSettings
    plan: EncodePlan
    run_id: str
    listing: Listing
    parts: list[str]
    stopped: frozenset[str]
    published: DataFrame | None

    @classmethod
    def of(
        cls,
        source: Source,
        staging: Staging,
        settings: EncodeSettings,
        plan: EncodePlan,
        run_id: str,
        goes_on: bool,
    ) -> FeatureWork:
        """List the source, and look at what stopped and finished runs have left.

        Args:
            source: of the images.
            staging: where the work is done.
            settings: of the job.
            plan: what workers do.
            run_id: of this run.
            goes_on: whether the tables that are published were made from the same input.
        """
        if not settings.reuse:
            staging.clear()
        whole = staging.whole_parts("encoded")
        try:
            listing = list_images(source, staging)
        except InputError:
            if not whole:
                staging.clear()
            raise
        published = _published(staging, settings, plan) if goes_on else None
        few = are_few(listing.seen) and (published is None or are_few_images(staging.store, "features"))
        staging = replace(staging, holds_few=few)
        work = cls(staging, settings, plan, run_id, listing, whole, frozenset(), published)
        if not whole:
            return work
        stopped = work.staged().select("run_id").distinct().collect()  # a row a stopped run
        return replace(work, stopped=frozenset(row["run_id"] for row in stopped))

    def staged(self) -> DataFrame:
        """What this run has encoded so far, and runs of the same work that were stopped: ``tables.STAGED``."""
        if not self.parts:
            return self.staging.spark.createDataFrame([], STAGED)
        return self.staging.together(self.staging.spark.read.schema(STAGED).parquet(*map(literal, self.parts)))

    def new(self) -> DataFrame:
        """What this run has encoded, and what it failed to encode."""
        return self.staged().where(F.col("run_id") == F.lit(self.run_id))

    def resumed(self) -> DataFrame:
        """The features that stopped runs have left of images which are still the same. Failures are tried again."""
        before = self.staged().where((F.col("run_id") != F.lit(self.run_id)) & F.col("digest").isNotNull())
        return before.join(self.listing.images.select(_IDENTITY), on=_IDENTITY, how="left_semi")

    @property
    def reusable(self) -> DataFrame | None:
        """The published features of images that are still the same, which need not be computed again.

        Those without a digest are of an earlier version, which took no look at the images.
        """
        if self.published is None or not self.settings.reuse:
            return None
        looked_at = self.published.where(F.col("digest").isNotNull())
        return looked_at.join(self.listing.images.select(_IDENTITY), on=_IDENTITY, how="left_semi")

    @property
    def unseen(self) -> DataFrame | None:
        """The published features of folders that are there, but can't be listed."""
        if self.published is None or not self.listing.unlisted:
            return None
        is_there = F.col("is_folder") & (F.col("reason") != F.lit("vanished"))
        folders = self.listing.refused.where(is_there).select(F.concat("path", F.lit("/")).alias("folder"))
        is_inside = F.col("path").startswith(F.col("folder"))
        inside = self.published.join(F.broadcast(folders), on=is_inside, how="left_semi")
        return inside.join(self.listing.images.select("path"), on="path", how="left_anti")

    def todo(self) -> DataFrame:
        """Return the listed images that lack the features of a method."""
        images = conform(self.listing.images, LISTING)
        for features in (self.reusable, self.resumed() if self.stopped else None):
            if features is not None:
                methods = features.groupBy(*_IDENTITY).count()
                whole = methods.where(F.col("count") == F.lit(len(self.plan.methods)))
                images = images.join(whole, on=_IDENTITY, how="left_anti")
        return images

    def pace(self, images: int) -> Pace:
        """Return what parts of so many images should be like. Cores are counted where one has enough to do."""
        settings = self.settings
        one_core = Pace(settings.checkpoint_seconds, settings.images_per_task, 1)
        return one_core if images <= one_core.least else replace(one_core, cores=cores_of(self.staging.spark))

    def features(self) -> DataFrame:
        """Return the ``features`` table: what names a file has and whether it was seen is this run's to say."""
        own = self.new().where(F.col("method").isNotNull())
        if self.stopped:
            own = own.unionByName(self.resumed())
        seen = conform(own, FEATURES)
        if (reusable := self.reusable) is not None:
            earlier = reusable.join(own.select("path"), on="path", how="left_anti")
            seen = seen.unionByName(conform(earlier, FEATURES))
        seen = seen.drop("other_names", "is_unseen")
        if self.listing.other_names is not None:
            seen = seen.join(F.broadcast(self.listing.other_names), on="path", how="left")  # few have several names
        every = conform(seen, FEATURES)
        if (unseen := self.unseen) is not None:
            every = every.unionByName(conform(unseen.withColumn("is_unseen", F.lit(True)), FEATURES))
        return every

    def failures(self) -> DataFrame:
        """Return the ``failures`` table: what this run could not encode, and what was no image to begin with."""
        failed = conform(self.new().where(F.col("method").isNull()), FAILURES)
        refused = self.listing.refused.withColumn("run_id", F.lit(self.run_id))
        return failed.unionByName(conform(refused, FAILURES))


@dataclass(frozen=True)
class EncodeCounts:
    """What came of a run's rows: seen = encoded - kept + repeated + failed.

    Attributes:
        seen: rows that came in.
        repeated: rows that are further names of a file, or say once more what another row says.
        encoded: images with features.
        resumed: of these, by a run that was stopped.
        reused: of these, by an earlier run.
        kept: of these, images of folders that can't be listed, of which nothing was seen.
        failed: by reason.
        caution: by why a hash may say little of a picture, how many are such.
    """

    seen: int
    repeated: int
    encoded: int
    resumed: int
    reused: int
    kept: int
    failed: dict[str, int]
    caution: dict[str, int] = field(default_factory=dict)


def encode_all(source: Source, work: FeatureWork, progress: Progress) -> None:
    """Encode what has no features yet, and save progress in the staging place as it goes."""
    staging = work.staging
    todo = Shelves.filled(staging, work.todo(), work.listing.seen)
    buckets = todo.counted()
    started, encoded, total = time.monotonic(), 0, sum(bucket.images for bucket in buckets.values())
    pace = work.pace(total)
    plan = work.plan if pace.cores == 1 else replace(work.plan, images_a_core=total // pace.cores)
    for part in parts(buckets, pace):
        with rows_at_a_time(staging.spark, _batch_rows(part.largest)):
            contents = source.contents(todo.of(part), part)
            work.parts.append(made_despite_crashes(plan, functools.partial(_add_part, work, contents)))
        encoded += part.images
        progress(encoded, total, time.monotonic() - started)


def _add_part(work: FeatureWork, contents: DataFrame, plan: EncodePlan) -> str:
    made = conform(encode_contents(contents, plan), ENCODED)
    return work.staging.add_part("encoded", made.withColumn("run_id", F.lit(work.run_id)))


def finish_tables(work: FeatureWork) -> EncodeCounts:
    """Make the ``features`` and ``failures`` tables ready, and account for every image.

    Raises:
        DedupError: if the images don't add up, which would mean that some were lost.
    """
    staging = work.staging
    staging.write("ready/failures", work.failures())
    rows_a_file = min(_ROWS_A_FILE[metric_of(name).feature] for name in work.plan.names)
    features = work.features().coalesce(-(-max(1, work.listing.seen) // rows_a_file))
    for seed in itertools.count():  # a second one once in four thousand tables of a hundred million images
        numbered = features.withColumn("id", id_of("path", seed))
        staging.clear("ready", "features")
        numbered.write.partitionBy("method").parquet(staging.path("ready", "features"))
        if are_told_apart(staging.read("ready/features", FEATURES)):
            break
    return _account(work)


def check_share(counts: EncodeCounts, settings: EncodeSettings) -> None:
    """Refuse to go on with too few images.

    Raises:
        InputError: if no image could be encoded, or more failed than the settings allow.
    """
    failed, reasons = sum(counts.failed.values()), tally(counts.failed)
    if not counts.encoded:
        raise InputError(f"none of the {counts.seen:,} files in {settings.input} could be encoded: {reasons}")
    if failed > settings.max_failed_share * counts.seen:
        raise InputError(
            f"{failed:,} of {counts.seen:,} images failed ({reasons}), more than the share of "
            f"{settings.max_failed_share:g} that max_failed_share allows"
        )


def work_name(settings: EncodeSettings, plan: EncodePlan) -> str:
    """Name a piece of work by its input and by what its features depend on, so that a rerun finds what is done."""
    stated = [normal(settings.input), settings.input_format, settings.path_column, settings.content_column]
    stated += [repr(plan.decoding), str(plan.max_file_bytes)]
    stated += plan.fingerprints.values()
    return f"{ENCODING}{hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:12]}"


def _published(staging: Staging, settings: EncodeSettings, plan: EncodePlan) -> DataFrame | None:
    """Return the published features that this run would make in the same way."""
    published = Published.of(staging.store).undeleted()
    if not published.has("features"):
        return None
    made_alike = plan.fingerprints.items()
    same = [(F.col("method") == name) & (F.col("fingerprint") == fingerprint) for name, fingerprint in made_alike]
    pixels = F.col("width").cast("bigint") * F.col("height")
    is_allowed = (F.col("size") <= settings.max_file_bytes) & (pixels <= settings.max_pixels)
    return published.read(staging.spark, "features").where(functools.reduce(operator.or_, same) & is_allowed)


def _batch_rows(largest: int) -> int:
    """Return how many images Arrow may carry at once, by the bytes of the largest: a batch must stay below 2 GiB."""
    return max(1, min(BATCH_IMAGES, _BATCH_BYTES // max(1, largest)))


def _account(work: FeatureWork) -> EncodeCounts:
    features, failures = (
        work.staging.read("ready/features", FEATURES),
        work.staging.read("ready/failures", FAILURES),
    )
    made = F.when(F.col("is_unseen"), F.lit(_UNSEEN)).otherwise(F.col("run_id")).alias("made")
    kinds = features.select("method", made, F.lit(None).alias("reason"), "caution")
    not_made = failures.select(F.lit(None).alias("method"), F.lit(None).alias("made"), "reason")
    kinds = kinds.unionByName(not_made, allowMissingColumns=True)
    cautions = [F.count_if(F.array_contains("caution", name)).alias(name) for name in CAUTIONS]
    counted = kinds.groupBy("method", "made", "reason").agg(F.count("*").alias("count"), *cautions)
    rows = counted.orderBy(F.desc("count"), "reason").collect()
    failed = {row["reason"]: row["count"] for row in rows if row["method"] is None}
    counts = []
    first = [row for row in rows if row["method"] == work.plan.names[0]]
    caution = {name: n for name in CAUTIONS if (n := sum(row[name] for row in first))}
    for method in work.plan.names:
        made_by = {row["made"]: row["count"] for row in rows if row["method"] == method}
        kept, encoded = made_by.get(_UNSEEN, 0), sum(made_by.values())
        resumed = sum(count for run_id, count in made_by.items() if run_id in work.stopped)
        earlier = encoded - made_by.get(work.run_id, 0) - resumed - kept
        seen, repeated = work.listing.seen, work.listing.repeated
        counts.append(EncodeCounts(seen, repeated, encoded, resumed, earlier, kept, failed, caution))
        if encoded - kept + sum(failed.values()) + repeated != seen:
            raise DedupError(
                f"{seen:,} rows were listed, but {encoded:,} images have {method} features and "
                f"{sum(failed.values()):,} failed: do all workers see the same files?"
            )
    return min(counts, key=lambda of_method: of_method.reused)
