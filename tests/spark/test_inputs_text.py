"""Lines and CSV as people have them: read rightly, or refused with what to do; never a wrong answer in silence."""

import bz2
import csv
import gzip
import io
import itertools

import pytest

from dedup_core.errors import InputError
from dedup_core.spark.inputs.text import read_csv, read_lines
from dedup_core.spark.session import setting

ROWS = [("Küche, 1.jpg", "a"), ('5" disk;2.jpg', "b"), ("写真|😀.jpg", None), (" spaces .jpg", "d e")]


def rows(frame):
    return [tuple(row) for row in frame.collect()]


def written(path, content, encoding="utf-8"):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return f"file://{path}"


def as_csv(separator=",", line_end="\n", quoting=csv.QUOTE_MINIMAL):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting)
    writer.writerows([("path", "label"), *ROWS])
    return text.getvalue()


# CSV


@pytest.mark.parametrize(
    ("separator", "line_end", "encoding"),
    [(",", "\n", "utf-8"), (";", "\r\n", "utf-8-sig"), ("\t", "\r", "utf-8"), ("|", "\r\n", "utf-8")],
)
def test_the_dialects_of_csv(spark, tmp_path, separator, line_end, encoding):
    url = written(tmp_path / "t.csv", as_csv(separator, line_end), encoding)
    frame = read_csv(spark, url)
    assert frame.columns == ["path", "label"]
    assert rows(frame) == ROWS


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('"path";"label"\n"a;1";"x,y"\n', [("a;1", "x,y")]),  # all quoted
        ('path,"size, in bytes"\na,7\n', [("a", "7")]),  # a separator inside a name
        ("path\na.jpg\n\nb;c.jpg\n", [("a.jpg",), ("b;c.jpg",)]),  # one column, an empty line, no separator
        ("path,label\na,1", [("a", "1")]),  # no line end at the end
        ("path,label\n", []),
        ('path,label\na,""\nb,\n', [("a", None), ("b", None)]),
        ('path,label\n"a ""b""",1\n', [('a "b"', "1")]),
        ('path,label\na"b".jpg,1\nc"d.jpg,2\n', [('a"b".jpg', "1"), ('c"d.jpg', "2")]),
        ("path,label,\na,1,\n", [("a", "1", None)]),
        ("path,path\na,b\n", [("a", "b")]),
        ("path,label\n" + "x" * 300_000 + ",1\n", [("x" * 300_000, "1")]),
        ("path,label\na\u2028b\x85c\x0bd,1\n", [("a\u2028b\x85c\x0bd", "1")]),  # none of these ends a line
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_csv_may_hold(spark, tmp_path, content, expected):
    assert rows(read_csv(spark, written(tmp_path / "t.csv", content))) == expected


@pytest.mark.parametrize(("line_end", "encoding"), [("\n", "utf-8"), ("\r\n", "utf-8-sig")])
def test_fields_with_line_breaks_are_read_whole(spark, tmp_path, line_end, encoding):
    content = f'path,caption{line_end}a,"one{line_end}two"{line_end}"b{line_end}{line_end}c",three{line_end}d,"x""y"'
    url = written(tmp_path / "t.csv", content, encoding)
    expected = [("a", f"one{line_end}two"), (f"b{line_end}{line_end}c", "three"), ("d", 'x"y')]
    assert rows(read_csv(spark, url)) == expected
    for name, packed in (("t.csv.gz", gzip.compress), ("t.csv.bz2", bz2.compress)):
        assert rows(read_csv(spark, written(tmp_path / name, packed(content.encode(encoding))))) == expected


def test_bytes_that_are_no_utf8_are_kept_as_escapes(spark, tmp_path):
    url = written(
        tmp_path / "t.csv", b"path;gr\xf6\xdfe\nK\xfcche.jpg;1\nK\xc3\xbcche.jpg;2\nplain\\xfc;3\n\\xff\xff;\n"
    )
    frame = read_csv(spark, url)
    assert frame.columns == ["path", "gr\\xf6\\xdfe"]
    assert rows(frame) == [("K\\xfcche.jpg", "1"), ("Küche.jpg", "2"), ("plain\\xfc", "3"), ("\\xff\\xff", None)]


def test_a_folder_and_a_glob_are_read_as_one_table_in_parts(spark, tmp_path):
    for number, name in enumerate(["a.csv", "b.csv", "_hidden.csv", "c.csv.gz", "[d] e%20f.csv"]):
        content = ("\ufeff" * (number % 2) + f"path,label\r\n{number}.jpg,x\r\n").encode()
        written(tmp_path / "shards" / name, gzip.compress(content) if name.endswith("gz") else content)
    expected = [(f"{number}.jpg", "x") for number in (0, 1, 3, 4)]
    assert sorted(rows(read_csv(spark, f"file://{tmp_path}/shards"))) == expected
    assert sorted(rows(read_csv(spark, f"file://{tmp_path}/shards/[ab].csv"))) == expected[:2]
    assert rows(read_csv(spark, f"file://{tmp_path}/shards/\\[d\\] e%20f.csv")) == expected[3:]


