"""What was encoded, as Arrow columns: a row an image and method, built column by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from dedup_core.encoders.encoder import Encoded
from dedup_core.images.picture import Failure
from dedup_core.local.record import unpacked

_LOCAL_ARROW = pa.struct([("keypoints", pa.list_(pa.int16())), ("descriptors", pa.binary()), ("picture", pa.binary())])
_OF_IMAGE = [("path", pa.string()), ("size", pa.int64()), ("modified_at", pa.timestamp("us", "UTC")),
             ("identity", pa.string())]  # fmt: skip
_OF_PICTURE = [("width", pa.int32()), ("height", pa.int32()), ("format", pa.string())]
_OF_TRAITS = [("frames", pa.int32()), ("caution", pa.list_(pa.string())), ("look", pa.binary()),
              ("digest", pa.string())]  # fmt: skip
_OF_FEATURE = [("method", pa.string()), ("fingerprint", pa.string()), ("hash", pa.int64()),
               ("turned", pa.list_(pa.int64())), ("embedding", pa.list_(pa.float32())),
               ("local", _LOCAL_ARROW)]  # fmt: skip
_OF_FAILURE = [("reason", pa.string()), ("message", pa.string())]
ENCODED_ARROW = pa.schema(_OF_IMAGE + _OF_PICTURE + _OF_TRAITS + _OF_FEATURE + _OF_FAILURE)

MOST_BYTES = 16 << 20
"""Of a batch that is handed on: a row has a look of 4 KB, and may have an embedding or 21 KB of local features."""

ImageColumns = Mapping[str, Sequence]
"""path, size, modified_at in microseconds since 1970, and identity: an entry an image."""

_Placed = Sequence[tuple[np.ndarray, np.ndarray]]
"""Features by method: the rows that they stand in, int64 (n,), and what the encoder made of n images."""


class Storage:
    """How the features of some methods lie in their columns.

    Args:
        fingerprints: of the features, by method, in the order of their rows.
        columns: by method, the column that its features fill.
    """

    def __init__(self, fingerprints: Mapping[str, str], columns: Mapping[str, str]) -> None:
        self._names, self._fingerprints = list(fingerprints), list(fingerprints.values())
        self._columns = columns

    def batch(self, images: ImageColumns, results: Sequence[Encoded | Failure]) -> pa.RecordBatch:
        """Return a row an image and method, or one row an image that failed, in the order of the images."""
        is_good = np.array([isinstance(result, Encoded) for result in results], bool)
        rows = np.where(is_good, len(self._names), 1)
        starts = np.cumsum(rows) - rows
        by_image = [*_image_arrays(images), *_picture_arrays(results), *_failure_arrays(results)]
        number = pa.array(np.repeat(np.arange(len(results)), rows))
        *pictures, reason, message = (column.take(number) for column in by_image)
        features = self._feature_arrays(results, starts[is_good], int(rows.sum()))
        return pa.RecordBatch.from_arrays([*pictures, *features, reason, message], schema=ENCODED_ARROW)

    def _feature_arrays(
        self, results: Sequence[Encoded | Failure], starts: np.ndarray, n_rows: int
    ) -> Iterator[pa.Array]:
        good = [result for result in results if isinstance(result, Encoded)]
        which, is_none = np.zeros(n_rows, np.int64), np.ones(n_rows, bool)
        placed: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"hash": [], "embedding": [], "local": []}
        for number, name in enumerate(self._names if good else ()):
            rows = starts + number
            which[rows], is_none[rows] = number, False
            placed[self._columns[name]].append((rows, np.stack([result.features[name] for result in good])))
        named = pa.array(which, mask=is_none)
        yield pa.array(self._names, pa.string()).take(named)
        yield pa.array(self._fingerprints, pa.string()).take(named)
        yield _hashes(placed["hash"], n_rows)
        yield _lists([(at, codes[:, 1:].astype(np.int64)) for at, codes in placed["hash"] if codes.ndim > 1], n_rows)
        yield _lists(placed["embedding"], n_rows, np.float32)
        yield _local(placed["local"], n_rows)


def pieces(batch: pa.RecordBatch, most_bytes: int | None = None) -> Iterator[pa.RecordBatch]:
    """Yield a batch in parts of no more bytes, by default `MOST_BYTES`, halved until they are; no row is cut."""
    most_bytes = MOST_BYTES if most_bytes is None else most_bytes
    if len(batch) < 2 or batch.nbytes <= most_bytes:
        yield batch
        return
    half = len(batch) // 2
    yield from pieces(batch.slice(0, half), most_bytes)
    yield from pieces(batch.slice(half), most_bytes)


def _image_arrays(images: ImageColumns) -> Iterator[pa.Array]:
    for name, kind in _OF_IMAGE:
        if name == "modified_at":
            yield pa.array(images[name], pa.int64()).cast(kind)
        else:
            yield pa.array(images[name], kind)


def _picture_arrays(results: Sequence[Encoded | Failure]) -> Iterator[pa.Array]:
    for name, kind in _OF_PICTURE:
        yield pa.array([getattr(result, name, None) for result in results], kind)
    traits = [getattr(result, "traits", None) for result in results]
    for name, kind in _OF_TRAITS:
        yield pa.array([getattr(known, name, None) for known in traits], kind)


def _failure_arrays(results: Sequence[Encoded | Failure]) -> Iterator[pa.Array]:
    for name, kind in _OF_FAILURE:
        yield pa.array([getattr(result, name, None) for result in results], kind)


def _hashes(placed: _Placed, n_rows: int) -> pa.Array:
    """Return the codes of pictures as they lie: the first of each row, where those of the turned ones follow."""
    codes, is_none = np.zeros(n_rows, np.int64), np.ones(n_rows, bool)
    for rows, values in placed:
        codes[rows] = values.reshape(len(rows), -1)[:, 0].astype(np.int64)
        is_none[rows] = False
    return pa.array(codes, mask=is_none)


def _lists(placed: _Placed, n_rows: int, kind: type[np.generic] = np.int64) -> pa.Array:
    """Return lists, of one length a method, and null in all other rows."""
    lengths, is_none = np.zeros(n_rows, np.int32), np.ones(n_rows + 1, bool)
    for rows, values in placed:
        lengths[rows], is_none[rows] = values.shape[1], False
    is_none[n_rows] = False
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    flat = np.empty(offsets[-1], kind)
    for rows, values in placed:
        flat[offsets[rows, None] + np.arange(values.shape[1])] = values
    return pa.ListArray.from_arrays(pa.array(offsets, mask=is_none), pa.array(flat))


def _local(placed: _Placed, n_rows: int) -> pa.Array:
    found: list[dict | None] = [None] * n_rows
    for rows, records in placed:
        for row, record in zip(rows.tolist(), records, strict=True):
            found[row] = unpacked(record).to_row()
    return pa.array(found, _LOCAL_ARROW)
