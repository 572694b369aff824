"""CSV by its first line: what Python writes is read as it was, and what can't be read is told and not guessed."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup_core.spark.inputs.dialects import Dialect

CELL = st.text(st.sampled_from('ab,;"\n \\é'), max_size=5)


def rows(text):
    lines = io.StringIO(text, newline="")
    dialect = Dialect.of(next(lines).rstrip("\r\n"))
    return dialect, list(dialect.rows(lines))


@given(st.lists(st.tuples(CELL, CELL), max_size=6), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
def test_what_python_writes_is_read_as_it_was(table, separator, line_end):
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=line_end).writerows([("p", "l"), *table])
    dialect, found = rows(text.getvalue())
    assert dialect == Dialect(separator, ("p", "l"))
    assert [tuple(row) for row, _, _ in found] == table
    assert all(dialect.takes(row) for row, _, _ in found)
    assert [is_cut for _, _, is_cut in found] == [any("\n" in cell for cell in row) for row in table]


@given(st.text(st.sampled_from('a,"\n'), max_size=12))
def test_any_text_is_rows_or_broken_rows(text):
    _, found = rows("a,b\n" + text)
    whole = [row for row, _, _ in found if row is not None]
    assert all(isinstance(cell, str) for row in whole for cell in row)
    assert found or not text


@pytest.mark.parametrize(
    ("header", "separator", "names"),
    [
        ("path", ",", ("path",)),
        ('"path;x",label', ",", ("path;x", "label")),
        ('path;"a, b, c"', ";", ("path", "a, b, c")),
        ("path\tsize, bytes\tlabel", "\t", ("path", "size, bytes", "label")),
        ("path|label|", "|", ("path", "label", "_c2")),
        ('"a ""b""",c', ",", ('a "b"', "c")),
    ],
)
def test_the_names_tell_what_separates(header, separator, names):
    assert Dialect.of(header) == Dialect(separator, names)


@pytest.mark.parametrize("header", ["", 'path,"label', '"a"b,c'])
def test_a_line_that_names_nothing_is_refused(header):
    with pytest.raises(ValueError, match="a line that names the columns must come first, not"):
        Dialect.of(header)


@pytest.mark.parametrize(
    ("text", "broken"), [('a,"1\nb,2\n', "b,2\n"), ('"a"b,1\nc,2', '"a"b,1\n'), ('x,"' + "y" * 17_000_000, None)]
)
def test_a_broken_row_is_told_with_its_last_line(text, broken):
    _, found = rows("p,l\n" + text)
    row, line, _ = found[0]
    assert row is None
    assert broken in (None, line)


@pytest.mark.parametrize("row", [["a"], ["a", "b", "c"], None])
def test_a_row_of_other_fields_is_not_taken(row):
    assert not Dialect(",", ("p", "l")).takes(row)
