"""The output folder, on any filesystem.

Spark writes the data; moving, listing and small files go through Arrow's filesystems, which know local disks,
HDFS, S3, Google Cloud Storage and Azure.
"""

from __future__ import annotations

import json
import os
import posixpath
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from dedup_core.current import CURRENT, Current
from dedup_core.errors import InputError, SettingsError
from dedup_core.filesystems import arrow_url, has_scheme, normal, opened
from dedup_core.ledger import MARKER, STAGING, Ledger, is_version, no_marker
from dedup_core.spark.conditional import StoredObject, store_options
from dedup_core.spark.exchange import exchange
from dedup_core.spark.explained import explanation
from dedup_core.spark.trees import leaves, remove_empty

Content = TypeVar("Content")

_CONDITIONAL = ("s3", "gcs", "abfs")
"""The stores on which an object is replaced only as long as it is what was read, by Arrow's names of them."""

Place = tuple[str, ...]
"""Where something lies in the folder: ("pairs", "method=phash")."""


class Store:
    """A folder of tables on any filesystem.

    Args:
        url: a local path, or a URL whose scheme both Spark and Arrow know (file, hdfs, s3a, gs, abfss).

    Raises:
        SettingsError: if the filesystem is unknown.
    """

    def __init__(self, url: str) -> None:
        """Find the filesystem; nothing is created yet."""
        self.url = normal(url)
        try:
            self._fs, self._root = _opened(self.url)
        except (pa.ArrowException, OSError) as error:
            raise SettingsError(f"no filesystem for {url}: {explanation(error) or error}") from error
        self._is_local = self._fs.type_name == "local"
        self.renames_folders = self._fs.type_name in ("local", "hdfs")
        self.replaces_files = self._fs.type_name != "hdfs"

    def path(self, *parts: str) -> str:
        """Return where something in the folder lies, for Spark to write."""
        base = self.url if has_scheme(self.url) else f"file://{self.url}"
        return "/".join([base, *parts])

    def object_url(self, *parts: str) -> str:
        """Return where something in the folder lies, for libraries that know the stores' own names of themselves."""
        base = self._root if self._is_local else arrow_url(self.url)
        return "/".join([base, *parts])

    def object_options(self) -> dict[str, str]:
        """Return what these libraries must be told."""
        return store_options(self.object_url(), self._region)

    @property
    def _region(self) -> str | None:
        return str(self._fs.region) if self._fs.type_name == "s3" else None

    def exists(self, *parts: str) -> bool:
        """Return whether there is such a file or folder."""
        return bool(self._fs.get_file_info(self._inside(*parts)).type != fs.FileType.NotFound)

    def entries(self, *parts: str) -> list[str]:
        """Return the visible names in a folder, sorted; none where there is no such folder."""
        names = (posixpath.basename(entry.path) for entry in self._listed(*parts))
        return sorted(name for name in names if not name.startswith("."))

    def files(self, *parts: str) -> list[str]:
        """Return every file at a place and below it, links and hidden ones too, by its path in the store.

        On disks no link is followed: one that stands at the place, or on the way there, is the one thing returned.
        """
        return [name for name in self.leaves(*parts) if not name.endswith("/")]

    def leaves(self, *parts: str) -> list[str]:
        """Return what `files` does, and with a slash at its end every folder that is empty."""
        found = leaves(self._root, "/".join(parts)) if self._is_local else self._stored(*parts)
        return sorted(path.removeprefix(self._root).removeprefix("/") for path in found)

    def ages(self, *parts: str) -> dict[str, float]:
        """Return the files below a folder by their paths in the store, and how many seconds ago each was written.

        The seconds are true up to the difference of the filesystem's clock and this machine's, the same for all.
        """
        now = time.time()
        below = self._fs.get_file_info(fs.FileSelector(self._inside(*parts), recursive=True, allow_not_found=True))
        return {
            entry.path.removeprefix(self._root).removeprefix("/"): now - entry.mtime.timestamp()
            for entry in below
            if entry.type == fs.FileType.File and entry.mtime is not None
        }

    def write_text(self, name: str, text: str) -> None:
        """Write a small file whole, making its folder."""
        self.write_lines(name, [text])

    def write_lines(self, name: str, pieces: Iterable[str]) -> None:
        """Write a file piece by piece, aside first, so that a reader never finds half of it."""
        target = self._inside(name)
        self._fs.create_dir(posixpath.dirname(target), recursive=True)
        aside = _aside(target)
        with self._fs.open_output_stream(aside) as stream:
            for piece in pieces:
                stream.write(piece.encode("utf-8", "backslashreplace"))
        if self.renames_folders:
            self._flush(aside)
            self._rename(aside, target)
            self._flush(posixpath.dirname(target))
        else:  # a store knows no renaming, and a copy replaces at one stroke
            self._fs.copy_file(aside, target)
            self._fs.delete_file(aside)

    def flush(self, names: Iterable[str]) -> None:
        """Have files written to the disk itself, where this is one, so that they outlive a power cut."""
        for name in names:
            self._flush(self._inside(name))

    def read_json(self, *parts: str) -> Any:
        """Return the content of a JSON file.

        Raises:
            InputError: if it can't be read or is none.
        """
        try:
            with self._fs.open_input_stream(self._inside(*parts)) as stream:
                return json.loads(stream.read())
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"can't read {'/'.join([self.url, *parts])}: {error}") from error

    def content(self, name: str) -> bytes | None:
        """Return the bytes of a small file; None if there is none.

        Raises:
            OSError: if it can't be read.
        """
        try:
            with self._fs.open_input_stream(self._inside(name)) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def rows_in(self, file: str) -> int:
        """Return how many rows a Parquet file has: its last bytes say so."""
        return self.measured(file)[1]

    def measured(self, file: str) -> tuple[int, int]:
        """Return how many bytes and how many rows a Parquet file has."""
        with self._fs.open_input_file(self._inside(file)) as opened_file:
            return int(opened_file.size()), int(pq.read_metadata(opened_file).num_rows)

    def parquet_metadata(self, file: str) -> dict[bytes, bytes]:
        """Return what whoever wrote a Parquet file has noted in it, by name."""
        with self._fs.open_input_file(self._inside(file)) as opened_file:
            return dict(pq.read_metadata(opened_file).metadata or {})

    def open_output(self, *parts: str) -> Any:
        """Open a file for writing bytes, making its folder."""
        target = self._inside(*parts)
        self._fs.create_dir(posixpath.dirname(target), recursive=True)
        return self._fs.open_output_stream(target)

    def read_ledger(self) -> Ledger:
        """Return what of the folder is ours; nothing where no run has left its marker.

        Raises:
            SettingsError: if the marker is none of ours.
        """
        return self.read_marker() or Ledger()

    def read_marker(self) -> Ledger | None:
        """Return what the marker lists, None where there is none.

        Raises:
            SettingsError: if it is none of ours.
        """
        try:
            text = self._whole(MARKER)
        except OSError as error:
            raise no_marker(self.url) if self._is_local else self._unread(MARKER, error) from error
        return None if text is None else self._unless_half(MARKER, Ledger.from_json, text)

    def mark(self) -> None:
        """Write the marker if there is none, before anything else: what lies in the staging place is then ours.

        Raises:
            SettingsError: if it can't be written, or is none of ours.
        """
        ledger = self.read_ledger()
        try:
            if not self.leaves(MARKER):
                self.write_ledger(ledger)
        except OSError as error:
            raise SettingsError(f"can't write to the output folder {self.url}: {error}") from error

    def write_ledger(self, ledger: Ledger) -> None:
        """Write the marker."""
        self.write_text(MARKER, ledger.to_json())

    def read_current(self) -> Current:
        """Return what the folder holds now; nothing where no run has said so.

        Raises:
            SettingsError: if the file is none of ours.
        """
        try:
            text = self._whole(CURRENT) if self._truth is None else self._truth.read()
        except OSError as error:
            raise self._unread(CURRENT, error) from error
        return (None if text is None else self._unless_half(CURRENT, Current.from_json, text)) or Current()

    def _unread(self, name: str, error: OSError) -> SettingsError:
        reason = explanation(error) or " ".join(str(error).split())
        return SettingsError(f"can't read {self.url}/{name}: {reason}")

    def write_current(self, current: Current) -> None:
        """Write what the folder holds now, at one stroke.

        Raises:
            InUseError: if somebody has done so on an object store since this one read it.
            SettingsError: if it can't be written there.
        """
        if self._truth is None:
            self.write_text(CURRENT, current.to_json())
            return
        try:
            self._truth.replace(current.to_json().encode())
        except OSError as error:
            raise SettingsError(f"can't write {self.url}/{CURRENT}: {error}") from error

    def claim(self, run_id: str) -> None:
        """Note who opened the folder, on an object store: a run that has slept since it did so can publish no more.

        Raises:
            InUseError: if somebody does the same at this moment.
        """
        if self._truth is not None:
            current, ledger = self.read_current(), self.read_ledger()
            if CURRENT not in ledger.files:
                self.write_ledger(ledger.with_files([CURRENT]))
            self.write_current(current.model_copy(update={"opened_by": run_id}))

    @cached_property
    def _truth(self) -> StoredObject | None:
        """The file that says what the folder holds, on an object store; None elsewhere, or without obstore."""
        if self._fs.type_name not in _CONDITIONAL or "?" in self.url:
            return None
        try:
            return StoredObject(self.object_url(), CURRENT, self._region)
        except ImportError:
            return None

    def delete_files(self, names: Iterable[str]) -> None:
        """Delete files, those that are there, and the folders in the store that are empty without them."""
        above = set()
        for name in names:
            found = self.leaves(name)
            if found == [name]:
                self._fs.delete_file(self._inside(name))
            if found in ([], [name]):  # else it has become a folder, or lies behind a link
                above.add(posixpath.dirname(name))
        for folder in sorted(above, reverse=True):
            self._delete_if_empty(folder)

    def delete_tree(self, *parts: str) -> None:
        """Delete a folder with all in it, or a file, if it is there, and the folders above that are then empty.

        For what lies in the staging place and for a run's rows of Delta tables: anywhere else only listed files go.
        """
        if parts[0] != STAGING and not is_version("/".join(parts)):
            raise ValueError(f"only what a run left out of sight is deleted whole, not {parts}")
        there = self._fs.get_file_info(self._inside(*parts))
        if there.type == fs.FileType.Directory:
            self._fs.delete_dir(there.path)
        elif there.type != fs.FileType.NotFound:
            self._fs.delete_file(there.path)
        self._delete_if_empty(posixpath.dirname(posixpath.join(*parts)))

    def move(self, source: Place, target: Place) -> None:
        """Move a folder to a place where nothing may be, or a file to where at most one is; nothing if it isn't there.

        Local disks and HDFS rename it. An object store knows no folders: each file is copied, then deleted.
        """
        if not self.exists(*source):
            return
        origin, goal = self._inside(*source), self._inside(*target)
        self._fs.create_dir(posixpath.dirname(goal), recursive=True)
        if self.renames_folders:
            self._rename(origin, goal)
            return
        for name in self.files(*source) or [posixpath.join(*source)]:
            copy = posixpath.normpath(posixpath.join(goal, posixpath.relpath(self._inside(name), origin)))
            self._fs.create_dir(posixpath.dirname(copy), recursive=True)
            self._fs.copy_file(self._inside(name), copy)
            self._fs.delete_file(self._inside(name))

    def exchange(self, one: str, other: str) -> bool:
        """Give two folders each other's names at one stroke; False, and nothing happens, where that can't be had."""
        return self._is_local and exchange(self._inside(one), self._inside(other))

    def _flush(self, path: str) -> None:
        """Have a file, or the names in a folder, written to the disk itself; elsewhere nothing."""
        if not self._is_local or os.name == "nt":
            return
        opened_place = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened_place)
        finally:
            os.close(opened_place)

    def _rename(self, source: str, target: str) -> None:
        """Give a finished file its name, in place of the one that has it: HDFS does not replace by itself."""
        if not self.replaces_files and self._fs.get_file_info(target).type != fs.FileType.NotFound:
            self._fs.delete_file(target)
        self._fs.move(source, target)

    def _whole(self, name: str) -> bytes | None:
        """Return the content of a small file that is replaced whole; None where there is none.

        On HDFS, which has no rename that replaces, a new one may still lie aside.
        """
        if not self.replaces_files:  # between two looks it may get its name
            return self.content(name) or self.content(_aside(name)) or self.content(name)
        if not self.leaves(name):
            return None
        text = self.content(name)
        if text is None:
            raise FileNotFoundError(f"{name} leads nowhere")
        return text

    def _unless_half(self, name: str, read: Callable[[bytes, str], Content], text: bytes) -> Content | None:
        """Return what a small file holds; None of half of one that lies aside: nothing was done before it was whole."""
        try:
            return read(text, self.url)
        except SettingsError:
            if self.leaves(name):
                raise
            return None

    def _delete_if_empty(self, folder: str) -> None:
        """Delete a folder inside the store, and those above it, as far as nothing at all is in them."""
        if self._is_local:
            remove_empty(self._root, folder)
            return
        while folder and self.exists(folder) and not self._listed(folder):
            self._fs.delete_dir(self._inside(folder))
            folder = posixpath.dirname(folder)

    def _stored(self, *parts: str) -> list[str]:
        """Return the leaves of a place on a store, which knows no links, or on HDFS."""
        there = self._fs.get_file_info(self._inside(*parts))
        if there.type != fs.FileType.Directory:
            return [] if there.type == fs.FileType.NotFound else [there.path]
        below = self._fs.get_file_info(fs.FileSelector(there.path, recursive=True, allow_not_found=True))
        above = {posixpath.dirname(entry.path) for entry in below}
        folders = (entry.path for entry in (there, *below) if entry.type == fs.FileType.Directory)
        empty = [f"{path}/" for path in folders if path not in above]
        return empty + [entry.path for entry in below if entry.type != fs.FileType.Directory]

    def _listed(self, *parts: str) -> list[fs.FileInfo]:
        """Return what is in a folder; of what is a file, that file itself."""
        there = self._fs.get_file_info(self._inside(*parts))
        if there.type not in (fs.FileType.Directory, fs.FileType.NotFound):
            return [there]
        return list(self._fs.get_file_info(fs.FileSelector(there.path, allow_not_found=True)))

    def _inside(self, *parts: str) -> str:
        return posixpath.join(self._root, *parts)


def _aside(name: str) -> str:
    """Return where a file is written before it gets its name, out of sight."""
    return posixpath.join(posixpath.dirname(name), f"._{posixpath.basename(name)}")


def _opened(url: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a folder. Arrow takes options at the end of a URL, and no odd letters before them."""
    try:
        return fs.FileSystem.from_uri(arrow_url(url))
    except pa.ArrowInvalid:
        return opened(url)
