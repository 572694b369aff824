"""Embeddings as codes: each distinct vector once, under an id that is read from its own numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from dedup_core.cosine.join import MAX_DIMENSION
from dedup_core.errors import DedupError, InputError, SettingsError
from dedup_core.spark.search.distinct import IMAGES
from dedup_core.spark.sieve import Sieve
from dedup_core.spark.staging import Staging
from dedup_core.spark.tables import conform

VECTORS = "code BIGINT, vector BINARY"
_WORDS = ("word_0", "word_1", "word_2", "word_3")
_BROADCAST_COPIES = 1 << 20
_READ = ("id", "path", "digest", "embedding")
_DIGESTED = (
    f"id BIGINT, digest STRING, {', '.join(f'{word} BIGINT' for word in _WORDS)}, length INT, is_finite BOOLEAN, "
    "vector BINARY"
)
_SHOWN = 5


def with_codes(features: DataFrame, steps: Staging) -> tuple[DataFrame, DataFrame]:
    """Return the images with their codes, ``IMAGES``, and the vector of every code, ``VECTORS``.

    Identical vectors share a code, and different ones never do. A code is 64 bits of the SHA-256 of its vector: of
    the digest's four words the first is taken that tells all these vectors apart, so that codes stay the same for any
    order of rows. A zero vector is like nothing, not even another one, and has a code of its own.

    The embeddings are read once, and what is written of them is what every later step reads. None is shuffled, unless
    more than a million are copies of others; then these are, and one in sixteen of the rest.

    Args:
        features: the ``features`` table of one method with embeddings.
        steps: where the digests and the vectors are written.

    Raises:
        SettingsError: if the vectors differ in length, or are longer than the search takes.
        InputError: if an image has no embedding, or one with NaN or infinity in it.
    """
    digested = steps.write("digested", features.select(*_READ).mapInArrow(_digest, _DIGESTED))
    _check(digested, features)
    named = digested.withColumn("code", F.col(_telling_word(digested)))
    return conform(named, IMAGES), _once(named, steps).select("code", "vector")


def _once(named: DataFrame, steps: Staging) -> DataFrame:
    """Return the row of the first image of each code."""
    several = named.groupBy("code").agg(F.min("id").alias("first_id"), F.count("*").alias("images"))
    several = several.where(F.col("images") > F.lit(1)).select("code", "first_id")
    further = named.select("id", "code").join(several, on="code", how="inner")
    copies = steps.write("copies", further.where(F.col("id") != F.col("first_id")).select("id"))
    count = copies.count()
    if not count:
        return named
    listed = F.broadcast(copies) if count <= _BROADCAST_COPIES else copies
    return Sieve.of(copies, count).others(named, listed)


def sample(vectors: DataFrame, count: int, size: int, draw: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a fair sample of the vectors, the same for any order of rows.

    Args:
        vectors: code, vector.
        count: how many there are.
        size: the most to return.
        draw: which of many samples: what was fitted to one is measured on another.

    Returns:
        Codes, int64 (m,), and their vectors, float32 (m, d).
    """
    rank = F.xxhash64("code", F.lit(draw))
    drawn = vectors.where(F.pmod(rank, F.lit(max(1, count // (2 * size)))) == F.lit(0))
    rows = drawn.orderBy(rank, "code").limit(size).collect()
    numbers = np.frombuffer(b"".join(row["vector"] for row in rows), np.float32)
    return np.array([row["code"] for row in rows], np.int64), numbers.reshape(len(rows), -1 if rows else 1)


def matrix(column: pa.Array, length: int) -> np.ndarray:
    """Return a column of equally long binary values as float32 (n, length), without copying them.

    Args:
        column: binary, null or ``4 * length`` bytes; nulls are left out.
        length: how many numbers a vector has.
    """
    offsets = np.frombuffer(column.buffers()[1], np.int64 if pa.types.is_large_binary(column.type) else np.int32)
    first, last = int(offsets[column.offset]), int(offsets[column.offset + len(column)])
    if first == last:
        return np.empty((0, length), np.float32)
    return np.frombuffer(column.buffers()[2], np.uint8)[first:last].view(np.float32).reshape(-1, length)


def _numbers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of a list column end to end, float32, and where each list starts and the last one ends."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    numbers = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return numbers + np.float32(0.0), np.concatenate([[0], np.cumsum(lengths)])  # adding zero makes -0.0 equal 0.0


def _digests(paths: pa.Array, numbers: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The SHA-256 of each vector, or of a zero vector's path, as int64 (n, 4)."""
    content = memoryview(numbers.tobytes())
    digests = [
        hashlib.sha256(content[4 * start : 4 * end], usedforsecurity=False).digest()
        for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]
    nonzero = np.concatenate([[0], np.cumsum(numbers != 0.0)])
    for row in np.flatnonzero(nonzero[starts[1:]] == nonzero[starts[:-1]]):
        digests[row] = hashlib.sha256(f"zero {paths[int(row)]}".encode(), usedforsecurity=False).digest()
    return np.frombuffer(b"".join(digests), np.int64).reshape(-1, len(_WORDS))


def _digest(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        numbers, starts = _numbers(batch.column("embedding"))
        words = _digests(batch.column("path"), numbers, starts)
        wrong = np.concatenate([[0], np.cumsum(~np.isfinite(numbers))])
        offsets = pa.py_buffer((4 * starts).astype(np.int32))
        columns = {name: batch.column(name) for name in ("id", "digest")}
        columns |= {name: pa.array(np.ascontiguousarray(word)) for name, word in zip(_WORDS, words.T, strict=True)}
        columns["length"] = pa.array(np.diff(starts).astype(np.int32))
        columns["is_finite"] = pa.array(wrong[starts[1:]] == wrong[starts[:-1]])
        columns["vector"] = pa.Array.from_buffers(pa.binary(), len(words), [None, offsets, pa.py_buffer(numbers)])
        yield pa.RecordBatch.from_pydict(columns)


def _check(digested: DataFrame, features: DataFrame) -> None:
    """Raise unless all vectors have one length that the search takes, and finite numbers."""
    lengths = [row["length"] for row in digested.groupBy("length").count().orderBy("length").limit(3).collect()]
    if 0 in lengths:
        raise InputError(
            f"images have no embedding: {_examples(features, digested, F.col('length') == F.lit(0))}: encode again"
        )
    if len(lengths) > 1:
        some = "; ".join(
            f"{length}: {_examples(features, digested, F.col('length') == F.lit(length))}" for length in lengths
        )
        raise SettingsError(
            f"the embeddings differ in length and can't be compared ({some}): encode them again with one model"
        )
    if lengths and lengths[0] > MAX_DIMENSION:
        raise SettingsError(
            f"the embeddings have {lengths[0]} numbers, more than the {MAX_DIMENSION} that are searched"
        )
    if digested.where(~F.col("is_finite")).limit(1).collect():
        raise InputError(
            f"embeddings hold NaN or infinity: {_examples(features, digested, ~F.col('is_finite'))}: "
            "encode these images again, or leave them out"
        )


def _examples(features: DataFrame, digested: DataFrame, wanted: Column) -> str:
    named = features.select("id", "path").join(digested.where(wanted).select("id"), on="id", how="left_semi")
    paths = [row["path"] for row in named.orderBy("path").limit(_SHOWN + 1).select("path").collect()]
    return ", ".join(paths[:_SHOWN]) + (", ..." if len(paths) > _SHOWN else "")


def _telling_word(digested: DataFrame) -> str:
    """Return the first word of the digests that no two different vectors share."""
    distinct = digested.select(*_WORDS).distinct()  # copies of a vector are one code and no collision
    for word in _WORDS:  # a hundred million vectors need a second look once in four thousand runs
        row = distinct.agg(F.count("*").alias("vectors"), F.countDistinct(word).alias("ids")).collect()[0]
        if row["vectors"] == row["ids"]:
            return word
    raise DedupError("no 64 bits of the vectors' digests tell them apart")
