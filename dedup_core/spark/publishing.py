"""Finished work put where readers look, in place of what earlier runs left there, and of nothing else.

The output folder's marker lists every file of ours (see `dedup_core.ledger`). What it does not list is never moved: a
folder that holds such a thing stays, and our files in it are replaced one by one.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from dedup_core.current import CURRENT, Commit, Current, Move, Pending, Provenance, placed
from dedup_core.errors import SettingsError
from dedup_core.images.names import readable
from dedup_core.ledger import EVALUATION, LOG, PARTITION, RUNS, SPARKS_MARKS, STAGING, TABLES, is_hidden
from dedup_core.spark.published import parts_at
from dedup_core.spark.settling import relative, settle
from dedup_core.spark.staging import READY, Staging
from dedup_core.spark.store import Store

_EXAMPLES = 3


def refuse_foreign(store: Store, tables: Sequence[str], methods: Sequence[str], files: Iterable[str] = ()) -> None:
    """Refuse an output folder that holds somebody's own files under names that a run would write to.

    Hidden files in a table are passed over: no reader sees them, and a publication leaves them where they are. What
    lies in the folder of a Delta table is the table's, whoever wrote it: its log says what belongs to it.

    Args:
        store: the output folder.
        tables: the tables to write, which nothing else may lie in.
        methods: whose parts of the tables are written; the parts of other methods may be anybody's.
        files: single files to write.

    Raises:
        SettingsError: with their number and the first of them.
    """
    marker = store.read_marker()
    logged = store.read_current().versions if marker else {}
    tables = [table for table in tables if table not in logged]
    places = [*tables, RUNS] if marker else [*tables, RUNS, STAGING]
    found = [name for place in places for name in store.files(place)]
    found += [name.rstrip("/") for file in (*files, CURRENT) for name in store.leaves(file)]
    ours = frozenset() if marker is None else marker.files
    _refuse(store, (name for name in found if name not in ours and _is_in_the_way(name, methods)))


def _refuse(store: Store, foreign: Iterable[str]) -> None:
    if names := [readable(name) for name in foreign]:
        more = f" and {len(names) - _EXAMPLES:,} more" if len(names) > _EXAMPLES else ""
        raise SettingsError(
            f"the output folder {store.url} holds files that no run has made, where this one would write: "
            f"{', '.join(names[:_EXAMPLES])}{more}. Move them away, or choose another folder"
        )


def publish(
    store: Store,
    works: Sequence[Staging],
    run_id: str | None = None,
    made: Mapping[str, Provenance] | None = None,
    gone: Iterable[str] = (),
    check: Callable[[], None] = lambda: None,
) -> list[str]:
    """Put finished tables where readers look, each in place of the one before, and return these places.

    All come to be at one moment, when the folder's ``current.json`` is written: a publication that is cut short
    before has not been, and one that is cut short later is ended by whoever opens the folder next. A table in
    partitions keeps those that this work did not make: another method's rows stay.

    Args:
        store: the output folder, whose lock is held.
        works: whose tables are ready.
        run_id: of the run that is complete by this, and whose work is cleared away; None where it goes no further, and
            the rest of its work stays for a later one.
        made: by place, what made the tables.
        gone: files and folders that no longer hold; what of them is ours is deleted.
        check: raises an error if the folder is held no longer.

    Raises:
        SettingsError: if something of somebody's has come to lie where a table or a single file goes.
    """
    ledger, gone = store.read_ledger(), list(gone)
    for work in works:
        _drop_marks(work)
    ready = {place: work for work in works for place in ready_places(work)}
    sources = {place: work for place, work in ready.items() if not _is_committed(work, place)}
    current = store.read_current()
    folders = {place: "/".join(work.place(READY, place)) for place, work in ready.items() if place not in sources}
    commits = _commits(store, current, folders, gone)
    foreign = {name for place in (*sources, CURRENT) for name in store.files(place)}.difference(ledger.files)
    moves = tuple(_move(work, place, foreign) for place, work in sources.items())
    files = {name for move in moves for name in placed(move.target, move.files)} | {CURRENT}
    _refuse(store, sorted(name for name in foreign if name in (*sources, CURRENT) or _is_above(name, files)))
    over = set(ledger.under(*sources, *gone)) - files
    done = tuple(work.name for work in works) if run_id else ()
    pending = Pending(run_id=run_id, moves=moves, gone=tuple(sorted(over)), works=done, commits=commits)
    if CURRENT not in ledger.files:
        store.write_ledger(ledger.with_files([CURRENT]))
    store.flush(name for move in moves for name in placed(move.source, move.files))
    store.flush(name for commit in commits for name in commit.files)
    check()
    store.write_current(current.published(pending, made or {}, gone))
    settle(store, check)
    return list(ready)


def _is_committed(work: Staging, place: str) -> bool:
    """Return whether finished rows stay where they were written, and a transaction makes them a table's content."""
    return bool(work.version) and place.split("/")[0] in TABLES


def _commits(store: Store, current: Current, folders: Mapping[str, str], gone: Iterable[str]) -> tuple[Commit, ...]:
    """Return a transaction for each Delta table that changes.

    Args:
        store: the output folder.
        current: what it holds.
        folders: by place, where new rows lie.
        gone: places that no longer hold.
    """
    above = tuple(f"{place}/" for place in gone)
    changed = {place: None for place in current.folders if f"{place}/".startswith(above)} | dict(folders)
    parts: dict[str, dict[str, str | None]] = {place.split("/")[0]: {} for place in changed}
    for place, folder in {**current.folders, **changed}.items():
        table = place.split("/")[0]
        if place in changed or (table in parts and not store.entries(table, LOG)):  # a log that is made anew
            parts[table][place] = folder
    return tuple(_commit(store, current, table, told) for table, told in parts.items())


def _commit(store: Store, current: Current, table: str, folders: Mapping[str, str | None]) -> Commit:
    files = tuple(name for folder in folders.values() if folder for name in parts_at(store, folder))
    before = {place: current.folders[place] for place in folders if place in current.folders}
    return Commit(table=table, folders=folders, files=files, before=before)


def _move(work: Staging, place: str, foreign: Collection[str]) -> Move:
    """Return what is to be moved to a place. A hidden file of a name of ours may be somebody's: it stays, not ours."""
    source = "/".join(work.place(READY, place))
    files = relative(work.store, source)
    needless = [name for name in files if name and f"{place}/{name}" in foreign]
    work.store.delete_files(placed(source, needless))
    return Move(source=source, target=place, files=tuple(sorted(files.difference(needless))))


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
    partition = inner[0].removeprefix(PARTITION)
    of_another_method = len(inner) > 1 and partition != inner[0] and partition not in methods
    return not of_another_method and not any(map(is_hidden, inner))


def ready_places(work: Staging) -> list[str]:
    """Return the places that finished work goes to: a partition, a table, or an entry of a folder of many things."""
    places = []
    committed = [table for table in TABLES if work.version and work.store.exists(table, work.version)]
    for table in dict.fromkeys([*work.entries(READY), *committed]):
        inside = work.entries(READY, table)
        parts = inside if table in (EVALUATION, RUNS) else [entry for entry in inside if "=" in entry]
        places += [f"{table}/{part}" for part in parts] or [table]
    return [place for place in places if work.store.files(*work.place(READY, place))]
