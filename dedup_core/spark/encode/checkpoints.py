"""How much is encoded between two checkpoints: parts that take about as long as was asked, and keep all cores busy.

A part costs something whatever its size (jobs that start, a table that is written) and something an image. Both are
estimated from the parts that are done, so that a fixed cost beyond what was asked for makes no part smaller: then
parts are as long as they must be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import LISTING, conform

BUCKETS = 1024
"""How many buckets the images are in: by a hash of their paths, or of the files of a table that hold them."""

TASKS_A_CORE = 16
_FEWEST_TASKS_A_CORE, _TASK_SECONDS = 4, 2.0  # of images that cost so little that starting tasks would be felt
_MOST_TASKS = 30_000  # some million images: of a table, 16 bytes of each go to every worker
_LEAST_GROWTH, _MOST_GROWTH = 1.5, 8
_UNLIKE = 1.4  # how much larger one of two parts must be to tell what each image costs
_SHELF_ROWS = 200_000
_MANY = 1 << 16  # numbers: more than a cluster has cores
_LEAST_SHARE = 0.8  # of a part's time that goes into its images, and not into starting it


@dataclass(frozen=True)
class Bucket:
    """The images of a bucket, and the bytes of the largest of them."""

    images: int
    largest: int


@dataclass(frozen=True)
class Part:
    """What is encoded between two checkpoints.

    Attributes:
        first: of its buckets.
        last: of its buckets.
        images: in them.
        largest: the bytes of the largest of them.
        tasks: how many tasks encode them.
    """

    first: int
    last: int
    images: int
    largest: int
    tasks: int


@dataclass(frozen=True)
class Pace:
    """What parts should be like.

    Attributes:
        seconds: that one should take.
        images_per_task: how many images a task encodes.
        cores: how many tasks run at a time.
    """

    seconds: float
    images_per_task: int
    cores: int

    @property
    def most(self) -> int:
        """How many images a part may have: a driver that plans millions of tasks dies of it."""
        return _MOST_TASKS * self.images_per_task

    @property
    def least(self) -> int:
        """How many images a part has at least: fewer would leave cores without work."""
        return min(self.cores * TASKS_A_CORE * self.images_per_task, self.most)

    def wanted(self, done: Sequence[tuple[int, float]]) -> int:
        """Return how many images the next part should have.

        Args:
            done: images and seconds of the parts that are done, in order.
        """
        return max(self.least, min(self._worthwhile(done), self.most))

    def tasks(self, images: int, done: Sequence[tuple[int, float]]) -> int:
        """Return how many tasks encode so many images: fewer and longer ones where images cost little.

        To start a task costs as much as some twenty small photographs. Each core has several all the same.

        Args:
            images: of the part.
            done: as of `wanted`.
        """
        as_asked = min(_MOST_TASKS, -(-images // self.images_per_task))
        if not done or not done[-1][1]:
            return as_asked
        a_second = done[-1][0] / (done[-1][1] * self.cores)
        long_ones = -(-images // max(1, int(a_second * _TASK_SECONDS)))
        return min(as_asked, max(long_ones, self.cores * _FEWEST_TASKS_A_CORE))

    def _worthwhile(self, done: Sequence[tuple[int, float]]) -> int:
        if not done:
            return 0
        images, seconds = done[-1]
        other = next((part for part in reversed(done) if not 1 / _UNLIKE < part[0] / images < _UNLIKE), None)
        if other is None:  # of parts of one size nobody can tell what each image costs
            growth = self.seconds / seconds if seconds else _MOST_GROWTH
            return int(images * min(_MOST_GROWTH, max(_LEAST_GROWTH, growth)))
        each = (seconds - other[1]) / (images - other[0])
        if each <= 0:
            return int(images * _LEAST_GROWTH)
        fixed = max(0.0, seconds - each * images)
        for_images = max(self.seconds - fixed, fixed * _LEAST_SHARE / (1 - _LEAST_SHARE))
        return int(min(images * _MOST_GROWTH, for_images / each))


def parts(buckets: Mapping[int, Bucket], pace: Pace, clock: Callable[[], float] = time.monotonic) -> Iterator[Part]:
    """Cut the buckets into parts, going by how long those before took between the caller's asking for them.

    Every bucket is in one part, and a part has fewer images than ``pace.least`` only where there are no more.

    Args:
        buckets: by number; those without images may be left out.
        pace: what parts should be like.
        clock: tells seconds.
    """
    done: list[tuple[int, float]] = []
    numbers, left = sorted(buckets), sum(bucket.images for bucket in buckets.values())
    begun = 0
    while left:
        wanted, images, end = pace.wanted(done), 0, begun
        while end < len(numbers) and (images < wanted or left - images < pace.least):
            images += buckets[numbers[end]].images
            end += 1
        largest = max(buckets[number].largest for number in numbers[begun:end])
        started = clock()
        yield Part(numbers[begun], numbers[end - 1], images, largest, pace.tasks(images, done))
        done.append((images, clock() - started))
        begun, left = end, left - images


@dataclass(frozen=True)
class Shelves:
    """What is to do, written so that a part of it is read without the rest.

    Attributes:
        rows: columns of ``tables.LISTING``, bucket, and shelf: the folder that a run of buckets lies in.
        count: how many shelves there are.
    """

    rows: DataFrame
    count: int

    @classmethod
    def filled(cls, staging: Staging, todo: DataFrame, most: int) -> Shelves:
        """Write what is to do.

        Args:
            staging: where.
            todo: columns of ``tables.LISTING``.
            most: how many rows there may be.
        """
        count = min(BUCKETS, -(-most // _SHELF_ROWS) or 1)
        bucket = F.pmod(F.coalesce("file", F.xxhash64("path")), F.lit(BUCKETS)).cast("int")
        shelf = F.floor(F.col("bucket") * F.lit(count) / F.lit(BUCKETS)).cast("int")
        shelved = todo.withColumn("bucket", bucket).withColumn("shelf", shelf)
        shelved = staging.together(shelved) if staging.holds_few else shelved.repartition(count, "shelf")
        staging.clear("todo")  # and no overwriting, which a cluster may take for that of some shelves
        shelved.write.partitionBy("shelf").parquet(staging.path("todo"))
        return cls(staging.read("todo", f"{LISTING}, bucket INT, shelf INT"), count)

    def counted(self) -> dict[int, Bucket]:
        """Return what is in each bucket that has images."""
        counts = self.rows.groupBy("bucket").agg(F.count("*").alias("images"), F.max("size").alias("largest"))
        return {row["bucket"]: Bucket(row["images"], row["largest"] or 1) for row in counts.collect()}  # BUCKETS rows

    def of(self, part: Part) -> DataFrame:
        """Return the rows of a part: ``tables.LISTING``."""
        first, last = (bucket * self.count // BUCKETS for bucket in (part.first, part.last))
        on_shelves = self.rows.where(F.col("shelf").between(first, last))
        return conform(on_shelves.where(F.col("bucket").between(part.first, part.last)), LISTING)


def cores_of(spark: SparkSession) -> int:
    """Return how many tasks run at a time, as far as the session says: a cluster may still grow."""
    return spark.range(_MANY).select(F.spark_partition_id().alias("part")).distinct().count()


def in_buckets(key: Column, part: Part) -> Column:
    """Return whether a key, BIGINT, is in the buckets of a part."""
    return F.pmod(key, F.lit(BUCKETS)).between(part.first, part.last)
