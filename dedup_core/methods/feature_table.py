"""Features saved to Parquet and loaded from it: the ``features`` table, as the Spark jobs write and read it."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup_core.current import CURRENT, Current, Provenance
from dedup_core.encoders.registry import TURNED
from dedup_core.errors import SettingsError
from dedup_core.holder import LOCK, Holder
from dedup_core.images.names import storable
from dedup_core.ledger import MARKER, SPARKS_MARKS, TABLES, Ledger, is_hidden, no_marker
from dedup_core.local.features import LocalFeatures
from dedup_core.methods.encodings import ImageInfo

_RUN_ID = "one-machine"
_EMBEDDING = pa.list_(pa.float32())
_LOCAL = pa.struct([("keypoints", pa.list_(pa.int16())), ("descriptors", pa.binary()), ("picture", pa.binary())])
_TURNED = pa.list_(pa.int64())
_SCHEMA = pa.schema(
    [
        ("path", pa.string()), ("size", pa.int64()), ("modified_at", pa.timestamp("us", "UTC")),
        ("identity", pa.string()), ("other_names", pa.list_(pa.string())), ("is_unseen", pa.bool_()),
        ("width", pa.int32()), ("height", pa.int32()), ("format", pa.string()), ("frames", pa.int32()),
        ("caution", pa.list_(pa.string())), ("look", pa.binary()), ("digest", pa.string()),
        ("fingerprint", pa.string()),
        ("hash", pa.int64()), ("turned", _TURNED), ("embedding", _EMBEDDING), ("local", _LOCAL),
        ("run_id", pa.string()),
    ]
)  # fmt: skip
_NEEDED = {"path", "fingerprint", "hash", "embedding"}
_VALUES = ("hash", "embedding", "local")
_LOCAL_ROWS = 4096  # at a time: what they hold end to end stays far below the 2 GB of an Arrow array
_EXAMPLES = 3
_SAVING = ".saving-"
_FEATURES = TABLES[0]


@dataclass(frozen=True)
class MethodFeatures:
    """One method's rows of the table.

    Attributes:
        method: "phash".
        fingerprint: identifies everything that the values depend on.
        names: the images.
        values: uint64 (n,) hashes, uint64 (n, 8) with those of the turns, float32 (n, d) embeddings, or objects
            (n,) that are ``LocalFeatures``.
        images: what is known of each image.
        other_names: further names of the same files, by the image's.
    """

    method: str
    fingerprint: str
    names: Sequence[str]
    values: np.ndarray
    images: Mapping[str, ImageInfo] = field(default_factory=dict)
    other_names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def save(self, table: Path, overwrite: bool = False) -> None:
        """Write the rows into the table, aside first, so that a reader never finds half of them.

        Args:
            table: the table's folder, made if need be. Other methods' rows in it stay.
            overwrite: whether to replace rows of the same method.

        Raises:
            FileExistsError: if the table has rows of the method and ``overwrite`` is False, or if their folder holds
                files that are no features.
            SettingsError: if the table lies in an output folder whose marker can't be read, or is a Delta table.
            InUseError: if a run works in that folder.
        """
        target = _folder(table, self.method)
        if target.exists() and not overwrite:
            raise FileExistsError(f"{target} is there already: overwrite=True replaces it")
        with _alone(table):
            self._put(table, target)

    def _put(self, table: Path, target: Path) -> None:
        before = _feature_files(target)
        parts = [path for path in before if not is_hidden(path.name)]
        aside = target / f"{_SAVING}{secrets.token_hex(4)}"
        # The one part that there is gives its name: the old one makes room at one stroke.
        new = parts[0] if len(parts) == 1 else target / f"part-{aside.name.removeprefix(_SAVING)}.parquet"
        _note_in_ledger(table, [new])
        target.mkdir(parents=True, exist_ok=True)
        pq.write_table(self._rows(), aside)
        for file in before:
            if file != new:
                file.unlink()
        aside.replace(new)
        _note_in_ledger(table, [new], [file for file in before if file != new])
        self._note_in_current(table)

    def _note_in_current(self, table: Path) -> None:
        """Let whoever reads the output folder around the table know that its features are others now."""
        current = table.parent / CURRENT
        if table.name != _FEATURES or not current.exists():
            return
        made = Provenance(
            run_id=_RUN_ID,
            source=_RUN_ID,
            fingerprint=self.fingerprint,
            features={self.method: secrets.token_hex(8)},
        )
        told = Current.from_json(current.read_bytes(), str(table.parent))
        tables = {**told.tables, f"{_FEATURES}/{_folder(table, self.method).name}": made}
        told = told.model_copy(update={"tables": tables})
        _replace(current, told.to_json())

    @classmethod
    def load(cls, table: Path, method: str, fingerprint: str) -> MethodFeatures:
        """Read a method's rows, but for images that the newest run could not see.

        Args:
            table: the table's folder.
            method: whose rows.
            fingerprint: what they must have been made by.

        Raises:
            FileNotFoundError: if the table has no rows of the method.
            ValueError: if they have another fingerprint, miss a path or a feature, or name an image twice; or a run was
                cut short while it published them.
        """
        _refuse_pending(table.parent)
        source = _lies_at(table, method)
        if not source.is_dir():
            raise FileNotFoundError(f"there are no {method} features in {table}: it has no folder {source.name}")
        rows = _conformed(pq.read_table(source, partitioning=None), source)
        rows = rows.filter(pc.invert(pc.fill_null(rows["is_unseen"], fill_value=False)))
        values = next((name for name in _VALUES if rows[name].null_count < len(rows)), _VALUES[0])
        turned = ("turned",) if TURNED in fingerprint else ()
        for column in ("path", "fingerprint", values, *turned):
            if missing := rows[column].null_count:
                raise ValueError(f"{source} has {missing:,} rows without a {column}: encode these images again")
        for found in rows["fingerprint"].unique().to_pylist():
            if found != fingerprint:
                raise ValueError(f"{source} holds features of {found!r}, which can't be compared with {fingerprint!r}")
        names = rows["path"].to_pylist()
        _refuse_repeated(names, source)
        others = {name: given for name, given in zip(names, rows["other_names"].to_pylist(), strict=True) if given}
        infos = dict(zip(names, _infos(rows), strict=True))
        return cls(method, fingerprint, names, _values(rows, values), infos, others)

    def _rows(self) -> pa.Table:
        infos = [self.images.get(name, ImageInfo()) for name in self.names]
        columns: dict[str, object] = {
            "path": [storable(name) for name in self.names],
            "other_names": [self.other_names.get(name) for name in self.names],
            "fingerprint": [self.fingerprint] * len(infos),
            "is_unseen": pa.nulls(len(infos), pa.bool_()),
            "hash": pa.nulls(len(infos), pa.int64()),
            "turned": pa.nulls(len(infos), _TURNED),
            "embedding": pa.nulls(len(infos), _EMBEDDING),
            "local": pa.nulls(len(infos), _LOCAL),
            "run_id": [_RUN_ID] * len(infos),
        }
        columns |= {name: [getattr(info, name) for info in infos] for name in _INFO_COLUMNS}
        columns |= _columns_of(self.values)
        return pa.table(columns, schema=_SCHEMA)


_INFO_COLUMNS = tuple(field.name for field in fields(ImageInfo))


def _folder(table: Path, method: str) -> Path:
    return table / f"method={method}"


def _feature_files(folder: Path) -> list[Path]:
    """Return the files of one method's features, with what Spark writes beside them, and what a stopped save has left.

    Raises:
        FileExistsError: if there is anything else that isn't hidden.
    """
    found = sorted(folder.iterdir()) if folder.exists() else []
    ours = [path for path in found if _is_ours(path)]
    strange = [path for path in found if path not in ours and not is_hidden(path.name)]
    if strange:
        raise FileExistsError(
            f"{strange[0]} holds no features and would be replaced: move it away, or choose another table"
        )
    return ours


def _is_ours(path: Path) -> bool:
    if not is_hidden(path.name):
        return _holds_features(path)
    is_known = path.name in SPARKS_MARKS or path.name.endswith(".crc") or path.name.startswith(_SAVING)
    return is_known and path.is_file()


def _holds_features(path: Path) -> bool:
    try:
        return path.is_file() and set(pq.read_schema(path).names) >= _NEEDED
    except (OSError, pa.ArrowException):
        return False


def _note_in_ledger(table: Path, made: Sequence[Path], gone: Sequence[Path] = ()) -> None:
    """Let the runs that write the output folder around the table know which features are ours.

    Raises:
        SettingsError: if the folder's marker is none of ours.
    """
    folder, marker = table.parent, table.parent / MARKER
    if table.name != _FEATURES or not os.path.lexists(marker):
        return
    try:
        ledger = Ledger.from_json(marker.read_bytes(), str(folder))
    except OSError as error:
        raise no_marker(str(folder)) from error
    new, old = ([path.relative_to(folder).as_posix() for path in paths] for paths in (made, gone))
    _replace(marker, ledger.without_files(old).with_files(new).to_json())


def _replace(file: Path, text: str) -> None:
    aside = file.with_name(f"._{file.name}")
    aside.write_text(text, encoding="utf-8", errors="backslashreplace")
    aside.replace(file)


@contextmanager
def _alone(table: Path) -> Iterator[None]:
    """Hold the output folder around a table for a while, where there is one.

    Raises:
        InUseError: if a run works in that folder.
        SettingsError: if a run was cut short there while it published, or publishes Delta tables.
    """
    folder = table.parent
    if table.name != _FEATURES or not os.path.lexists(folder / MARKER):
        yield
        return
    me = Holder.me(f"{_RUN_ID}-{secrets.token_hex(4)}")
    lock = folder / LOCK / f"{me.run_id}.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(me.to_json())
    try:
        _refuse_others(folder, lock)
        _refuse_pending(folder)
        if _current_of(folder).is_delta:
            raise SettingsError(f"{table} is a Delta table, into which jobs alone write: choose another table")
        yield
    finally:
        lock.unlink(missing_ok=True)
        for empty in (lock.parent, lock.parent.parent):
            with suppress(OSError):  # others work there
                empty.rmdir()


def _refuse_others(folder: Path, own: Path) -> None:
    now = own.stat().st_mtime
    for lock in own.parent.glob("[!.]*.json"):
        with suppress(FileNotFoundError):  # it has just been left
            holder = Holder.from_json(lock.read_bytes())
            if lock != own and holder is not None and holder.lives(now - lock.stat().st_mtime):
                raise holder.shuts_out(str(folder))


def _refuse_pending(folder: Path) -> None:
    """Refuse to look at an output folder in which tables of two runs lie."""
    if _current_of(folder).pending is not None:
        raise SettingsError(
            f"{folder} holds tables of two runs, as one was cut short while it published: let any job of dedup run "
            "there first, such as dedup report"
        )


def _current_of(folder: Path) -> Current:
    """Return what an output folder holds; nothing of a folder that is none."""
    current = folder / CURRENT
    is_ours = current.exists() and os.path.lexists(folder / MARKER)
    return Current.from_json(current.read_bytes(), str(folder)) if is_ours else Current()


def _lies_at(table: Path, method: str) -> Path:
    """Return the folder of one method's rows: of a Delta table that which the output folder around it names."""
    folder = _current_of(table.parent).folders.get(f"{_FEATURES}/method={method}") if table.name == _FEATURES else None
    return _folder(table, method) if folder is None else table.parent / folder


