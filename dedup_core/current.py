"""What an output folder holds now: one small file that is replaced at one stroke, and is the truth.

It names the run that made each table, and from what; of Delta tables also the folder in which each one's rows lie.
While a publication is under way it also says what is still to be moved or committed: from the moment that it is
written the new tables count, and whoever opens the folder next ends that.
"""

from __future__ import annotations

import json
import posixpath
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from dedup_core.errors import SettingsError
from dedup_core.ledger import STAGING, is_version, stays_inside

CURRENT = "current.json"
KEPT_SECONDS = 86_400
"""How long rows of Delta tables that were replaced stay for those who are reading them."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Provenance(_Frozen):
    """What one table, or one method's part of it, was made by and from.

    Attributes:
        run_id: of the run that made it.
        source: what that run read: the input, or another features table.
        fingerprint: of the features, where they are of one kind.
        threshold: of the search.
        search: exact, or clustered.
        images: a digest of which images features are of.
        features: by method, a digest of these features; of a table of pairs or groups, of those it was made from.
        is_lost: whether it was deleted before it was in its place, where an older one may lie.
    """

    run_id: str
    source: str
    fingerprint: str | None = None
    threshold: float | None = None
    search: str | None = None
    images: str | None = None
    features: Mapping[str, str] = {}
    is_lost: bool = False


class Move(_Frozen):
    """A table, or a part of one, on its way.

    Attributes:
        source: where it was staged, by its path in the output folder.
        target: where readers look for it.
        files: all that belong to it, by their paths in the target.
    """

    source: str
    target: str
    files: tuple[str, ...]

    @field_validator("source")
    @classmethod
    def _is_staged(cls, source: str) -> str:
        return _checked(source, source.startswith(f"{STAGING}/"))

    @field_validator("target")
    @classmethod
    def _is_shown(cls, target: str) -> str:
        return _checked(target, bool(target) and not target.startswith(STAGING))

    @field_validator("files")
    @classmethod
    def _lie_inside(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked(name) for name in files)


class Commit(_Frozen):
    """What one transaction does to a Delta table: of each part that it names all rows are replaced.

    Attributes:
        table: its name.
        folders: by place ("pairs/method=phash"), in which folder of the output folder the rows lie; None where there
            are none any more.
        files: all that hold rows, by their paths in the output folder.
        before: by place, where the rows lay that are replaced.
    """

    table: str
    folders: Mapping[str, str | None]
    files: tuple[str, ...] = ()
    before: Mapping[str, str] = {}

    @field_validator("folders", "before")
    @classmethod
    def _are_versions(cls, folders: Mapping[str, Any]) -> Mapping[str, Any]:
        return _versions(folders)

    @field_validator("files")
    @classmethod
    def _lie_inside(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked(name, bool(name)) for name in files)


class Pending(_Frozen):
    """What is left of a publication: it can be begun again any number of times.

    Attributes:
        moves: what goes where.
        commits: transactions of Delta tables, one a table.
        gone: files of ours that are no longer there at the end.
        works: places of finished work, in the staging place, that are cleared away.
        run_id: of the run that is complete by it; None where only its failures are shown.
    """

    moves: tuple[Move, ...]
    gone: tuple[str, ...]
    works: tuple[str, ...]
    run_id: str | None = None
    commits: tuple[Commit, ...] = ()

    @field_validator("gone", "works")
    @classmethod
    def _lie_inside(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked(name, bool(name)) for name in names)

    @property
    def files(self) -> set[str]:
        """The files that come to lie where readers look."""
        return {name for move in self.moves for name in placed(move.target, move.files)}

    @property
    def folders(self) -> dict[str, str | None]:
        """Where the rows of Delta tables lie from now on, by place; None where there are none any more."""
        return {place: folder for commit in self.commits for place, folder in commit.folders.items()}


class Current(_Frozen):
    """The content of the file.

    Attributes:
        run_id: of the run that published last.
        tables: by place ("pairs/method=phash"), what made it.
        table_format: how tables are published, if there are any: as plain Parquet, or as Delta tables.
        folders: of Delta tables, in which folder the rows of each place lie.
        former: the folders whose rows were replaced, and when, in seconds since 1970: whoever is reading them still may
            do so for a while.
        versions: the version of each Delta table in its own log.
        opened_by: the run that opened the folder last, on a store that replaces this file on condition: one that had it
            before can publish no more.
        pending: what is still to be moved and committed; None as soon as all is in its place.
    """

    run_id: str | None = None
    tables: Mapping[str, Provenance] = {}
    table_format: Literal["parquet", "delta"] = "parquet"
    folders: Mapping[str, str] = {}
    former: Mapping[str, int] = {}
    versions: Mapping[str, int] = {}
    opened_by: str | None = None
    pending: Pending | None = None

    @field_validator("folders")
    @classmethod
    def _are_versions(cls, folders: Mapping[str, str]) -> Mapping[str, str]:
        return _versions(folders)

    @property
    def is_delta(self) -> bool:
        """Whether tables are published as Delta tables here."""
        return self.table_format == "delta"

    def shown(self) -> Current:
        """Return the same without who opened the folder, which changes nothing for readers."""
        return self.model_copy(update={"opened_by": None})

    def published(self, pending: Pending, made: Mapping[str, Provenance], gone: Iterable[str]) -> Current:
        """Return what counts from now on.

        Args:
            pending: what is to be moved.
            made: what made the tables that come.
            gone: places whose tables go.
        """
        changed = [place for place, folder in pending.folders.items() if self.folders.get(place) != folder]
        above = tuple(f"{place}/" for place in (*gone, *(move.target for move in pending.moves), *changed))
        stay = {place: what for place, what in self.tables.items() if not f"{place}/".startswith(above)}
        folders = {**self.folders, **pending.folders}
        shown = {place: folder for place, folder in folders.items() if folder is not None}
        return self.model_copy(
            update={
                "run_id": pending.run_id or self.run_id,
                "tables": {**stay, **made},
                "table_format": "delta" if pending.commits else self.table_format,
                "folders": shown,
                "former": self._former(shown),
                "pending": pending,
            }
        )

    def _former(self, shown: Mapping[str, str]) -> dict[str, int]:
        """Return the folders whose rows were replaced, less those that nobody is reading any more."""
        now = int(time.time())
        young = {folder: when for folder, when in self.former.items() if when > now - KEPT_SECONDS}
        return young | dict.fromkeys(sorted(set(self.folders.values()).difference(shown.values())), now)

    def stale(self) -> list[str]:
        """Return what doesn't belong together, a sentence each; what is not known is not doubted."""
        return [*self._lost(), *self.stale_features(), *self._other_features()]

    def stale_features(self) -> list[str]:
        """Return which features are not of the images that the newest are of, a sentence each."""
        listed = {method: what for method, what in self._encoded().items() if what.images is not None}
        newest = max(listed, key=lambda method: (listed[method].run_id, method), default="")
        return [
            f"the {method} features are of run {what.run_id}, and of other images than those by {newest} of run "
            f"{listed[newest].run_id}: encode again by {method}"
            for method, what in sorted(listed.items())
            if what.images != listed[newest].images
        ]

    def _encoded(self) -> dict[str, Provenance]:
        features = "features/method="
        return {place.removeprefix(features): what for place, what in self.tables.items() if place.startswith(features)}

    def _lost(self) -> Iterator[str]:
        for place, what in sorted(self.tables.items()):
            if what.is_lost:
                yield f"{place} of run {what.run_id} was deleted before it was in place: run that job again"

    def _other_features(self) -> Iterator[str]:
        encoded = self._encoded()
        found: dict[tuple[str, str, str], list[str]] = {}
        for place, what in self.tables.items():
            table, _, method = place.partition("/method=")
            for name, digest in what.features.items() if table != "features" else ():
                now = encoded.get(name)
                if now is not None and now.features.get(name) != digest:
                    found.setdefault((method, what.run_id, name), []).append(table)
        for (method, run_id, name), tables in sorted(found.items()):
            yield (
                f"{', '.join(sorted(tables))} by {method} are of run {run_id}, and the {name} features have changed "
                f"since, by run {encoded[name].run_id}: search again"
            )

    def settled(self, lost: Collection[str] = (), versions: Mapping[str, int] | None = None) -> Current:
        """Return the same with nothing left to be moved.

        Args:
            lost: places whose tables could not be moved or committed, since somebody has deleted them: of Delta tables
                the rows before count again.
            versions: of the Delta tables that were committed.
        """
        before = {place: at for commit in self.pending_commits for place, at in commit.before.items() if place in lost}
        folders = {place: folder for place, folder in self.folders.items() if place not in lost} | before
        marked = {
            place: self.tables.get(place, Provenance(run_id=str(self.run_id), source="")).model_copy(
                update={"is_lost": True}
            )
            for place in lost
        }
        told = {"tables": {**self.tables, **marked}, "versions": {**self.versions, **(versions or {})}}
        former = {folder: when for folder, when in self.former.items() if folder not in folders.values()}
        return self.model_copy(update={**told, "folders": folders, "former": former, "pending": None})

    @property
    def pending_commits(self) -> tuple[Commit, ...]:
        """The transactions that are left."""
        return () if self.pending is None else self.pending.commits

    def to_json(self) -> str:
        """Return the text of the file."""
        told = {"tables": {}} | self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        return json.dumps(told, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Current:
        """Return what the file holds.

        Args:
            text: its content.
            where: the output folder, for the message.

        Raises:
            SettingsError: if it is none of ours.
        """
        try:
            current = cls.model_validate_json(text)
        except ValidationError as error:
            raise _not_current(where) from error
        if "tables" not in current.model_fields_set:  # somebody's file of this name
            raise _not_current(where)
        return current


def _not_current(where: str) -> SettingsError:
    return SettingsError(
        f"{where}/{CURRENT} should name the tables there, and is damaged or none of ours: choose another folder. Where "
        "no run was cut short while it published, and there are no Delta tables (with a folder _delta_log), the file "
        "can be moved away, and the tables are taken as they lie"
    )


def placed(place: str, files: Sequence[str]) -> list[str]:
    """Return the paths of files that lie at a place; the place itself where it is a file: its one name is empty."""
    return [f"{place}/{name}" if name else place for name in files]


def _versions(folders: Mapping[str, Any]) -> Mapping[str, Any]:
    for folder in folders.values():
        if folder is not None:
            _checked(folder, is_version(folder))
    return folders


def _checked(name: str, is_right: bool = True) -> str:
    """Return a path that leads to something in the folder: a file that was tampered with could name anything."""
    if not is_right or (name and (not stays_inside(name) or posixpath.normpath(name) != name)):
        raise ValueError(f"{name!r} lies elsewhere")
    return name
