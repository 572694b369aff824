"""The join by votes: images cut into chunks, every chunk against every other."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from dedup_core.local.votes import CodedImages, Votes, cross_votes, self_votes
from dedup_core.settings.layers import option
from dedup_core.spark.batches import Batches, gathered
from dedup_core.spark.search.chunks import BOTH, LEFT, RIGHT, brought_together, chunk_pairs, chunks_of
from dedup_core.spark.search.local.codes import codes_of, cut_over

CANDIDATES = "code_a BIGINT, code_b BIGINT, votes INT"

_PACKED = "chunk INT, images BINARY, sizes BINARY, codes BINARY"
_PACK_IMAGES, _MOST_PACKED = 2048, 32_768  # of a chunk, and of all: 100 MB of codes


def candidates(coded: DataFrame, count: int, max_distance: int, min_votes: int, chunk_images: int) -> DataFrame:
    """Return every pair of images with enough votes, ``CANDIDATES``: ``code_a`` is the smaller one.

    Args:
        coded: ``CODED``: each image once.
        count: how many images there are.
        max_distance: in how many bits two codes may differ that are partners.
        min_votes: how many votes are enough.
        chunk_images: how many images a task compares with as many others.
    """
    chunks = chunks_of(count, chunk_images, option("chunk_images"))
    packed = coded.select("code", "codes").mapInArrow(_packer(chunks), _PACKED)
    return brought_together(packed, chunk_pairs(0, chunks)).mapInArrow(_joiner(max_distance, min_votes), CANDIDATES)


def images_of(rows: pa.Table | pa.RecordBatch) -> CodedImages:
    """Return the images of ``CODED`` rows."""
    blobs = rows.column("codes").to_pylist()
    return _coded([(rows.column("code").to_numpy(), np.array([len(blob) // 8 for blob in blobs]), b"".join(blobs))])


def _packer(chunks: int) -> Callable[[Batches], Batches]:
    """Pack images into blobs by chunk: a shuffle of blobs costs a fraction of a shuffle of rows."""

    def pack(batches: Batches) -> Batches:
        for rows in gathered(batches, min(_PACK_IMAGES * chunks, _MOST_PACKED)):
            images, codes = rows.column("code").to_numpy(), rows.column("codes").to_pylist()
            sizes = np.array([len(blob) // 8 for blob in codes], np.int64)
            cut = cut_over(images.view(np.uint64), chunks)
            yield pa.RecordBatch.from_pydict(
                {
                    "chunk": pa.array([number for number, _ in cut], pa.int32()),
                    "images": pa.array([images[some].tobytes() for _, some in cut], pa.binary()),
                    "sizes": pa.array([sizes[some].tobytes() for _, some in cut], pa.binary()),
                    "codes": pa.array([b"".join(codes[at] for at in some) for _, some in cut], pa.binary()),
                }
            )

    return pack


def _joiner(max_distance: int, min_votes: int) -> Callable[[Batches], Batches]:
    def join(batches: Batches) -> Batches:
        blobs: dict[int, list] = {LEFT: [], RIGHT: [], BOTH: []}
        for batch in batches:
            for row in batch.to_pylist():
                numbers = (np.frombuffer(row[name], np.int64) for name in ("images", "sizes"))
                blobs[row["side"]].append((*numbers, row["codes"]))
        left, right, both = map(_coded, blobs.values())
        yield from _records(cross_votes(left, right, max_distance, min_votes))
        yield from _records(self_votes(both, max_distance, min_votes))

    return join


def _coded(blobs: list[tuple[np.ndarray, np.ndarray, bytes]]) -> CodedImages:
    """Return images in ascending order, of blobs in which they come in any."""
    images = np.concatenate([np.empty(0, np.int64), *(np.repeat(images, sizes) for images, sizes, _ in blobs)])
    codes = codes_of(b"".join(codes for _, _, codes in blobs))
    order = np.argsort(images, kind="stable")
    return CodedImages(codes[order], images[order])


def _records(blocks: Iterable[Votes]) -> Batches:
    for found in blocks:
        if len(found):
            ends = np.minimum(found.left, found.right), np.maximum(found.left, found.right)
            columns = [pa.array(column) for column in (*ends, found.votes)]
            yield pa.RecordBatch.from_arrays(columns, names=["code_a", "code_b", "votes"])
