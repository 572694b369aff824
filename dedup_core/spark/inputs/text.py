"""Lines and CSV as people have them: of any separator and line end, with or without a mark of UTF-8 at the beginning.

What can't be read rightly is refused. Text in UTF-8 stays as it is; a line or field that is none becomes the escapes of
`storable`. Big files are cut into parts that are read side by side. UTF-16 and UTF-32 can't be cut at bytes that end a
line, so they are left to whoever can save them anew.
"""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import operator
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from dedup_core.errors import InputError
from dedup_core.images.names import storable
from dedup_core.spark.inputs.dialects import Dialect

_MARK = "\ufeff"  # Windows writes it before a text in UTF-8
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MOST_WHOLE_BYTES = 256 * 2**20
_BATCH_ROWS = 10_000
_UNPACKED: dict[str, Callable[[Any], Any]] = {".gz": gzip.open, ".bz2": bz2.open}
_SURVEY = "file STRING, header STRING, wrong BIGINT, example STRING, is_cut BOOLEAN, holds_nul BOOLEAN"
_SURVEY_ARROW = [pa.string(), pa.string(), pa.int64(), pa.string(), pa.bool_(), pa.bool_()]

_Batches = Iterator[pa.RecordBatch]
_Part = tuple[str, str | None, Iterator[str]]
"""A file; its first line, where this part of the file begins with it; and all other lines of the part."""


def read_lines(spark: SparkSession, url: str, spell: Callable[[str], str] = storable) -> DataFrame:
    """Read text files by lines.

    Args:
        spark: the session.
        url: a file, a folder or a glob, as Spark takes it.
        spell: makes text of a line whose undecodable bytes are surrogates: `storable`, or `readable` for names.

    Returns:
        value: a line, without what ends it.

    Raises:
        InputError: if a file is in UTF-16 or UTF-32.
    """

    def decoded(batches: _Batches) -> _Batches:
        for batch in batches:
            lines = [spell(_decoded(line)) for line in batch.column(0).to_pylist()]
            yield pa.RecordBatch.from_arrays([pa.array(lines, pa.string())], ["value"])

    lines = spark.read.text(url)
    wide = lines.where(F.col("value").contains("\0")).select("_metadata.file_path").limit(1).collect()
    if wide:
        raise _wide(wide[0]["file_path"])
    return lines.select(F.col("value").cast("binary")).mapInArrow(decoded, "value STRING")


def read_csv(
    spark: SparkSession, url: str, spell: Callable[[str], str] = storable, is_lenient: bool = False
) -> DataFrame:
    """Read CSV files, whose first lines name the columns. What separates those names separates the fields.

    Files with line breaks inside fields are read one by one, all others in parts.

    Args:
        spark: the session.
        url: a file, a folder or a glob, as Spark takes it.
        spell: makes text of a field whose undecodable bytes are surrogates: `storable`, or `readable` for names.
        is_lenient: whether a row that has other fields than the header is read as one of empty fields.

    Returns:
        The columns, as text; an empty field is null.

    Raises:
        InputError: if a file is empty or in UTF-16 or UTF-32, if files have different headers, or if a row has other
            fields than those of the header and that is not allowed.
    """
    lines = spark.read.text(url).select(
        F.col("value").cast("binary"), "_metadata.file_path", "_metadata.file_block_start"
    )
    dialect = replace(_dialect(lines, url), is_lenient=is_lenient)
    survey = _survey(lines, _parts_of_files, dialect)
    if not any(row["is_cut"] for row in survey):
        _check(survey, dialect)
        return _fields(lines, _parts_of_files, dialect, spell)
    files = _small_files(spark, url)
    _check(_survey(files, _whole_files, dialect), dialect)
    return _fields(files, _whole_files, dialect, spell)


def _dialect(lines: DataFrame, url: str) -> Dialect:
    first = lines.where(F.col("file_block_start") == F.lit(0)).head()
    if first is None:
        named = re.sub(r"\\(.)", r"\1", url).removeprefix("file://")
        raise InputError(f"{named} is empty: a line that names the columns must come first")
    raw: bytes = first["value"]
    if raw.startswith(_WIDE_MARKS) or b"\0" in raw:
        raise _wide(first["file_path"])
    try:
        dialect = Dialect.of(_decoded(raw))
    except ValueError as error:
        raise InputError(f"{_shown(first['file_path'])} can't be read: {error}") from error
    return replace(dialect, names=tuple(map(storable, dialect.names)))


