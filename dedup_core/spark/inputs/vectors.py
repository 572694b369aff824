"""Tables of paths and vectors, as networks of any kind leave them: read as float32, and what is wrong with each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    FloatType,
    NumericType,
    StringType,
    StructField,
    StructType,
    UserDefinedType,
)

from dedup_core.errors import InputError
from dedup_core.filesystems import for_spark
from dedup_core.images.names import readable
from dedup_core.spark.inputs.columns import column
from dedup_core.spark.inputs.parquet import read_parquet

VECTORS = "path STRING, length INT, problem STRING, embedding ARRAY<FLOAT>"
"""``problem``: why an embedding is like nothing, or null; ``embedding`` is null where it has one."""

_HALF = "FLOAT16"  # of which Spark says that it is no type
_NO_NUMBER = b"\x00\x7e"  # NaN in half precision
_PATHS = ("string", "binary")
_WHOLE_NUMBERS = ("tinyint", "smallint", "int", "bigint")
_DENSE = 1  # of Spark ML's vectors


def read_vectors(spark: SparkSession, location: str, path_column: str, vector_column: str) -> DataFrame:
    """Read a Parquet table of vectors, ``VECTORS``: the columns are checked now, the rows when they are read.

    Args:
        spark: the session.
        location: a file, a folder or a glob.
        path_column: with the images' paths.
        vector_column: arrays of numbers of any kind, of half precision too, or Spark ML's vectors.

    Raises:
        InputError: if there is no table, or it lacks a column or has it of another type.
    """
    where = f"the table {location}"
    table = _table(spark, location, path_column, vector_column)
    path = column(table, path_column, "--embeddings-path-column", where, _PATHS)
    vector = column(table, vector_column, "--column", where)
    kind = _kind_of(table, vector)
    if isinstance(kind, UserDefinedType):
        table, kind = _undefined(table, location), kind.sqlType()
    if (numbers := _numbers_of(vector, kind)) is None:
        raise _refused(where, vector_column, "--column", kind)
    return _looked_through(table, path, numbers)


def vectors_of(table: DataFrame, path_column: str, vector_column: str) -> DataFrame:
    """Return the vectors of a DataFrame, ``VECTORS``, as `read_vectors` does those of a table.

    Args:
        table: any DataFrame.
        path_column: with the images' paths, or whole numbers.
        vector_column: arrays of numbers, or Spark ML's vectors.

    Raises:
        InputError: if it lacks a column or has it of another type.
    """
    where = "the DataFrame of embeddings"
    path = column(table, path_column, "path", where, (*_PATHS, *_WHOLE_NUMBERS))
    vector = column(table, vector_column, "embedding", where)
    kind = _kind_of(table, vector)
    if type(kind).__name__ == "VectorUDT":  # of a table that nobody reads, Spark ML itself knows what they consist of
        vector, kind = _array_of(vector), ArrayType(FloatType())
    of_bytes = isinstance(kind, ArrayType) and isinstance(kind.elementType, BinaryType)
    if of_bytes or (numbers := _numbers_of(vector, kind)) is None:
        raise _refused(where, vector_column, "embedding", kind)
    return _looked_through(table, path, numbers)


def _kind_of(table: DataFrame, vector: Column) -> DataType:
    return table.select(vector.alias("vector")).schema[0].dataType


def _refused(where: str, vector_column: str, option: str, kind: DataType) -> InputError:
    return InputError(
        f"{where} has the column {vector_column!r} ({option}) as {kind.simpleString().upper()[:100]}: save it as "
        "ARRAY<FLOAT>, or name another one"
    )


def _array_of(vector: Column) -> Column:
    from pyspark.ml.functions import vector_to_array  # loads much, which no worker needs that looks at vectors

    return F.when(vector.isNotNull(), vector_to_array(vector, "float32"))


def _looked_through(table: DataFrame, path: Column, numbers: Column) -> DataFrame:
    return table.select(path.cast("string").cast("binary").alias("path"), numbers).mapInArrow(_looked_at, VECTORS)


def _table(spark: SparkSession, location: str, path_column: str, vector_column: str) -> DataFrame:
    try:
        return read_parquet(spark, location, "the embeddings")
    except InputError as error:
        if _HALF not in str(error):
            raise
    kinds = {path_column: StringType(), vector_column: ArrayType(BinaryType())}
    schema = StructType([StructField(name, kind) for name, kind in kinds.items()])
    return spark.read.schema(schema).parquet(for_spark(location))


def _undefined(table: DataFrame, location: str) -> DataFrame:
    """Return the table with what types of a user's own consist of."""
    fields = [StructField(field.name, _plain(field.dataType)) for field in table.schema]
    return table.sparkSession.read.schema(StructType(fields)).parquet(for_spark(location))


