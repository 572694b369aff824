"""Columns by the names that people give: exact, whatever their letters, or a path to a field of a struct."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup_core.errors import InputError
from dedup_core.spark.inputs.columns import column, has_column
from dedup_core.spark.session import setting


def table(spark, folder, columns):
    pq.write_table(pa.table(columns), folder / "table.parquet")
    return spark.read.parquet(str(folder / "table.parquet"))


def values(frame, name):
    return [row[0] for row in frame.select(column(frame, name, "--path-column")).collect()]


HUGGING_FACE = {
    "image": [{"path": "a.png", "bytes": b"a", "a.b": {"`c`": 7}}, None],
    "image.path": ["flat", "flat"],
    "label": [1, 2],
}


@pytest.mark.parametrize(
    ("columns", "name", "expected"),
    [
        ({"path": ["x"]}, "path", ["x"]),
        ({"file.name": ["x"]}, "file.name", ["x"]),
        ({"a`b": ["x"]}, "a`b", ["x"]),
        ({"`path`": ["x"]}, "`path`", ["x"]),
        ({"a b (c)*[0]": ["x"]}, "a b (c)*[0]", ["x"]),
        ({"Größe": ["x"]}, "Größe", ["x"]),
        ({"a": [{"b": [{"c": 1}]}], "b": [[1]]}, "b", [[1]]),
        (HUGGING_FACE, "image.path", ["flat", "flat"]),
        (HUGGING_FACE, "image.bytes", [b"a", None]),
        (HUGGING_FACE, "image.a.b.`c`", [7, None]),
        ({"a.b": [{"c": 1}], "a": [{"b": {"c": 2}}]}, "a.b.c", [1]),
        ({"a.b": [{"d": 1}], "a": [{"b": {"c": 2}}]}, "a.b.c", [2]),
    ],
)
def test_a_column_is_found_by_its_name_or_its_path(spark, tmp_path, columns, name, expected):
    assert values(table(spark, tmp_path, columns), name) == expected


@pytest.mark.parametrize("is_case_sensitive", ["true", "false"])
def test_the_exact_spelling_is_wanted(spark, tmp_path, is_case_sensitive):
    with setting(spark, "spark.sql.caseSensitive", is_case_sensitive):
        frame = table(spark, tmp_path, {"Path": ["x"], "image": [{"Path": "y"}]})
        assert values(frame, "Path") == ["x"]
        assert values(frame, "image.Path") == ["y"]
        for name in ("path", "Image.Path", "image.path"):
            assert not has_column(frame, name)
        with pytest.raises(InputError, match=r"no column 'path' .*did you mean 'Path'"):
            column(frame, "path", "--path-column")


def test_of_names_that_differ_in_case_alone_each_is_found(spark, tmp_path):
    with setting(spark, "spark.sql.caseSensitive", "true"):
        frame = table(spark, tmp_path, {"path": ["x"], "PATH": ["y"], "s": [{"a": 1, "A": 2}]})
        found = [values(frame, name) for name in ("path", "PATH", "s.a", "s.A")]
        assert found == [["x"], ["y"], [1], [2]]


@pytest.mark.parametrize("name", ["path", "PATH", "s.a"])
def test_names_that_spark_can_not_tell_apart_are_refused_with_what_to_do(spark, name):
    with setting(spark, "spark.sql.caseSensitive", "false"):
        frame = spark.createDataFrame([("x", "y", (1, 2))], "path STRING, PATH STRING, s STRUCT<a: INT, A: INT>")
        with pytest.raises(InputError, match=r"--path-column: .* spark\.sql\.caseSensitive=true"):
            column(frame, name, "--path-column")


def test_a_name_twice_is_refused(spark):
    frame = spark.createDataFrame([("x", "y")], "path STRING, other STRING").toDF("path", "path")
    with pytest.raises(InputError, match=r"--path-column: .*'path'"):
        column(frame, "path", "--path-column")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pfad", "the table has no column 'pfad' (--path-column): it has id, image.bytes, image.path, items, label"),
        ("image", "the table's column 'image' (--path-column) has fields: name one of image.bytes, image.path"),
        ("image.pth", "no column 'image.pth' (--path-column): did you mean 'image.path'? It has id, "),
        ("items.path", "no column 'items.path'"),
        ("", "no column ''"),
        (".", "no column '.'"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(spark, name, message):
    schema = "id INT, image STRUCT<bytes: BINARY, path: STRING>, items ARRAY<STRUCT<path: STRING>>, label INT"
    with pytest.raises(InputError) as caught:
        column(spark.createDataFrame([], schema), name, "--path-column")
    assert message in str(caught.value)


def test_of_many_columns_some_are_listed(spark):
    many = spark.range(1).selectExpr(*(f"id AS f{number:04d}" for number in range(2000)))
    with pytest.raises(InputError) as caught:
        column(many, "path", "--path-column")
    assert "and 1,980 more" in str(caught.value)
    assert len(str(caught.value)) < 500
