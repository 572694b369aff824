"""Duplicate maps in imagededup's JSON form: one object, read key by key, so that its size is no limit."""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from dedup_core.errors import InputError
from dedup_core.evaluation.maps import name_of
from dedup_core.filesystems import opened
from dedup_core.images.names import storable
from dedup_core.spark.staging import Staging

MAP = "path STRING, duplicates ARRAY<STRING>"

_CHUNK_BYTES = 1 << 20
_BATCH_IMAGES = 20_000
_NULL = object()  # JSON's null, told apart from nothing
_ARROW_MAP = pa.schema([("path", pa.string()), ("duplicates", pa.list_(pa.string()))])


def stage_map(location: str, staging: Staging, name: str) -> DataFrame:
    """Write a JSON map as a table in the staging place, and return it: path, duplicates.

    Duplicates are names in the order of the list, which is its ranking; scores are dropped. The driver reads the file
    from end to end and holds some thousand lists at a time.

    Raises:
        InputError: if the file can't be read, or is no object of lists of names or [name, score].
    """
    with closing(_pieces(location)) as pieces, staging.open_output(name, "part-0.parquet") as file:
        entries = (
            (storable(path), [storable(_name(location, path, entry)) for entry in duplicates])
            for path, duplicates in _lists(pieces, location)
        )
        with pq.ParquetWriter(file, _ARROW_MAP) as writer:
            while batch := list(itertools.islice(entries, _BATCH_IMAGES)):
                paths, duplicates = zip(*batch, strict=True)
                columns = [pa.array(paths, pa.string()), pa.array(duplicates, pa.list_(pa.string()))]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=_ARROW_MAP))
    return staging.read(name, MAP)


def _pieces(location: str) -> Generator[bytes, None, None]:
    """Yield the file in pieces. What fails where they are used is no error of the file, and passes by here."""
    try:
        filesystem, place = opened(location)
        with filesystem.open_input_stream(place) as stream:
            yield from iter(lambda: stream.read(_CHUNK_BYTES), b"")
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"can't read the duplicate map {location}: {error}") from error


def _lists(pieces: Iterable[bytes], location: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield each key with its list."""
    text = _Text(pieces)
    try:
        text.expect("{")
        while text.peek() != "}":
            path = text.value()
            text.expect(":")
            duplicates = text.value()
            if not isinstance(path, str) or not isinstance(duplicates, list):
                raise InputError(f"{location}: {path!r} must be a name with a list")
            yield path, duplicates
            if text.peek() != "}":
                text.expect(",")
        text.expect("}")
        text.expect("")
    except json.JSONDecodeError as error:
        raise InputError(
            f"{location} is no JSON object of lists: {error.msg} after {text.passed:,} characters"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"can't read the duplicate map {location}: it is not UTF-8: save it as UTF-8") from error
    except RecursionError as error:
        raise InputError(f"{location} is no JSON object of lists: it is nested too deep") from error
    except ValueError as error:  # a number of more digits than Python takes
        raise InputError(f"{location} is no JSON object of lists: {error}") from error


class _Text:
    """JSON text that arrives in pieces: what has been parsed is dropped, and more is read when a value is cut short."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = codecs.iterdecode(pieces, "utf-8-sig")
        self._decoder = json.JSONDecoder()
        self._text, self._at, self.passed = "", 0, 0

    def peek(self) -> str:
        """Return the next character that is no space, and "" at the end."""
        while True:
            match = re.compile(r"\S").search(self._text, self._at)
            if match:
                self._at = match.start()
                return match.group()
            self._at = len(self._text)
            if not self._more(1):
                return ""

    def expect(self, character: str) -> None:
        """Pass over the next character, which must be this one."""
        if (other := self.peek()) != character:
            raise json.JSONDecodeError(
                f"found {other!r} where {character or 'the end'!r} must be", self._text, self._at
            )
        self._at += len(character)

    def value(self) -> Any:
        """Return the next value, whole."""
        self.peek()
        while (value := self._attempt()) is None:
            pass
        return value

    def _attempt(self) -> Any:
        """Return the value, or None after reading on where it is cut short."""
        try:
            value, self._at = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError:
            # Twice as much each time: a list of a million names is not parsed anew for every piece of it.
            if not self._more(len(self._text) - self._at):
                raise
            return None
        return _NULL if value is None else value

    def _more(self, characters: int) -> bool:
        """Read on, so many characters at least; return whether there were any."""
        pieces: list[str] = []
        while not pieces or sum(len(piece) for piece in pieces) < characters:
            piece = next(self._pieces, None)
            if piece is None:
                break
            pieces.append(piece)
        self.passed += self._at
        self._text, self._at = "".join([self._text[self._at :], *pieces]), 0
        return bool(pieces)


def _name(location: str, path: str, entry: object) -> str:
    if (name := name_of(entry)) is not None:
        return name
    raise InputError(f"{location}: the list of {path!r} holds {entry!r}, which is neither a name nor [name, score]")