def _conformed(rows: pa.Table, source: Path) -> pa.Table:
    if missing := sorted(_NEEDED - set(rows.column_names)):
        raise ValueError(f"{source} is no features table: it has no column {', '.join(missing)}")
    columns = [
        rows[name].cast(kind) if name in rows.column_names else pa.nulls(len(rows), kind)
        for name, kind in zip(_SCHEMA.names, _SCHEMA.types, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)


def _refuse_repeated(names: Sequence[str], source: Path) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        examples = ", ".join(map(repr, sorted(repeated)[:_EXAMPLES]))
        raise ValueError(f"{source} names {len(repeated):,} images more than once, such as {examples}")


def _infos(rows: pa.Table) -> list[ImageInfo]:
    microseconds = rows["modified_at"].cast(pa.int64())
    columns = [(microseconds if name == "modified_at" else rows[name]).to_pylist() for name in _INFO_COLUMNS]
    infos = (ImageInfo(*values) for values in zip(*columns, strict=True))
    return [replace(info, caution=None if info.caution is None else tuple(info.caution)) for info in infos]


def _columns_of(values: np.ndarray) -> dict[str, object]:
    """Return the columns that hold the values, by their names."""
    if values.dtype == object:
        return {"local": _local_rows(values)}
    if values.dtype != np.uint64:
        return {"embedding": _lists(values)}
    if values.ndim == 1:
        return {"hash": values.view(np.int64)}
    return {"hash": values[:, 0].view(np.int64), "turned": _lists(values[:, 1:].view(np.int64))}


def _local_rows(values: np.ndarray) -> pa.ChunkedArray:
    parts = [values[start : start + _LOCAL_ROWS] for start in range(0, len(values), _LOCAL_ROWS)]
    rows = [pa.array([features.to_row() for features in part], _LOCAL) for part in parts]
    return pa.chunked_array(rows, _LOCAL)


def _lists(vectors: np.ndarray) -> pa.Array:
    ends = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, np.ascontiguousarray(vectors).ravel())


def _values(rows: pa.Table, column: str) -> np.ndarray:
    if column == "hash":
        upright = rows["hash"].to_numpy().astype(np.int64).view(np.uint64)
        if not len(rows) or rows["turned"].null_count:
            return upright
        turned = rows["turned"].combine_chunks().flatten().to_numpy().view(np.uint64)
        return np.column_stack([upright, turned.reshape(len(rows), -1)])
    if column == "local":
        return _local_values(rows["local"])
    return rows["embedding"].combine_chunks().flatten().to_numpy().reshape(len(rows), -1)


def _local_values(column: pa.ChunkedArray) -> np.ndarray:
    values = np.empty(len(column), object)
    for position, scalar in enumerate(column):
        told = {"keypoints": scalar["keypoints"].values.to_numpy(), "descriptors": scalar["descriptors"].as_py()}
        values[position] = LocalFeatures.of_row({**told, "picture": scalar["picture"].as_py()})
    return values
