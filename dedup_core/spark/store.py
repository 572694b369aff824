"""The output folder, on any filesystem.

Spark writes the data; moving, listing and small files go through Arrow's filesystems, which know local disks,
HDFS, S3, Google Cloud Storage and Azure.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from pyarrow import fs

from dedup_core.errors import InputError, SettingsError
from dedup_core.ledger import MARKER, STAGING, Ledger
from dedup_core.locations import arrow_url, has_scheme, normal
from dedup_core.spark.remote_files import opened

_DEEPEST = 10

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
            raise SettingsError(f"no filesystem for {url}: {error}") from error
        self._is_local = self._fs.type_name == "local"
        self.renames_folders = self._fs.type_name in ("local", "hdfs")

    def path(self, *parts: str) -> str:
        """Return where something in the folder lies, for Spark to write."""
        base = self.url if has_scheme(self.url) else f"file://{self.url}"
        return "/".join([base, *parts])

    def check_writable(self) -> None:
        """Create the folder and write a file in it, so that a run fails at its start and not at its end.

        Raises:
            SettingsError: if that can't be done.
        """
        probe = posixpath.join(STAGING, ".probe")
        try:
            self.write_text(probe, "")
            self.delete_files([probe])
        except OSError as error:
            raise SettingsError(f"can't write to the output folder {self.url}: {error}") from error

    def exists(self, *parts: str) -> bool:
        """Return whether there is such a file or folder."""
        return bool(self._fs.get_file_info(self._inside(*parts)).type != fs.FileType.NotFound)

    def entries(self, *parts: str) -> list[str]:
        """Return the visible names in a folder, sorted; none where there is no such folder."""
        names = (posixpath.basename(entry.path) for entry in self._listed(*parts))
        return sorted(name for name in names if not name.startswith("."))

    def files(self, *parts: str) -> list[str]:
        """Return every file in a folder, hidden ones too, and in the folders inside it, by its path in the store."""
        found, inside = [], self._listed(*parts)
        for _ in range(_DEEPEST):  # links are followed, and may lead round in a circle: nothing of ours lies as deep
            found += [entry.path for entry in inside if entry.type != fs.FileType.Directory]
            folders = [entry.path for entry in inside if entry.type == fs.FileType.Directory]
            inside = [entry for folder in folders for entry in self._listed(posixpath.relpath(folder, self._root))]
        return sorted(posixpath.relpath(path, self._root) for path in found)

    def write_text(self, name: str, text: str) -> None:
        """Write a small file whole, making its folder."""
        self.write_lines(name, [text])

    def write_lines(self, name: str, pieces: Iterable[str]) -> None:
        """Write a file piece by piece, aside first, so that a reader never finds half of it."""
        target = self._inside(name)
        self._fs.create_dir(posixpath.dirname(target), recursive=True)
        aside = posixpath.join(posixpath.dirname(target), f"._{posixpath.basename(target)}")
        with self._fs.open_output_stream(aside) as stream:
            for piece in pieces:
                stream.write(piece.encode("utf-8", "backslashreplace"))
        if not self._is_local and self.exists(name):
            self._fs.delete_file(target)  # a rename on HDFS does not replace
        self._fs.move(aside, target)

    def read_json(self, *parts: str) -> Any:
        """Return the content of a JSON file.

        Raises:
            InputError: if it can't be read or is none.
        """
        try:
            with self._fs.open_input_stream(self._inside(*parts)) as stream:
                return json.loads(stream.read())
        except (OSError, ValueError) as error:
            raise InputError(f"can't read {'/'.join([self.url, *parts])}: {error}") from error

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
        if not self.exists(MARKER):
            return Ledger()
        with self._fs.open_input_stream(self._inside(MARKER)) as stream:
            return Ledger.from_json(stream.read().decode("utf-8", "replace"), self.url)

    def write_ledger(self, ledger: Ledger) -> None:
        """Write the marker."""
        self.write_text(MARKER, ledger.to_json())

    def delete_files(self, names: Iterable[str]) -> None:
        """Delete files, those that are there, and the folders in the store that are empty without them."""
        above = set()
        for name in names:
            if self.exists(name):
                self._fs.delete_file(self._inside(name))
            above.add(posixpath.dirname(name))
        for folder in sorted(above, reverse=True):
            self._delete_if_empty(folder)

    def delete_tree(self, *parts: str) -> None:
        """Delete a folder with all in it, or a file, if it is there, and the folders above that are then empty.

        For what lies in the staging place alone: anywhere else only listed files go.
        """
        if parts[0] != STAGING:
            raise ValueError(f"only what is staged is deleted whole, not {parts}")
        there = self._fs.get_file_info(self._inside(*parts))
        if there.type == fs.FileType.Directory:
            self._fs.delete_dir(there.path)
        elif there.type != fs.FileType.NotFound:
            self._fs.delete_file(there.path)
        self._delete_if_empty(posixpath.dirname(posixpath.join(*parts)))

    def move(self, source: Place, target: Place) -> None:
        """Move a file or a folder to a place where nothing may be; nothing happens if it isn't there.

        Local disks and HDFS rename it. An object store knows no folders: each file is copied, then deleted.
        """
        if not self.exists(*source):
            return
        origin, goal = self._inside(*source), self._inside(*target)
        self._fs.create_dir(posixpath.dirname(goal), recursive=True)
        if self.renames_folders:
            self._fs.move(origin, goal)
            return
        for name in self.files(*source) or [posixpath.join(*source)]:
            copy = posixpath.normpath(posixpath.join(goal, posixpath.relpath(self._inside(name), origin)))
            self._fs.create_dir(posixpath.dirname(copy), recursive=True)
            self._fs.copy_file(self._inside(name), copy)
            self._fs.delete_file(self._inside(name))

    def _delete_if_empty(self, folder: str) -> None:
        """Delete a folder inside the store, and those above it, as far as nothing at all is in them."""
        while folder and self.exists(folder) and not self._listed(folder):
            self._fs.delete_dir(self._inside(folder))
            folder = posixpath.dirname(folder)

    def _listed(self, *parts: str) -> list[fs.FileInfo]:
        """Return what is in a folder; of what is a file, that file itself."""
        there = self._fs.get_file_info(self._inside(*parts))
        if there.type not in (fs.FileType.Directory, fs.FileType.NotFound):
            return [there]
        return list(self._fs.get_file_info(fs.FileSelector(there.path, allow_not_found=True)))

    def _inside(self, *parts: str) -> str:
        return posixpath.join(self._root, *parts)


def _opened(url: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a folder. Arrow takes options at the end of a URL, and no odd letters before them."""
    try:
        return fs.FileSystem.from_uri(arrow_url(url))
    except pa.ArrowInvalid:
        return opened(url)
