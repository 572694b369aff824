"""Finished work put where readers look, in place of what earlier runs left there, and of nothing else.

The output folder's marker lists every file of ours (see `dedup_core.ledger`). It is written before the first file
moves, so that a publication that is cut short leaves nothing that the next run would take for somebody else's.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from dedup_core.errors import SettingsError
from dedup_core.ledger import EVALUATION, MARKER, RUNS, STAGING, Ledger
from dedup_core.spark.staging import READY, Staging
from dedup_core.spark.store import Place, Store

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
    ledger = store.read_ledger()
    places = [*tables, RUNS] if store.exists(MARKER) else [*tables, RUNS, STAGING]
    found = [name for place in places for name in store.files(place)]
    found += [name for name in files if store.exists(name)]
    _refuse([name for name in found if _is_in_the_way(name, methods)], ledger, store)


def _refuse(found: Iterable[str], ledger: Ledger, store: Store) -> None:
    foreign = [name for name in found if name not in ledger.files]
    if foreign:
        more = f" and {len(foreign) - _EXAMPLES:,} more" if len(foreign) > _EXAMPLES else ""
        raise SettingsError(
            f"the output folder {store.url} holds files that no run has made, where this one would write: "
            f"{', '.join(foreign[:_EXAMPLES])}{more}. Move them away, or choose another folder"
        )


def publish(store: Store, works: Sequence[Staging], also: Iterable[str] = (), gone: Iterable[str] = ()) -> list[str]:
    """Move finished tables to where readers look, each in place of the one before, and return these places.

    A table in partitions keeps those that this work did not make: another method's rows stay.

    Args:
        store: the output folder.
        works: whose tables are ready.
        also: files that the caller writes there afterwards.
        gone: files and folders that no longer hold; what of them is ours is deleted.

    Raises:
        SettingsError: if somebody's own file has come to lie where a single file goes.
    """
    ledger = store.read_ledger()
    moves = [(work, place) for work in works for place in _ready(work)]
    new = {place: _files_of(work, place) for work, place in moves}
    files = {name for names in new.values() for name in names}.union(also)
    _refuse([name for name in files if name.startswith(f"{EVALUATION}/") and store.exists(name)], ledger, store)
    store.write_ledger(ledger.with_files(files))
    for work, place in moves:
        _replace(work, place, ledger)
    over = set(ledger.under(*gone)) - files
    store.delete_files(over)
    before = ledger.under(*("/".join(place) for place in new))
    store.write_ledger(ledger.without_files(over.union(before)).with_files(files))
    return ["/".join(place) for place in new]


def _is_in_the_way(name: str, methods: Sequence[str]) -> bool:
    place, *inner = name.split("/")
    if place == STAGING or not inner:
        return True
    is_hidden = any(part.startswith((".", "_")) for part in inner)
    partition = inner[0].removeprefix("method=")
    of_another_method = len(inner) > 1 and partition != inner[0] and partition not in methods
    return not is_hidden and not of_another_method


def _ready(work: Staging) -> list[Place]:
    """Return the places that finished work goes to: a partition, a table, or an entry of the evaluation's folder."""
    places: list[Place] = []
    for table in work.entries(READY):
        inside = work.entries(READY, table)
        partitions = inside if table == EVALUATION else [entry for entry in inside if "=" in entry]
        places += [(table, partition) for partition in partitions] or [(table,)]
    return [place for place in places if work.store.files(*work.place(READY, *place))]


def _files_of(work: Staging, place: Place) -> list[str]:
    ready = work.place(READY)
    return [posixpath.relpath(name, posixpath.join(*ready)) for name in work.store.files(*ready, *place)]


def _replace(work: Staging, place: Place, ledger: Ledger) -> None:
    """Put a finished table in its place. Somebody's own files in the one before go back to where they were."""
    store, aside = work.store, work.place("replaced", *place)
    _bring_back(store, aside, place, ledger)  # from a publication that was cut short
    if store.renames_folders:
        store.move(place, aside)
    else:
        store.delete_files(ledger.under("/".join(place)))
    store.move(work.place(READY, *place), place)
    _bring_back(store, aside, place, ledger)


def _bring_back(store: Store, aside: Place, place: Place, ledger: Ledger) -> None:
    """Delete what was moved aside, but for files that are not ours: these return to the place they had."""
    for name in store.files(*aside):
        there = posixpath.normpath(posixpath.join(*place, posixpath.relpath(name, posixpath.join(*aside))))
        if there not in ledger.files and not store.exists(there):
            store.move(tuple(name.split("/")), tuple(there.split("/")))
    store.delete_tree(*aside)
