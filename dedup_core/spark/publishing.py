"""Finished work put where readers look, in place of what earlier runs left there, and of nothing else.

The output folder's marker lists every file of ours (see `dedup_core.ledger`). It is written before the first file
moves, so that a publication that is cut short leaves nothing that the next run would take for somebody else's. What
it does not list is never moved: a folder that holds such a thing stays, and our files in it are replaced one by one.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Sequence

from dedup_core.errors import SettingsError
from dedup_core.images.names import readable
from dedup_core.ledger import EVALUATION, RUNS, SPARKS_MARKS, STAGING, Ledger, is_hidden
from dedup_core.spark.staging import READY, Staging
from dedup_core.spark.store import Store

_EXAMPLES = 3


def refuse_foreign(store: Store, tables: Sequence[str], methods: Sequence[str], files: Iterable[str] = ()) -> None:
    """Refuse an output folder that holds somebody's own files under names that a run would write to.

    Hidden files in a table are passed over: no reader sees them, and a publication leaves them where they are.

    Args:
        store: the output folder.
        tables: the tables to write, which nothing else may lie in.
        methods: whose parts of the tables are written; the parts of other methods may be anybody's.
        files: single files to write.

    Raises:
        SettingsError: with their number and the first of them.
    """
    marker = store.read_marker()
    places = [*tables, RUNS] if marker else [*tables, RUNS, STAGING]
    found = [name for place in places for name in store.files(place)]
    found += [name.rstrip("/") for file in files for name in store.leaves(file)]
    ours = frozenset() if marker is None else marker.files
    _refuse(store, (name for name in found if name not in ours and _is_in_the_way(name, methods)))


def _refuse(store: Store, foreign: Iterable[str]) -> None:
    if names := [readable(name) for name in foreign]:
        more = f" and {len(names) - _EXAMPLES:,} more" if len(names) > _EXAMPLES else ""
        raise SettingsError(
            f"the output folder {store.url} holds files that no run has made, where this one would write: "
            f"{', '.join(names[:_EXAMPLES])}{more}. Move them away, or choose another folder"
        )


def publish(store: Store, works: Sequence[Staging], also: Collection[str] = (), gone: Iterable[str] = ()) -> list[str]:
    """Move finished tables to where readers look, each in place of the one before, and return these places.

    A table in partitions keeps those that this work did not make: another method's rows stay.

    Args:
        store: the output folder.
        works: whose tables are ready.
        also: files that the caller writes there afterwards.
        gone: files and folders that no longer hold; what of them is ours is deleted.

    Raises:
        SettingsError: if something of somebody's has come to lie where a table or a single file goes.
    """
    ledger = store.read_ledger()
    for work in works:
        _drop_marks(work)
    moves = {place: work for work in works for place in _ready(work)}
    foreign = {name for place in (*moves, *also) for name in store.files(place)}.difference(ledger.files)
    # A hidden file of a name of ours may be somebody's: it stays, and ours is not needed.
    new = {place: [name for name in _files_of(work, place) if name not in foreign] for place, work in moves.items()}
    files = {name for names in new.values() for name in names}.union(also)
    _refuse(store, sorted(name for name in foreign if name in (*moves, *also) or _is_above(name, files)))
    store.write_ledger(ledger.with_files(files))
    for place, work in moves.items():
        _replace(work, place, new[place], ledger)
    before, over = ledger.under(*moves), set(ledger.under(*gone)) - files
    store.delete_files(over.difference(before))
    store.write_ledger(ledger.without_files(over.union(before)).with_files(files))
    return list(moves)


def _drop_marks(work: Staging) -> None:
    """Delete the marks and checksums that Spark leaves beside parts: some readers take all files of a folder for parts.

    They are of no use to those who read tables that are published whole. A folder without parts keeps its own.
    """
    names = work.store.files(*work.place(READY))
    of_parts = {posixpath.dirname(name) for name in names if name.endswith(".parquet")}
    work.store.delete_files(name for name in names if posixpath.dirname(name) in of_parts and _is_mark(name))


def _is_mark(name: str) -> bool:
    base = posixpath.basename(name)
    return base in SPARKS_MARKS or (base.startswith(".") and base.endswith(".crc"))


def _is_above(name: str, files: Iterable[str]) -> bool:
    """Return whether an entry is where one of these files needs a folder."""
    return any(file.startswith(f"{name}/") for file in files)


def _is_in_the_way(name: str, methods: Sequence[str]) -> bool:
    place, *inner = name.split("/")
    if place == STAGING or not inner:
        return True
    partition = inner[0].removeprefix("method=")
    of_another_method = len(inner) > 1 and partition != inner[0] and partition not in methods
    return not of_another_method and not any(map(is_hidden, inner))


def _ready(work: Staging) -> list[str]:
    """Return the places that finished work goes to: a partition, a table, or an entry of a folder of many things."""
    places = []
    for table in work.entries(READY):
        inside = work.entries(READY, table)
        parts = inside if table in (EVALUATION, RUNS) else [entry for entry in inside if "=" in entry]
        places += [f"{table}/{part}" for part in parts] or [table]
    return [place for place in places if _files_of(work, place)]


def _files_of(work: Staging, place: str) -> list[str]:
    ready = "/".join(work.place(READY))
    return [name.removeprefix(f"{ready}/") for name in work.store.files(ready, place)]


def _replace(work: Staging, place: str, files: Iterable[str], ledger: Ledger) -> None:
    """Put a finished table in its place: at one stroke if nothing but ours lies there, else file by file."""
    store = work.store
    if store.renames_folders and ledger.files.issuperset(store.leaves(place)):
        work.clear("replaced", place)  # from a publication that was cut short
        store.move((place,), work.place("replaced", place))
        store.move(work.place(READY, place), (place,))
        work.clear("replaced", place)
        return
    store.delete_files(ledger.under(place))
    for name in files:
        store.move(work.place(READY, name), (name,))
