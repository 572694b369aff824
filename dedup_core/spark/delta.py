"""Delta tables: Parquet that Spark has left in a table's folder becomes its content by one transaction of its log.

Nothing is copied or renamed, so that a table changes at one stroke on object stores too, where a commit is a file that
may not be there yet. That the transactions of several tables belong together ``current.json`` says (see
`dedup_core.current`): one that is cut short between two of them is ended by whoever opens the folder next.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from dedup_core.current import Commit, Current
from dedup_core.errors import DedupError, SettingsError, to_install
from dedup_core.ledger import TABLES, is_version
from dedup_core.spark.conditional import store_options
from dedup_core.spark.store import Store

if TYPE_CHECKING:
    from deltalake import DeltaTable, Schema

EXTRA = "delta"
_SPARKS_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
_METHOD = "method="
_AT_ONCE = 16  # files whose last bytes are read at a time: on a store it is the waiting that takes the time


def check_delta(otherwise: str = "") -> None:
    """See that Delta tables can be committed here.

    Args:
        otherwise: what else may be done, for the message.

    Raises:
        SettingsError: says what to install.
    """
    try:
        import deltalake  # noqa: F401 - none but those who publish such tables need it
    except ImportError as error:
        raise SettingsError(f"Delta tables need deltalake: {to_install(EXTRA)}{otherwise}") from error


def transact(store: Store, commit: Commit, run_id: str | None) -> int:
    """Make a transaction, unless its table holds just that already, and return the table's version.

    Args:
        store: the output folder, whose lock is held.
        commit: what is to be there.
        run_id: of the run that publishes: the transaction's metadata say it.

    Raises:
        SettingsError: if deltalake is missing.
        DedupError: if the store or somebody else's transaction prevents it; another attempt may be made at any time.
    """
    check_delta()
    from deltalake.exceptions import DeltaError

    try:
        return _committed(store, commit, run_id)
    except (DeltaError, OSError) as error:
        raise DedupError(
            f"can't commit the Delta table {store.url}/{commit.table}: {' '.join(str(error).split())}. All that it "
            "needs is in place, and the next job in that folder tries again"
        ) from error


def _committed(store: Store, commit: Commit, run_id: str | None) -> int:
    from deltalake import CommitProperties, DeltaTable
    from deltalake.transaction import create_table_with_add_actions

    where = store.object_url(commit.table)
    options = store_options(where)
    told: dict[str, Any] = {
        "partition_by": ["method"] if _methods(commit) else [],
        "commit_properties": CommitProperties(custom_metadata={"run_id": run_id}),
    }
    if not DeltaTable.is_deltatable(where, options):
        schema, adds = _schema(store, commit), _add_actions(store, commit)
        create_table_with_add_actions(where, schema, adds, storage_options=options, **told)
        return 0
    table = DeltaTable(where, storage_options=options)
    if _held(table, commit) != set(commit.files):
        schema = _schema(store, commit) if commit.files else table.schema()
        filters = [("method", "in", _methods(commit))] if _methods(commit) else None
        adds = _add_actions(store, commit)
        table.create_write_transaction(adds, "overwrite", schema, partition_filters=filters, **told)
        table.update_incremental()
    return table.version()


def _held(table: DeltaTable, commit: Commit) -> set[str]:
    """Return the files that hold the rows of the parts which a transaction replaces."""
    rows, methods = pa.table(table.get_add_actions(flatten=True)).to_pylist(), _methods(commit)
    return {f"{commit.table}/{row['path']}" for row in rows if not methods or row["partition.method"] in methods}


def _methods(commit: Commit) -> list[str]:
    """Return the methods whose rows a transaction replaces; none of a table that is in no partitions."""
    return [place.rpartition(_METHOD)[2] for place in commit.folders if _METHOD in place]


def _add_actions(store: Store, commit: Commit) -> list[Any]:
    from deltalake.transaction import AddAction

    now = int(time.time() * 1000)
    with ThreadPool(_AT_ONCE) as pool:
        measured = pool.map(store.measured, commit.files)
    return [
        AddAction(
            path=quote(name.removeprefix(f"{commit.table}/"), safe="/="),
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
    found = [part.removeprefix(_METHOD) for part in name.split("/") if part.startswith(_METHOD)]
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
    """Delete the rows that no reader looks for: of runs that were stopped, and of those before the former one.

    Only the holder of the folder's lock may, before it writes any.

    Args:
        store: the output folder.
        current: what it holds.
    """
    kept = {*current.folders.values(), *current.former}
    for folder in _versions(store):
        if folder not in kept:
            store.delete_tree(*folder.split("/"))


def _versions(store: Store) -> Iterator[str]:
    """Yield the folders with rows of a run, those of each method by themselves."""
    for table in TABLES:
        for entry in store.entries(table):
            if is_version(folder := f"{table}/{entry}"):
                parts = [name for name in store.entries(*folder.split("/")) if name.startswith(_METHOD)]
                yield from (f"{folder}/{part}" for part in parts)
                if not parts:
                    yield folder