def _plain(kind: DataType) -> DataType:
    return kind.sqlType() if isinstance(kind, UserDefinedType) else kind


def _numbers_of(vector: Column, kind: DataType) -> Column | None:
    """Return a column of numbers, or of the two bytes of each; None of another type."""
    if isinstance(kind, ArrayType) and isinstance(kind.elementType, NumericType):
        return vector.cast("array<float>").alias("vector")
    if isinstance(kind, ArrayType) and isinstance(kind.elementType, BinaryType):
        return vector.alias("vector")
    if isinstance(kind, StructType) and kind.names == ["type", "size", "indices", "values"]:
        some = F.map_from_arrays(vector["indices"], vector["values"])
        every = F.sequence(F.lit(0), vector["size"] - F.lit(1))
        sparse = F.transform(every, lambda place: F.coalesce(F.element_at(some, place), F.lit(0.0)))
        dense = vector["type"] == F.lit(_DENSE)
        return F.when(dense, vector["values"]).otherwise(sparse).cast("array<float>").alias("vector")
    return None


def _looked_at(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        paths = [None if path is None else readable(path) for path in batch.column(0).to_pylist()]
        numbers, starts = _numbers(batch.column(1))
        problems = _problems(batch.column(1), numbers, starts)
        lists = pa.ListArray.from_arrays(pa.array(starts.astype(np.int32)), pa.array(numbers))
        embeddings = pc.if_else(pc.is_null(problems), lists, pa.scalar(None, lists.type))
        lengths = pa.array(np.diff(starts).astype(np.int32))
        columns = [pa.array(paths, pa.string()), lengths, problems, embeddings]
        yield pa.RecordBatch.from_arrays(columns, ["path", "length", "problem", "embedding"])


def _numbers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of a list column end to end, float32, and where each list starts and the last one ends."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    values = column.flatten()
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        numbers = _of_halves(values)
    else:
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)  # a null becomes NaN
    return numbers, np.concatenate([[0], np.cumsum(lengths)])


def _of_halves(values: pa.Array) -> np.ndarray:
    whole = pc.fill_null(values, _NO_NUMBER)
    is_large = pa.types.is_large_binary(whole.type)
    offsets = np.frombuffer(whole.buffers()[1], np.int64 if is_large else np.int32)
    if not len(whole):
        return np.empty(0, np.float32)
    first, last = offsets[whole.offset], offsets[whole.offset + len(whole)]
    return np.frombuffer(whole.buffers()[2], np.uint8)[first:last].view("<f2").astype(np.float32)


def _problems(column: pa.Array, numbers: np.ndarray, starts: np.ndarray) -> pa.Array:
    """Return what is wrong with each vector, null where nothing is."""
    told = {
        "it is null": np.asarray(column.is_null()),
        "it is empty": np.diff(starts) == 0,
        "it holds NaN or null": _has(np.isnan(numbers), starts),
        "it holds infinity, or a number beyond single precision": _has(np.isinf(numbers), starts),
        "all its numbers are zero": ~_has(numbers != 0.0, starts),
    }
    which = np.select(list(told.values()), list(range(len(told))), -1)
    return pa.array(list(told), pa.string()).take(pa.array(which, mask=which < 0))


def _has(is_so: np.ndarray, starts: np.ndarray) -> np.ndarray:
    counted = np.concatenate([[0], np.cumsum(is_so)])
    return counted[starts[1:]] > counted[starts[:-1]]
