"""Photographs and their edits by `combined`: what geometry says stands in every table, and guides what may go."""

import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyspark.sql import functions as F

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import installed_photographs, make_corpus
from dedup_core.errors import InputError, LimitError, SettingsError
from dedup_core.settings.settings import FindSettings, PipelineSettings
from dedup_core.spark.evaluate.predictions import read_tables
from dedup_core.spark.pipeline import run_find, run_pipeline
from dedup_core.spark.store import Store
from dedup_core.spark.summary import summary

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "grace_hopper.jpg")
RELATIONS = {"crop_25": "cropped", "flip_horizontal": "mirrored", "rotate_90": "rotated", "half_size": "resized"}
SMOOTH = "plain/smooth.bmp", "plain/smooth.png"
ODD = {"pixel.png": (1, 1), "red.png": (80, 60), "long.png": (60_000, 3)}


def silent(_line):
    """Nobody watches."""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    base = tmp_path_factory.mktemp("combined")
    photographs = [path for path in installed_photographs() if path.name in PHOTOGRAPHS]
    make_corpus(photographs, [EDITS[name] for name in RELATIONS], base / "images")
    for name, (width, height) in ODD.items():
        shades = np.full((height, width, 3), (200, 30, 30), np.uint8)
        shades[::2] = (30, 90, 200) if name == "long.png" else (200, 30, 30)
        Image.fromarray(shades).save(base / "images" / name)
    smooth = Image.fromarray(np.repeat(np.linspace(0, 255, 64)[None].astype(np.uint8), 40, axis=0))
    (base / "images" / "plain").mkdir()
    for name in SMOOTH:
        smooth.save(base / "images" / name)
    return base


@pytest.fixture(scope="module")
def lines():
    return []


@pytest.fixture(scope="module")
def finished(spark, base, lines):
    settings = {"input": str(base / "images"), "output": str(base / "out"), "method": "combined", "verdicts": True}
    return run_pipeline(spark, PipelineSettings(**settings, scores=True, report=False), lines.append)


def find(spark, base, name, **others):
    settings = {"output": str(base / name), "features": str(base / "out" / "features")}
    run = run_find(spark, FindSettings(**settings | {"images": str(base / "images")} | others), silent)
    return run, pq.read_table(base / name / "removals").to_pylist()


def table(base, name, of="out"):
    return pq.read_table(base / of / name).to_pylist()


def edit_of(path):
    """The name of the edit, and of the photograph."""
    *_, edit, name = path.split("/")
    return edit, name.split(".")[0]


def pairs_with_albums(base, of="out"):
    """{(edit, photograph): the pair of an edit with the photograph that it was made from}."""
    told = {}
    for row in table(base, "pairs", of):
        (edit_a, name_a), (edit_b, name_b) = map(edit_of, (row["path_a"], row["path_b"]))
        assert name_a == name_b, row
        if edit_a == "album":
            told[edit_b, name_b] = row
    return told


def test_every_edit_is_found_and_named(base, finished):
    told = pairs_with_albums(base)
    for edit, relation in RELATIONS.items():
        of_edit = [row for (name, _), row in told.items() if name == edit]
        assert len(of_edit) == len(PHOTOGRAPHS)
        assert {row["relation"] for row in of_edit} == {relation}, edit
        assert {row["method"] for row in of_edit} == {"combined"}
        assert all(row["score"] == row["inliers"] >= 12 for row in of_edit)
        assert {row["mirrored"] for row in of_edit} == {edit == "flip_horizontal"}
    equal = [row for (name, _), row in told.items() if name == "exact"]
    assert {(row["relation"], row["score"], row["inliers"]) for row in equal} == {("same_pixels", 400.0, None)}
    assert finished.counts["found"]["combined"]["removals"] == len(table(base, "removals")) > len(PHOTOGRAPHS)


def test_a_pair_says_which_side_is_which_and_how_one_lies_on_the_other(base, finished):
    told = pairs_with_albums(base)
    for name in (photograph.split(".")[0] for photograph in PHOTOGRAPHS):
        cropped, turned, half = (told[edit, name] for edit in ("crop_25", "rotate_90", "half_size"))
        assert cropped["derived"] == "b"
        assert cropped["overlap_a"] < 0.7 < 0.9 < cropped["overlap_b"] <= 1.0
        assert turned["degrees"] == pytest.approx(90, abs=2)
        assert half["transform"] == pytest.approx([0.5, 0, 0, 0, 0.5, 0], abs=0.02 * 512)
        assert half["transform"][0] == pytest.approx(0.5, abs=0.02)