def test_a_big_file_is_read_by_many_tasks(spark, tmp_path):
    text = "\ufeffpath,label\n" + "".join(f"ü{number}.jpg,{number % 7}\n" for number in range(5000))
    url = written(tmp_path / "t.csv", text)
    with setting(spark, "spark.sql.files.maxPartitionBytes", "9999"):
        frame = read_csv(spark, url)
        assert rows(frame) == [(f"ü{number}.jpg", str(number % 7)) for number in range(5000)]
        parts = frame.selectExpr("spark_partition_id() AS part").distinct().count()
        assert parts > 5
        with_breaks = written(tmp_path / "b.csv", text + '"two\nlines",1\n')
        assert rows(read_csv(spark, with_breaks))[-1] == ("two\nlines", "1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\na,1".encode("utf-16"), "holds NUL characters, as UTF-16 and UTF-32 do: save it as UTF-8"),
        ("path,label\na,1".encode("utf-16-le"), "holds NUL characters, as UTF-16 and UTF-32 do: save it as UTF-8"),
        ("path,label\na,1".encode("utf-32"), "holds NUL characters, as UTF-16 and UTF-32 do: save it as UTF-8"),
        (b"path,label\na,1\nb\0c,2\n", "holds NUL"),
        ("", "is empty"),
        ("\n\n", "a line that names the columns must come first, not ''"),
        (
            "path,label\na,b.jpg,1\nc,2\n",
            "1 rows have not the 2 fields of the header, separated by ',', such as 'a,b.jpg,1': put",
        ),
        ("path;label\na;1\nb\nc\n", "2 rows have not the 2 fields of the header, separated by ';', such as 'b': put"),
        ('path,label\na,"1\nb,2\n', "1 rows have not the 2 fields"),
        ('path,label\n"a"b,1\n', "such as '\"a\"b,1'"),
        ('path,"label\na,1\n', "a line that names the columns must come first, not 'path,\"label'"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_would_be_read_wrong_is_refused(spark, tmp_path, content, message):
    with pytest.raises(InputError, match=message) as caught:
        rows(read_csv(spark, written(tmp_path / "[x] t.csv", content).replace("[", "\\[").replace("]", "\\]")))
    assert f"{tmp_path}/[x] t.csv" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_parts_of_different_headers_are_refused(spark, tmp_path):
    written(tmp_path / "in" / "a.csv", "path,label\nx,1\n")
    written(tmp_path / "in" / "b.csv", "label,path\n1,y\n")
    with pytest.raises(InputError, match=r"different headers: .*a\.csv .*'path,label'.*b\.csv .*'label,path'"):
        read_csv(spark, f"file://{tmp_path}/in")


@pytest.mark.parametrize(("separator", "line_end"), [(",", "\n"), (";", "\r\n")])
@pytest.mark.parametrize("breaks", [[], ["\n", '"\n', 'a\n"b"\n', '\n,";']], ids=["lines", "breaks"])
def test_whatever_python_writes_is_read_as_it_was(spark, tmp_path, separator, line_end, breaks):
    cells = ["", " ", "a", ",", ";", '"', '""', 'a"b', '",', '"a";', "\\", '\\"', "é😀", "'", "#", "\t", *breaks]
    table = list(itertools.product(cells, repeat=2))
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=line_end).writerows([("p", "l"), *table])
    expected = [(a or None, b or None) for a, b in table]
    assert rows(read_csv(spark, written(tmp_path / "t.csv", text.getvalue()))) == expected


# Lines


@pytest.mark.parametrize(("line_end", "encoding"), [("\n", "utf-8"), ("\r\n", "utf-8-sig"), ("\r", "utf-8")])
def test_lines_of_any_system(spark, tmp_path, line_end, encoding):
    text = line_end.join(["Küche.jpg", " a,b ", "", '"q"', "写真 😀"]) + line_end
    frame = read_lines(spark, written(tmp_path / "l.txt", text, encoding))
    assert frame.columns == ["value"]
    assert [value for (value,) in rows(frame)] == ["Küche.jpg", " a,b ", "", '"q"', "写真 😀"]


def test_lines_that_are_no_utf8_are_kept_as_escapes(spark, tmp_path):
    url = written(tmp_path / "l.txt", b"a\nK\xfcche.jpg\n\xef\xbb\xbfb\nplain\\xfc\n")
    assert rows(read_lines(spark, url)) == [("a",), ("K\\xfcche.jpg",), ("b",), ("plain\\xfc",)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_lines_of_wide_characters_are_refused(spark, tmp_path, encoding):
    with pytest.raises(InputError, match="holds NUL characters, as UTF-16 and UTF-32 do: save it as UTF-8"):
        read_lines(spark, written(tmp_path / "l.txt", "a.jpg\nb.jpg\n", encoding))


def test_no_lines_are_no_rows(spark, tmp_path):
    assert rows(read_lines(spark, written(tmp_path / "l.txt", b""))) == []
