"""Blocks of Python of the documentation that need Spark run, top to bottom, over a lake that is a folder here."""

import pytest
from given import names, shelve
from test_docs import ROOT, WITHOUT_RECIPES, python_blocks

LAKE = "s3a://lake"
PAGES = [page for page in WITHOUT_RECIPES if python_blocks(page, with_spark=True)]


@pytest.fixture(scope="module")
def done(spark, photographs, tmp_path_factory):
    """What the blocks of each page leave behind: its names, and the folder that is its lake."""
    left = {}
    for page in PAGES:
        lake = tmp_path_factory.mktemp("lake")
        shelve(photographs, lake / "images")
        images = spark.read.format("binaryFile").load(str(lake / "images"))
        images.selectExpr("path", "array(1.0, float(length), 2.0) AS v").write.parquet(str(lake / "sscd"))
        left[page.relative_to(ROOT).as_posix()] = (
            _left_by(page, {"spark": spark, "__name__": "documentation"}, lake),
            lake,
        )
    return left


def _left_by(page, namespace, lake):
    for line, source in python_blocks(page, with_spark=True):
        code = compile("\n" * line + source.replace(LAKE, lake.as_uri()), str(page), "exec")
        exec(code, namespace)
    return namespace


def test_the_pages_are_those_that_show_the_functions(done):
    assert set(done) == {"README.md", "docs/spark-functions.md"}


@pytest.mark.parametrize("page", ["README.md", "docs/spark-functions.md"])
def test_a_table_less_its_removals(done, page):
    namespace, _ = done[page]
    assert names(namespace["found"].removals.collect(), "path", "kept_path") == [("astronaut.jpeg", "astronaut.png")]
    assert names(namespace["failures"].collect(), "path") == [("notes.jpg",)]
    left = names(namespace["clean"].collect(), "path")
    assert left == [("astronaut.png",), ("chelsea.png",), ("coffee.png",), ("notes.jpg",)]


def test_what_is_left_is_written(done, spark):
    _, lake = done["docs/spark-functions.md"]
    assert spark.read.parquet((lake / "clean").as_uri()).count() == 4


def test_a_column_of_ones_own_says_what_stays(done):
    namespace, _ = done["docs/spark-functions.md"]
    assert names(namespace["removed"].collect(), "path") == [("astronaut.png",)]


def test_vectors_of_ones_own_are_searched_alone_and_beside_a_hash(done):
    namespace, _ = done["docs/spark-functions.md"]
    assert namespace["alike"].pairs.count() == 10  # of five images, whose vectors point nearly one way
    assert {row.method for row in namespace["both"].duplicates.collect()} == {"phash", "sscd"}
    assert namespace["both"].duplicates.where("method = 'sscd'").count() == 4  # no text is among the features
