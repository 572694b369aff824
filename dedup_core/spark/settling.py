"""A publication carried out from wherever it was cut short: begun again it ends in the same state.

Rows of Delta tables are committed, all else is moved. What is staged is taken for what is to be moved only as long as
it is that: a move that is done leaves nothing at its source, or after an exchange the table before, under other names.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterable

from dedup_core.current import Commit, Move, placed
from dedup_core.errors import SettingsError
from dedup_core.ledger import RUNS, STAGING
from dedup_core.spark.delta import sweep, transact
from dedup_core.spark.store import Store

_REPLACED = f"{STAGING}/replaced"


def settle(store: Store, check: Callable[[], None] = lambda: None) -> bool:
    """End the publication of an output folder that is under way, and return whether there was one.

    Only the holder of the folder's lock may.

    Args:
        store: the output folder.
        check: raises an error if it is held no longer.

    Raises:
        SettingsError: if a link has come to lie where a table goes, or deltalake is missing.
        DedupError: if a Delta table's log refuses a transaction.
    """
    current = store.read_current()
    pending = current.pending
    if pending is None:
        return False
    ledger = store.read_ledger().with_files(pending.files)
    store.write_ledger(ledger)
    for move in pending.moves:
        _carry_out(store, move, ledger.files)
    lost = [move.target for move in pending.moves if not _is_there(store, move)]
    check()
    whole = [commit for commit in pending.commits if _is_whole(store, commit)]
    committed = {commit.table: transact(store, commit, pending.run_id) for commit in whole}
    versions = {table: version for table, version in committed.items() if version is not None}
    lost += [place for commit in pending.commits if commit not in whole for place in commit.folders]
    gone = ledger.files.intersection(pending.gone).difference(ledger.under(*lost))
    check()
    _remove(store, gone)
    ledger = ledger.without_files(gone)
    store.write_ledger(ledger.with_run(pending.run_id) if pending.run_id else ledger)
    for left in (*(move.source for move in pending.moves), *(f"{STAGING}/{work}" for work in pending.works), _REPLACED):
        store.delete_tree(*left.split("/"))
    check()
    store.write_current(settled := current.settled(lost, versions))
    sweep(store, settled)
    return True


def _is_there(store: Store, move: Move) -> bool:
    """Return whether a table is in its place; a record of a run that is gone makes no table doubtful."""
    return move.target.startswith(f"{RUNS}/") or relative(store, move.target).issuperset(move.files)


def _is_whole(store: Store, commit: Commit) -> bool:
    """Return whether all rows that a transaction puts into a table are there."""
    there = {name for folder in commit.folders.values() if folder for name in store.files(folder)}
    return there.issuperset(commit.files)


def _carry_out(store: Store, move: Move, ours: Collection[str]) -> None:
    """Put a staged table in its place: at one stroke if nothing but ours lies there, else file by file."""
    staged, new = relative(store, move.source), set(move.files)
    if staged.isdisjoint(new):  # moved, or exchanged, by an attempt that was cut short
        return
    there = store.leaves(move.target)
    _refuse_links(store, move, there)
    if not store.renames_folders or not staged <= new or not set(there) <= set(ours):
        _one_by_one(store, move, ours)
    elif there == [move.target] or not there:
        store.move((move.source,), (move.target,))
    elif not new.isdisjoint(relative(store, move.target)) or not store.exchange(move.source, move.target):
        _put_aside(store, move.target)
        store.move((move.source,), (move.target,))


def _refuse_links(store: Store, move: Move, there: Iterable[str]) -> None:
    """Refuse a place that a link leads to: what lies behind it is somebody's."""
    for leaf in there:
        if leaf != move.target and not leaf.startswith(f"{move.target}/"):
            raise SettingsError(
                f"{store.url}/{leaf} is in the way of {move.target}, which a run has to publish: move it away"
            )


def _one_by_one(store: Store, move: Move, ours: Collection[str]) -> None:
    new = placed(move.target, move.files)
    before = set(store.files(move.target)).intersection(ours).difference(new)
    store.delete_files(before)
    for source, target in zip(placed(move.source, move.files), new, strict=True):
        store.move((source,), (target,))


def _remove(store: Store, gone: Iterable[str]) -> None:
    """Delete files; a folder that holds nothing else goes out of sight at one stroke first."""
    gone = set(gone)
    for folder in sorted({posixpath.dirname(name) for name in gone} - {""}):
        there = store.leaves(folder)
        if store.renames_folders and there and gone.issuperset(there) and there != [folder]:
            _put_aside(store, folder)
    store.delete_files(sorted(gone))


def _put_aside(store: Store, folder: str) -> None:
    """Take a folder out of sight, to what is cleared away at the end."""
    aside = f"{_REPLACED}/{folder}"
    store.delete_tree(*aside.split("/"))  # from an attempt that was cut short
    store.move((folder,), (aside,))


def relative(store: Store, place: str) -> set[str]:
    """Return the files at a place by their paths in it; one that is a file itself has an empty name."""
    return {name.removeprefix(place).removeprefix("/") for name in store.files(place)}
