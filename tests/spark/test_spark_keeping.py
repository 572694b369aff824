"""Which images stay: the order that is declared, against its oracle."""

import datetime
import itertools

import naive
import numpy as np
import pytest

from dedup_core.errors import SettingsError
from dedup_core.policy import parse
from dedup_core.settings.settings import EncodeSettings, PipelineSettings
from dedup_core.spark.encode.manifests import manifest_columns
from dedup_core.spark.pipeline import run_pipeline
from dedup_core.spark.search import groups, keeping
from dedup_core.spark.search.hubs import hubs_of, most_alike

MEMBERS = (
    "path STRING, is_unseen BOOLEAN, content BIGINT, root BIGINT, group_size BIGINT, size BIGINT, width INT, "
    "height INT, frames INT, format STRING, modified_at TIMESTAMP"
)
MANIFEST = "path STRING, `my.stars` STRING, content STRING"
ORDERS = [
    ["resolution", "size", "path"],
    ["size:asc"],
    ["oldest", "format:png>JPEG"],
    ["newest", "frames"],
    ["path:archive/**", "width:asc", "height:desc"],
    ["path:*/[!a-k]*[0-4].*", "path:desc"],
    ["format"],
    ["my.stars:desc", "format:webp>png", "size"],
    ["my.stars", "content:b>a", "newest"],
]
FOLDERS = ("archive", "archive/deep", "inbox", "(a) +b")


def silent(_line):
    """Nobody watches."""


@pytest.fixture(scope="module")
def facts():
    """{path: {column: value}} of images in a few groups, with gaps and many ties."""
    random = np.random.default_rng(3)
    days = [None, *(datetime.datetime(2024, 5, day, 12) for day in range(1, 5))]
    found = {}
    for number in range(60):
        width, height = (int(side) for side in random.integers(1, 4, 2) * 100)
        found[f"{FOLDERS[number % 4]}/{'az'[number % 2]}{number:02d}.x"] = {
            "width": width, "height": height, "resolution": width * height, "size": int(random.integers(1, 5)),
            "frames": int(random.integers(1, 3)), "format": ("PNG", "JPEG", "WEBP", None)[random.integers(4)],
            "modified_at": days[random.integers(5)], "my.stars": (None, 2.0, 9.5, 10.0)[random.integers(4)],
            "content": "abc"[random.integers(3)],
        }  # fmt: skip
    return found


def group_of(path):
    return int(path.split(".")[0][-2:]) % 3


