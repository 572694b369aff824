"""Delta tables: Parquet that Spark has left in a table's folder becomes its content by one transaction of its log.

Nothing is copied or renamed, so that a table changes at one stroke on object stores too, where a commit is a file that
may not be there yet. That the transactions of several tables belong together ``current.json`` says (see
`dedup_core.current`): one that is cut short between two of them is ended by whoever opens the folder next.
"""

from __future__ import annotations

import importlib.util
import json
import posixpath
import re
import time
from collections.abc import Iterable, Iterator
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

from dedup_core.current import KEPT_SECONDS, Commit, Current
from dedup_core.errors import DedupError, SettingsError, first_line, to_install
from dedup_core.ledger import LOG, PARTITION, TABLES, is_version
from dedup_core.spark.store import Store

if TYPE_CHECKING:
    from deltalake import DeltaTable, Schema

EXTRA = "delta"

_OF_SPARK = re.compile(r"part-.*\.parquet|\..*\.crc|_SUCCESS|_committed_\d+|_started_\d+")
_SPARKS_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
_AT_ONCE = 16  # files whose last bytes are read at a time: on a store it is the waiting that takes the time


def check_delta(otherwise: str = "") -> None:
    """See that Delta tables can be committed here.

    Args:
        otherwise: what else may be done, for the message.

    Raises:
        SettingsError: says what to install.
    """
    missing = [name for name in ("deltalake", "obstore") if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingsError(f"Delta tables need {' and '.join(missing)}: {to_install(EXTRA)}{otherwise}")


def check_logs(store: Store, tables: Iterable[str]) -> None:
    """See that tables can be committed to, before anything is made for them.

    Args:
        store: the output folder.
        tables: their names; those that are not there yet are no hindrance.

    Raises:
        SettingsError: says which can't, and what to do.
    """
    for table in tables:
        try:
            log = _log(store, table)
        except Exception as error:
            raise SettingsError(f"can't open {_refused(store, table, error)}") from error
        if log is not None and (why := _refusal(log, [] if table == "failures" else ["method"])):
            raise SettingsError(f"the Delta table {store.url}/{table} {why}, or choose another folder")


def _refusal(log: DeltaTable, partitions: list[str]) -> str | None:
    told = log.metadata()
    if told.partition_columns != partitions:
        return f"has the partitions {told.partition_columns}, and {partitions} are wanted: move it away"
    if told.configuration.get("delta.appendOnly") == "true":
        return "is append-only, and a run replaces rows: unset delta.appendOnly"
    return None


def transact(store: Store, commit: Commit, run_id: str | None) -> int | None:
    """Make a transaction, unless its table holds just that already, and return the table's version.

    Args:
        store: the output folder, whose lock is held.
        commit: what is to be there.
        run_id: of the run that publishes: the transaction's metadata say it.

    Returns:
        None where there is no such table, and nothing to put into one.

    Raises:
        SettingsError: if deltalake is missing.
        DedupError: if the store or somebody else's transaction prevents it; another attempt may be made at any time.
    """
    check_delta()
    try:
        return _committed(store, commit, run_id)
    except Exception as error:
        raise DedupError(
            f"can't commit {_refused(store, commit.table, error)} All that it needs is in place, and the next job in "
            "that folder tries again"
        ) from error


def _refused(store: Store, table: str, error: Exception) -> str:
    return (
        f"the Delta table {store.url}/{table}: {first_line(error)}. If that is for good, move that folder away, and "
        "its table is made anew."
    )


def _log(store: Store, table: str) -> DeltaTable | None:
    """Return a table's log; None where there is none."""
    from deltalake import DeltaTable

    where, options = store.object_url(table), store.object_options()
    there = store.exists(table) and DeltaTable.is_deltatable(where, options)
    return DeltaTable(where, storage_options=options) if there else None


def _committed(store: Store, commit: Commit, run_id: str | None) -> int | None:
    from deltalake import CommitProperties
    from deltalake.transaction import create_table_with_add_actions

    log = _log(store, commit.table)
    if log is None and not commit.files:
        return None
    told: dict[str, Any] = {
        "partition_by": ["method"] if _methods(commit) else [],
        "commit_properties": CommitProperties(custom_metadata={"run_id": run_id}),
    }
    if log is None:
        where, options = store.object_url(commit.table), store.object_options()
        schema, adds = _schema(store, commit), _add_actions(store, commit)
        create_table_with_add_actions(where, schema, adds, storage_options=options, **told)
        return 0
    if _held(log, commit) != set(commit.files):
        schema = _schema(store, commit) if commit.files else log.schema()
        filters = [("method", "in", _methods(commit))] if _methods(commit) else None
        adds = _add_actions(store, commit)
        log.create_write_transaction(adds, "overwrite", schema, partition_filters=filters, **told)
        log.update_incremental()
    return log.version()


def _held(log: DeltaTable, commit: Commit) -> set[str]:
    """Return the files that hold the rows of the parts which a transaction replaces."""
    rows, methods = pa.table(log.get_add_actions(flatten=True)).to_pylist(), _methods(commit)
    held = (row["path"] for row in rows if not methods or row["partition.method"] in methods)
    return {f"{commit.table}/{unquote(path)}" for path in held}  # a log holds paths as parts of a URL


def _methods(commit: Commit) -> list[str]:
    """Return the methods whose rows a transaction replaces; none of a table that is in no partitions."""
    return [place.rpartition(PARTITION)[2] for place in commit.folders if PARTITION in place]


def _add_actions(store: Store, commit: Commit) -> list[Any]:
    from deltalake.transaction import AddAction

    now = int(time.time() * 1000)
    with ThreadPool(_AT_ONCE) as pool:
        measured = pool.map(store.measured, commit.files)
    return [
        AddAction(
            path=name.removeprefix(f"{commit.table}/"),
            size=size,
            partition_values=_partition(name),
            modification_time=now,
            data_change=True,
            stats=json.dumps({"numRecords": rows}),
        )
        for name, (size, rows) in zip(commit.files, measured, strict=True)
    ]


def _partition(name: str) -> dict[str, str | None]:
    """Return the partition that a file lies in, as its path says."""
    found = [part.removeprefix(PARTITION) for part in name.split("/") if part.startswith(PARTITION)]
    return {"method": found[0]} if found else {}


def _schema(store: Store, commit: Commit) -> Schema:
    """Return a table's schema: that which Spark has left in the Parquet, and the method of the partitions.

    A column that one run happens to fill in every row may be null in the next.
    """
    from deltalake import Schema

    told = _all_nullable(json.loads(store.parquet_metadata(commit.files[0])[_SPARKS_SCHEMA]))
    if _methods(commit):
        told["fields"].append({"name": "method", "type": "string", "nullable": True, "metadata": {}})
    return Schema.from_json(json.dumps(told))


def _all_nullable(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_all_nullable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: _all_nullable(part) for name, part in schema.items()}
    return told | {name: True for name in ("nullable", "containsNull") if name in told}


def sweep(store: Store, current: Current) -> None:
    """Delete the rows that no reader looks for: of runs that were stopped, and those that were replaced a day ago.

    Only the holder of the folder's lock may, before it writes any. Where a table has a log, and what the folder holds
    is not known to be Delta tables, somebody has deleted `current.json`: then nothing goes.

    Args:
        store: the output folder.
        current: what it holds.
    """
    young = time.time() - KEPT_SECONDS
    kept = {*current.folders.values(), *(folder for folder, when in current.former.items() if when > young)}
    for table in TABLES:
        if current.is_delta or not store.entries(table, LOG):
            for folder in _versions(store, table):
                if folder not in kept:
                    _clear(store, folder)


def _versions(store: Store, table: str) -> Iterator[str]:
    """Yield the folders with rows of a run, those of each method by themselves."""
    for entry in store.entries(table):
        if is_version(folder := f"{table}/{entry}"):
            parts = [name for name in store.entries(*folder.split("/")) if name.startswith(PARTITION)]
            yield from (f"{folder}/{part}" for part in parts)
            if not parts:
                yield folder


def _clear(store: Store, folder: str) -> None:
    """Delete what Spark has left in a folder; whatever else somebody has put there stays."""
    names = store.files(folder)
    sparks = [name for name in names if _OF_SPARK.fullmatch(posixpath.basename(name))]
    if sparks == names:
        store.delete_tree(*folder.split("/"))
    else:
        store.delete_files(sparks)