def test_of_pictures_that_are_the_same_the_pixels_say_how_they_lie(base, finished):
    (smooth,) = (row for row in table(base, "pairs") if row["path_a"].endswith("smooth.bmp"))
    assert (smooth["path_b"].endswith("smooth.png"), smooth["verdict"]) == (True, "same")
    assert (smooth["relation"], smooth["inliers"], smooth["score"]) == ("same_pixels", None, 0.0)
    assert smooth["transform"] == [1, 0, 0, 0, 1, 0]
    same = [row for row in table(base, "pairs") if row["verdict"] == "same"]
    assert {(row["degrees"], row["mirrored"], row["overlap_a"], row["overlap_b"]) for row in same} == {(0, False, 1, 1)}


def test_evaluation_takes_the_threshold_of_the_search(spark, base, finished):
    read = read_tables(spark, Store(str(base / "out")), "combined")
    assert read.thresholds[-1] == 12
    assert {row["threshold"] for row in read.pairs.where("score = 0").collect()} == {12.0}


def test_duplicates_tell_it_of_both_sides(base, finished):
    told = {row["path"]: {each["path"]: each for each in row["duplicates"]} for row in table(base, "duplicates")}
    assert len(told) == len(table(base, "features", "out")) // 2
    pairs = {(row["path_a"], row["path_b"]): row for row in table(base, "pairs")}
    assert sum(map(len, told.values())) == 2 * len(pairs)
    for (path_a, path_b), row in pairs.items():
        of_a, of_b = told[path_a][path_b], told[path_b][path_a]
        assert of_a["relation"] == of_b["relation"] == row["relation"]
        assert (of_a["overlap_this"], of_a["overlap_other"]) == (row["overlap_a"], row["overlap_b"])
        assert (of_b["overlap_this"], of_b["overlap_other"]) == (row["overlap_b"], row["overlap_a"])
        sides = {"a": ("this", "other"), "b": ("other", "this"), None: (None, None)}
        assert (of_a["derived"], of_b["derived"]) == sides[row["derived"]]
        assert {of_a["inliers"], of_b["inliers"]} == {row["inliers"]}
        assert of_a["degrees"] == row["degrees"]
        assert of_b["degrees"] == (row["degrees"] if row["mirrored"] else -row["degrees"])


def test_json_tells_it_too(base, finished):
    found = json.loads((base / "out" / "duplicates.json").read_text())
    album = next(path for path in found if path.endswith("album/chelsea.png"))
    cropped = next(entry for entry in found[album] if "crop_25" in entry[0])
    assert cropped[2] == "similar"
    assert cropped[3]["relation"] == "cropped"
    assert cropped[3]["derived"] == "other"
    assert cropped[1] == cropped[3]["inliers"]


def test_pictures_with_nothing_to_find_are_no_duplicates_and_are_told_of(base, finished, lines):
    told = {row["path"]: row["duplicates"] for row in table(base, "duplicates")}
    assert [told[name] for name in ODD] == [[], [], []]
    assert "  3 pictures have no keypoints, and nothing in common with any" in lines
    counts = finished.counts["found"]["combined"]
    assert counts["flat"] + counts["proposed"]["orb"]["no_keypoints"] == len(ODD) + len(SMOOTH)
    assert counts["proposed"]["orb"]["common_codes"] == 0
    assert counts["candidates"] >= counts["content_pairs"] > 0
    assert sum(counts["relations"].values()) == counts["pairs"] - len(PHOTOGRAPHS)
    assert "geometry says: " in summary(finished)
    assert any("pairs to expect with 5 votes or more" in line for line in lines)


def test_the_pairs_of_a_hash_are_judged_and_what_was_named_may_go(spark, base, finished):
    run, gone = find(
        spark, base, "verified", method="phash", verify=True, max_distance_threshold=24, removals="same,mirrored"
    )
    rows = table(base, "pairs", "verified")
    relations = {(row["path_a"], row["path_b"]): row["relation"] for row in rows}
    verdicts = {(row["path_a"], row["path_b"]): row["verdict"] for row in rows}
    assert all(row["score"] <= 24 for row in rows)
    assert {"mirrored", "resized", "same_pixels"} <= set(relations.values())
    for row in gone:
        pair = tuple(sorted((row["path"], row["kept_path"])))
        assert verdicts[pair] == "same" or relations[pair] == "mirrored"
    assert any(verdicts[tuple(sorted((row["path"], row["kept_path"])))] == "similar" for row in gone)
    counts = run.counts["found"]["phash"]
    assert counts["proposed"]["phash"]["candidates"] == counts["candidates"] >= counts["content_pairs"] > 0