def content_of(path):
    """Some images have equal files: always of one group."""
    number = int(path.split(".")[0][-2:])
    return number % 3 + 3 * (number // 3 // 2) if number < 24 else number


@pytest.fixture(scope="module")
def frames(spark, facts):
    names = ("size", "width", "height", "frames", "format", "modified_at")
    members = [(path, None, content_of(path), group_of(path), 20, *(each[name] for name in names))
               for path, each in facts.items()]  # fmt: skip
    listed = [(path, each["my.stars"] and f"{each['my.stars']:g}", each["content"]) for path, each in facts.items()]
    manifest = spark.createDataFrame(listed, MANIFEST)
    return keeping.with_manifest(spark.createDataFrame(members, MEMBERS), manifest).cache()


@pytest.fixture(scope="module")
def none_enlarged(spark):
    return spark.createDataFrame([], "content BIGINT, source_pixels DOUBLE")


@pytest.mark.parametrize("order", ORDERS, ids=",".join)
def test_images_come_in_the_order_that_is_declared(facts, frames, none_enlarged, order):
    rows = keeping.ranked(frames, none_enlarged, parse(order)).collect()
    ranked = [row["path"] for row in sorted(rows, key=lambda row: (row["root"], row["rank"]))]
    in_order = naive.in_order(order, facts)
    assert ranked == sorted(in_order, key=lambda path: (group_of(path), in_order.index(path)))


def test_one_that_was_made_larger_comes_after_what_it_was_made_from(spark, facts, frames):
    large = max(facts, key=lambda path: (facts[path]["resolution"], path))
    enlarged = spark.createDataFrame([(content_of(large), 20_000.0)], "content BIGINT, source_pixels DOUBLE")
    told = {path: each | {"resolution": 19_999.5} if content_of(path) == content_of(large) else each
            for path, each in facts.items()}  # fmt: skip
    rows = keeping.ranked(frames, enlarged, parse(["resolution"])).where(f"root = {group_of(large)}").collect()
    expected = [path for path in naive.in_order(["resolution"], told) if group_of(path) == group_of(large)]
    assert [row["path"] for row in sorted(rows, key=lambda row: row["rank"])] == expected


def test_what_goes_is_what_the_pass_in_that_order_leaves_out(spark, staging, facts, frames, none_enlarged):
    order = ["my.stars:desc", "oldest", "size"]
    random = np.random.default_rng(4)
    alike = {(a, b) for a, b in itertools.combinations(sorted({content_of(path) for path in facts}), 2)
             if (a - b) % 3 == 0 and random.random() < 0.15}  # fmt: skip
    edges = {(a, b) for a, b in itertools.combinations(sorted(facts), 2)
             if content_of(a) == content_of(b) or tuple(sorted((content_of(a), content_of(b)))) in alike}  # fmt: skip
    removed = naive.removals_by(order, facts, edges)
    ranked = keeping.ranked(frames, none_enlarged, parse(order)).cache()
    in_groups = [(a % 3, a, b) for a, b in sorted(alike)]
    fates = keeping.fates(
        ranked, spark.createDataFrame(in_groups, "root BIGINT, code_a BIGINT, code_b BIGINT"), staging
    )
    rows = fates.collect()
    assert {row["path"]: row["kept_path"] for row in rows} == {path: removed.get(path) for path in facts}
    assert 20 < len(removed) < 55

    stars = groups.group_table(fates, None, 0.0, is_star=True).collect()
    shown = {}
    for path in facts:
        shown.setdefault(removed.get(path, path), set()).add(path)
    expected = {path: (min(star), len(star)) for star in shown.values() for path in star if len(star) > 1}
    assert {row["path"]: (row["group_id"], row["group_size"]) for row in stars} == expected


def test_a_manifest_gives_the_columns_that_the_order_names(spark, tmp_path):
    (tmp_path / "list.csv").write_text('path,stars\na.png,3\n"b ""1"".png",\na.png,3\n')
    settings = EncodeSettings(input=str(tmp_path / "list.csv"), output=str(tmp_path / "out"))
    rows = manifest_columns(spark, settings, ["stars"]).collect()
    assert {tuple(row) for row in rows} == {("a.png", "3"), ('b "1".png', None)}


@pytest.mark.parametrize(
    ("name", "keep", "message"),
    [
        ("list.csv", "star", r"has no column 'star' \(--keep\): did you mean 'stars'\?"),
        ("list.txt", "stars", "--keep names stars: no such column, known: format, frames"),
    ],
)
def test_a_column_that_is_nowhere_is_named_before_anything_is_encoded(spark, tmp_path, name, keep, message):
    (tmp_path / name).write_text("path,stars\na.png,3\n")
    settings = PipelineSettings(input=str(tmp_path / name), output=str(tmp_path / "out"), keep=keep)
    with pytest.raises(SettingsError, match=message):
        run_pipeline(spark, settings, silent)
    assert not (tmp_path / "out" / "_staging").exists()


def test_a_group_is_a_hub_by_its_share_of_all_images():
    assert [most_alike(images) for images in (2, 1000, 1999, 2000, 10**6)] == [10, 10, 19, 20, 50]


def test_a_large_group_that_geometry_has_judged_shares_no_frame(spark):
    schema = "group_id STRING, group_size BIGINT, code BIGINT, content BIGINT, kept_path STRING, caution ARRAY<STRING>"
    groups = spark.createDataFrame([("a", 12, image, image, None, []) for image in range(12)], schema)
    (told,), (judged,) = (hubs_of(groups, most_alike(12), are_judged) for are_judged in (False, True))
    assert told | {"reason": judged["reason"]} == judged
    assert "share a frame" in told["reason"]
    assert "edits of one picture" in judged["reason"]