def _survey(frame: DataFrame, parts: Callable[[_Batches], Iterator[_Part]], dialect: Dialect) -> list[Row]:
    """Look for what can't be read: a row for every header that there is, and one for the parts without."""

    def survey(batches: _Batches) -> _Batches:
        for file, header, lines in parts(batches):
            wrong, example, is_cut, holds_nul = 0, None, False, False
            for row, line, breaks in dialect.rows(lines):
                is_cut, holds_nul = is_cut or breaks, holds_nul or "\0" in line
                if not dialect.takes(row):
                    wrong, example = wrong + 1, example or storable(line[:100].strip("\r\n"))
            found = [file, header if header is None else storable(header), wrong, example, is_cut, holds_nul]
            arrays = [pa.array([value], kind) for value, kind in zip(found, _SURVEY_ARROW, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=_SURVEY.split(" ")[::2])

    wrong = F.when(F.col("wrong") > F.lit(0), F.struct("file", "example"))
    return (
        frame.mapInArrow(survey, _SURVEY)
        .groupBy("header")
        .agg(
            F.min("file").alias("file"),
            F.sum("wrong").alias("wrong"),
            F.min(wrong).alias("example"),
            F.max("is_cut").alias("is_cut"),
            F.min(F.when(F.col("holds_nul"), F.col("file"))).alias("wide"),
        )
        .orderBy("file")
        .collect()
    )


def _check(survey: list[Row], dialect: Dialect) -> None:
    for row in survey:
        if row["wide"] is not None:
            raise _wide(row["wide"])
    headers = [f"{_shown(row['file'])} has {row['header']!r}" for row in survey if row["header"] is not None]
    if len(headers) > 1:
        raise InputError(f"the files of one table have different headers: {', '.join(headers[:3])}")
    wrong = [row for row in survey if row["wrong"]]
    if wrong:
        file, example = wrong[0]["example"]
        raise InputError(
            f"{_shown(file)} can't be read: {sum(row['wrong'] for row in wrong):,} rows have not the "
            f"{len(dialect.names)} fields of the header, separated by {dialect.separator!r}, such as {example!r}: "
            'put a field that holds a separator or a quote in quotes ("), and double the quotes in it'
        )


def _fields(
    frame: DataFrame,
    parts: Callable[[_Batches], Iterator[_Part]],
    dialect: Dialect,
    spell: Callable[[str], str],
) -> DataFrame:
    def parse(batches: _Batches) -> _Batches:
        for _, _, lines in parts(batches):
            rows = dialect.fields(lines)
            while some := list(itertools.islice(rows, _BATCH_ROWS)):
                columns = ([spell(field) if field else None for field in column] for column in zip(*some, strict=True))
                yield pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], places)

    places = [f"_{number}" for number in range(len(dialect.names))]  # as a name may stand there twice
    return frame.mapInArrow(parse, ", ".join(f"{place} STRING" for place in places)).toDF(*dialect.names)


def _small_files(spark: SparkSession, url: str) -> DataFrame:
    files = spark.read.format("binaryFile").load(url)
    files = files.select("_metadata.file_path", "length", "content")
    found = files.agg(F.sum("length").alias("bytes"), F.min("file_path").alias("path")).collect()[0]
    if found["bytes"] > _MOST_WHOLE_BYTES:
        raise InputError(
            f"{_shown(found['path'])} has line breaks inside fields, and is read whole: {found['bytes']:,} bytes, over "
            f"the {_MOST_WHOLE_BYTES:,} that may be. Save the table as Parquet"
        )
    return files.select("file_path", "content")


def _parts_of_files(batches: _Batches) -> Iterator[_Part]:
    rows = (row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
    for (file, start), part in itertools.groupby(rows, key=operator.itemgetter(1, 2)):
        lines = (_decoded(line) for line, _, _ in part)
        yield file, next(lines) if start == 0 else None, lines


def _whole_files(batches: _Batches) -> Iterator[_Part]:
    for batch in batches:
        for path, content in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            unpacked = _UNPACKED.get(os.path.splitext(path)[1].lower(), lambda file: file)
            text = io.TextIOWrapper(unpacked(io.BytesIO(content)), "utf-8", "surrogateescape", newline="")
            header = next(text, None)
            yield path, header and header.removeprefix(_MARK).rstrip("\r\n"), text


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape").removeprefix(_MARK)


def _wide(file: str) -> InputError:
    return InputError(f"{_shown(file)} holds NUL characters, as UTF-16 and UTF-32 do: save it as UTF-8")


def _shown(file: str) -> str:
    return re.sub("^file:/+", "/", unquote(file))
