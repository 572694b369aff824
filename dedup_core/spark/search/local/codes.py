"""Codes of keypoints, image by image; and those of them that so many images hold that they say nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dedup_core.errors import LimitError
from dedup_core.settings.layers import option
from dedup_core.spark.batches import Batches, gathered
from dedup_core.spark.staging import Staging

CODED = "code BIGINT, codes BINARY"
"""An image, and the codes of its keypoints end to end."""

_WORDS = 4  # of a descriptor; the first is its code
_PACK_IMAGES = 4096
_PART_CODES = 1 << 22  # counted by a task
_CODES_AN_IMAGE = 400
_MOST_COMMON = 1 << 21  # they travel with every task: 16 MB
_COUNTED = "part INT, codes BINARY, images BINARY"
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)


def codes_of(blob: bytes) -> np.ndarray:
    """Return codes, uint64 (n,), from their bytes."""
    return np.frombuffer(blob, "<u8").astype(np.uint64, copy=False)


def spread_over(values: np.ndarray, parts: int) -> np.ndarray:
    """Return in which of so many parts each of some 64-bit numbers goes, int64 (n,): skewed ones spread evenly.

    Args:
        values: uint64 (n,).
        parts: how many there are.
    """
    # The product's highest bits depend on every bit of the number.
    return ((((values * _SPREAD) >> np.uint64(32)) * np.uint64(parts)) >> np.uint64(32)).astype(np.int64)


def cut_over(values: np.ndarray, parts: int) -> list[tuple[int, np.ndarray]]:
    """Return the parts that hold some of the numbers, as `spread_over` has it: each with the positions of these.

    Args:
        values: uint64 (n,).
        parts: how many there are.
    """
    part = spread_over(values, parts)
    order = np.argsort(part, kind="stable")
    ends = np.searchsorted(part[order], np.arange(parts + 1))
    return [(int(number), order[ends[number] : ends[number + 1]]) for number in np.flatnonzero(np.diff(ends))]


def coded(features: DataFrame) -> DataFrame:
    """Return the codes of images, ``CODED``.

    Args:
        features: the ``features`` table of the local method.
    """
    return features.select(F.col("id").alias("code"), F.col("local.descriptors")).mapInArrow(_first_words, CODED)


def common_codes(coded: DataFrame, count: int, max_images: int, steps: Staging) -> np.ndarray:
    """Return the codes that more than so many images hold, bit for bit: uint64 (k,), ascending.

    Args:
        coded: ``CODED``.
        count: how many images there are.
        max_images: how many may hold a code that says something.
        steps: where they are written.

    Raises:
        LimitError: if they are so many that no task could hold them.
    """
    if count <= max_images:
        return np.empty(0, np.uint64)
    parts = -(-count * _CODES_AN_IMAGE // _PART_CODES)
    counted = coded.mapInArrow(_counter(parts), _COUNTED).repartition(parts, "part")
    held = steps.write("common_codes", counted.mapInArrow(_common(max_images), "codes BINARY"))
    found = held.agg(F.sum(F.length("codes"))).collect()[0][0] or 0
    if found > 8 * _MOST_COMMON:
        name = option("max_images_per_code")
        raise LimitError(
            f"{found // 8:,} codes of keypoints are held by more than {max_images:,} images each, and at most "
            f"{_MOST_COMMON:,} can be left out: raise {name}"
        )
    return np.sort(np.concatenate([np.empty(0, np.uint64), *(codes_of(row["codes"]) for row in held.collect())]))


def without(coded: DataFrame, common: np.ndarray) -> DataFrame:
    """Return images with those of their codes that are none of these.

    Args:
        coded: ``CODED``.
        common: uint64 (k,), ascending.
    """

    def leave_out(batches: Batches) -> Batches:
        for batch in batches:
            rows = (codes_of(blob) for blob in batch.column("codes").to_pylist())
            kept = [codes[~_are_among(codes, common)].tobytes() for codes in rows]
            yield pa.RecordBatch.from_arrays([batch.column("code"), pa.array(kept, pa.binary())], ["code", "codes"])

    return coded.mapInArrow(leave_out, CODED)


def _are_among(codes: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Return which codes are among some, which ascend: bool (n,)."""
    at = np.minimum(np.searchsorted(some, codes), len(some) - 1)
    return some[at] == codes


def _first_words(batches: Batches) -> Batches:
    for batch in batches:
        words = (codes_of(blob or b"").reshape(-1, _WORDS) for blob in batch.column("descriptors").to_pylist())
        codes = [np.ascontiguousarray(of_image[:, 0]).tobytes() for of_image in words]
        yield pa.RecordBatch.from_arrays([batch.column("code"), pa.array(codes, pa.binary())], ["code", "codes"])


def _counter(parts: int) -> Callable[[Batches], Batches]:
    """Count the images of each code among a task's, and pack codes and counts into blobs by part."""

    def count(batches: Batches) -> Batches:
        for table in gathered(batches, _PACK_IMAGES):
            of_each = [np.unique(codes_of(blob)) for blob in table.column("codes").to_pylist()]
            codes, images = np.unique(np.concatenate([np.empty(0, np.uint64), *of_each]), return_counts=True)
            cut = cut_over(codes, parts)
            yield pa.RecordBatch.from_pydict(
                {
                    "part": pa.array([number for number, _ in cut], pa.int32()),
                    "codes": pa.array([codes[rows].tobytes() for _, rows in cut], pa.binary()),
                    "images": pa.array([images[rows].tobytes() for _, rows in cut], pa.binary()),
                }
            )

    return count


def _common(max_images: int) -> Callable[[Batches], Batches]:
    def common(batches: Batches) -> Batches:
        blobs = [(row["codes"], row["images"]) for batch in batches for row in batch.to_pylist()]
        codes = np.concatenate([np.empty(0, np.uint64), *(codes_of(blob) for blob, _ in blobs)])
        images = np.concatenate([np.empty(0, np.int64), *(np.frombuffer(blob, np.int64) for _, blob in blobs)])
        found, of_code = np.unique(codes, return_inverse=True)
        held = np.bincount(of_code.reshape(-1), weights=images, minlength=len(found))
        yield pa.RecordBatch.from_pydict({"codes": pa.array([found[held > max_images].tobytes()], pa.binary())})

    return common