def test_proposals_that_could_not_be_compared_are_told_of(spark, base, finished):
    (base / "nothing").mkdir()
    run, _ = find(spark, base, "unread", method="combined", images=str(base / "nothing"))
    whole, counts = (one.counts["found"]["combined"] for one in (finished, run))
    assert (whole["unseen"], whole["unseen_proposals"]) == (0, 0)
    assert counts["unseen_proposals"] > 0
    assert f"{counts['unseen_proposals']:,}  more were proposed and could not be compared" in summary(run)


def test_a_relation_that_is_named_alone_takes_what_was_made_from_the_other(spark, base, finished):
    _, gone = find(spark, base, "cropped", method="combined", removals="cropped", keep="size:asc")
    assert {edit_of(row["path"])[0] for row in gone} == {"crop_25"}
    assert len(gone) == len(PHOTOGRAPHS)
    assert {row["reason"] for row in gone} == {"it is a crop"}
    assert all(edit_of(row["kept_path"])[0] != "crop_25" for row in gone)


def test_by_default_only_what_is_the_same_goes(base, finished):
    verdicts = {(row["path_a"], row["path_b"]): row["verdict"] for row in table(base, "pairs")}
    for row in table(base, "removals"):
        assert verdicts[tuple(sorted((row["path"], row["kept_path"])))] == "same"


def test_too_many_candidates_stop_a_run_before_geometry(spark, base, finished):
    with pytest.raises(LimitError, match=r"orb: .* pairs with 5 votes or more are more than the 2 that max_pairs"):
        find(spark, base, "limited", method="orb", max_pairs=2)


def test_more_than_geometry_is_to_judge_stops_a_run_and_says_how_long_it_would_take(spark, base, finished):
    told = (
        r"^phash: \d+ pairs .* take about 0\.0 hours of a core .* 2 that max_judged_pairs allows: make --max-distance-t"
    )
    with pytest.raises(LimitError, match=told):
        find(spark, base, "limited", method="phash", verify=True, max_judged_pairs=2)


def test_features_that_are_not_whole_or_not_of_every_image_are_refused(spark, base, finished):
    features = spark.read.parquet(str(base / "out" / "features"))

    def complaint(name, changed):
        changed.write.partitionBy("method").parquet(str(base / name / "features"))
        settings = FindSettings(output=str(base / "no"), features=str(base / name / "features"), method="combined")
        with pytest.raises((InputError, SettingsError)) as error:
            run_find(spark, settings, silent)
        return str(error.value)

    is_orb, is_red = F.col("method") == F.lit("orb"), F.col("path").endswith("red.png")
    cut = F.col("local").withField("descriptors", F.substring("local.descriptors", 1, 40))
    torn = features.withColumn(
        "local", F.when(is_orb & F.col("path").endswith("album/coffee.png"), cut).otherwise(F.col("local"))
    )
    assert "1 rows of the features" in (said := complaint("torn", torn))
    assert "have no whole local features, such as " in said
    unsized = features.withColumn("width", F.when(is_orb & is_red, F.lit(None)).otherwise(F.col("width")))
    assert "have no size in pixels, such as " in complaint("unsized", unsized)
    said = complaint("fewer", features.where(~(is_orb & is_red)))
    assert "different numbers of images (34 of orb, 35 of phash)" in said


def test_features_of_two_kinds_are_refused(spark, base, finished):
    features = spark.read.parquet(str(base / "out" / "features"))
    other = F.when(F.col("path").endswith("red.png"), F.lit("orb-other")).otherwise(F.col("fingerprint"))
    mixed = features.withColumn("fingerprint", F.when(F.col("method") == "orb", other).otherwise(F.col("fingerprint")))
    mixed.write.partitionBy("method").parquet(str(base / "mixed" / "features"))
    settings = FindSettings(output=str(base / "refused"), features=str(base / "mixed" / "features"), method="combined")
    with pytest.raises(SettingsError, match=r"the orb features were made in different ways"):
        run_find(spark, settings, silent)


def test_without_opencv_the_extra_is_named(spark, base, finished, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SettingsError, match=r"pip install 'dedup-core\[local\]'"):
        find(spark, base, "bare", method="phash", verify=True)
