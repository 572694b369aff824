"""Features saved to Parquet and loaded from it: the ``features`` table, as the Spark jobs write and read it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dedup_core.encodings import ImageInfo

_RUN_ID = "one-machine"
_EMBEDDING = pa.list_(pa.float32())
_SCHEMA = pa.schema(
    [
        ("path", pa.string()), ("size", pa.int64()), ("modified_at", pa.timestamp("us", "UTC")), ("width", pa.int32()),
        ("height", pa.int32()), ("format", pa.string()), ("fingerprint", pa.string()), ("hash", pa.int64()),
        ("embedding", _EMBEDDING), ("run_id", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class MethodFeatures:
    """One method's rows of the table.

    Attributes:
        method: "phash".
        fingerprint: identifies everything that the values depend on.
        names: the images.
        values: uint64 (n,) hashes or float32 (n, d) embeddings, one an image.
        images: what is known of each image.
    """

    method: str
    fingerprint: str
    names: Sequence[str]
    values: np.ndarray
    images: Mapping[str, ImageInfo] = field(default_factory=dict)

    def save(self, table: Path, overwrite: bool = False) -> None:
        """Write the rows into the table, aside first, so that a reader never finds half of them.

        Args:
            table: the table's folder, made if need be. Other methods' rows in it stay.
            overwrite: whether to replace rows of the same method.

        Raises:
            FileExistsError: if the table has rows of the method and ``overwrite`` is False.
        """
        target = _folder(table, self.method)
        if target.exists() and not overwrite:
            raise FileExistsError(f"{target} is there already: overwrite=True replaces it")
        aside = table / f"_{self.method}-{secrets.token_hex(4)}"  # readers pass over names that begin with '_'
        aside.mkdir(parents=True)
        pq.write_table(self._rows(), aside / "part-0.parquet")
        if target.exists():
            shutil.rmtree(target)
        aside.rename(target)

    @classmethod
    def load(cls, table: Path, method: str, fingerprint: str) -> MethodFeatures:
        """Read a method's rows.

        Args:
            table: the table's folder.
            method: whose rows.
            fingerprint: what they must have been made by.

        Raises:
            FileNotFoundError: if the table has no rows of the method.
            ValueError: if they have another fingerprint.
        """
        source = _folder(table, method)
        if not source.is_dir():
            raise FileNotFoundError(f"there are no {method} features in {table}: it has no folder {source.name}")
        rows = pq.read_table(source, partitioning=None).select(_SCHEMA.names).cast(_SCHEMA)
        for found in rows["fingerprint"].unique().to_pylist():
            if found != fingerprint:
                raise ValueError(f"{source} holds features of {found!r}, which can't be compared with {fingerprint!r}")
        names = rows["path"].to_pylist()
        return cls(method, fingerprint, names, _values(rows), dict(zip(names, _infos(rows), strict=True)))

    def _rows(self) -> pa.Table:
        infos = [self.images.get(name, ImageInfo()) for name in self.names]
        columns: dict[str, object] = {
            "path": [_readable(name) for name in self.names],
            "fingerprint": [self.fingerprint] * len(infos),
            "hash": pa.nulls(len(infos), pa.int64()),
            "embedding": pa.nulls(len(infos), _EMBEDDING),
            "run_id": [_RUN_ID] * len(infos),
        }
        columns |= {name: [getattr(info, name) for info in infos] for name in _INFO_COLUMNS}
        columns |= {"hash": self.values.view(np.int64)} if self.values.ndim == 1 else {"embedding": _lists(self.values)}
        return pa.table(columns, schema=_SCHEMA)


_INFO_COLUMNS = ("size", "modified_at", "width", "height", "format")


def _folder(table: Path, method: str) -> Path:
    return table / f"method={method}"


def _readable(name: str) -> str:
    """Return a file name as text: bytes of it that are no UTF-8 become escapes, as in the Spark jobs."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _infos(rows: pa.Table) -> list[ImageInfo]:
    microseconds = rows["modified_at"].cast(pa.int64())
    columns = [(microseconds if name == "modified_at" else rows[name]).to_pylist() for name in _INFO_COLUMNS]
    return [ImageInfo(*values) for values in zip(*columns, strict=True)]


def _lists(vectors: np.ndarray) -> pa.Array:
    ends = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, np.ascontiguousarray(vectors).ravel())


def _values(rows: pa.Table) -> np.ndarray:
    if not rows["hash"].null_count:
        return rows["hash"].to_numpy().astype(np.int64).view(np.uint64)
    return rows["embedding"].combine_chunks().flatten().to_numpy().reshape(len(rows), -1)
