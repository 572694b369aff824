"""Verdicts in Spark are those of the verifier on the files, and only what is the same goes for what stays."""

import importlib
import json
import shutil

import naive
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shelf import DRAWINGS, Shelf, make_shelf
from tables import rows_of

from dedup_core.errors import LimitError
from dedup_core.settings.settings import FindSettings, PipelineSettings
from dedup_core.spark.pipeline import run_find, run_pipeline
from dedup_core.spark.search.hubs import most_alike
from dedup_core.spark.session import setting
from dedup_core.spark.summary import summary
from dedup_core.verify.looks import LOSSLESS_LIMIT

DEFAULT_ORDER = ("resolution", "size", "path")
FOUND = ("pairs", "duplicates", "groups", "removals")
SEEN_FROM_AFAR = 32


def silent(_line):
    """Nobody watches."""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("verdicts")


@pytest.fixture(scope="module")
def shelf(base):
    return Shelf(make_shelf(base / "images"))


@pytest.fixture(scope="module")
def finished(spark, base, shelf):
    """A run by the defaults over the shelf; its images then move elsewhere."""
    settings = {"input": str(shelf.folder), "output": str(base / "out"), "report": False, "verdicts": True}
    run = run_pipeline(spark, PipelineSettings(**settings), silent)
    assert shelf.verdicts  # read before they move
    shelf.folder.rename(base / "moved")
    return run


def find(spark, base, name, say=silent, **others):
    settings = {"output": str(base / name), "features": str(base / "out" / "features"), "verdicts": True}
    return run_find(spark, FindSettings(**settings | others), say)


def table(base, name, of="out"):
    return pq.read_table(base / of / name).to_pylist()


def removals(base, of="out"):
    return {row["path"]: row["kept_path"] for row in table(base, "removals", of)}


def pairs(base, of="out"):
    return {(row["path_a"], row["path_b"]): row for row in table(base, "pairs", of)}


def same_in(found):
    return {pair for pair, row in found.items() if row["verdict"] == "same"}


def test_every_pair_has_the_verdict_of_its_files(base, shelf, finished):
    found = pairs(base)
    assert {pair: row["score"] for pair, row in found.items()} == shelf.pairs
    assert {pair: row["verdict"] for pair, row in found.items()} == {
        pair: verdict.verdict for pair, verdict in shelf.verdicts.items()
    }
    assert finished.counts["found"]["phash"]["same"] == len(shelf.same) > 30
    assert finished.counts["found"]["phash"]["similar"] == len(shelf.pairs) - len(shelf.same) > 30


def test_what_a_verdict_rests_on_is_told(base, shelf, finished):
    by_pixels = {pair: row for pair, row in pairs(base).items() if row["level"] not in (None, SEEN_FROM_AFAR)}
    assert len(by_pixels) > 20
    for pair, row in by_pixels.items():
        told = shelf.verdicts[pair]
        assert (row["difference"], row["level"]) == (told.difference, told.level), pair
        assert row["tile"] == pytest.approx(told.tile), pair
    frames = {path: each.traits.frames for path, each in shelf.encoded.items()}
    refuted = [row for row in pairs(base).values() if row["level"] == SEEN_FROM_AFAR]
    alike = [row for row in refuted if frames[row["path_a"]] == frames[row["path_b"]]]
    assert 0 < len(alike) < len(refuted)
    assert all(row["difference"] > LOSSLESS_LIMIT and len(row["tile"]) == 4 for row in alike)
    assert all(pairs(base)[pair]["difference"] == 0.0 for pair in shelf.equal)


def test_what_could_go_is_the_same_as_what_stays(base, shelf, finished):
    gone = removals(base)
    assert gone == naive.removals_by(DEFAULT_ORDER, shelf.facts, shelf.same)
    assert finished.counts["found"]["phash"]["removals"] == len(gone) > 20
    assert not gone.keys() & set(gone.values())
    assert {tuple(sorted(each)) for each in gone.items()} <= same_in(pairs(base))
    assert json.loads((base / "out" / "to_remove.json").read_text()) == sorted(gone)


def test_a_picture_that_was_only_made_larger_goes(base, finished):
    told = {row["path"]: row for row in table(base, "removals")}["enlarged/photo_0.png"]
    assert told["kept_path"] == "exact/photo_0.png"
    assert told["reason"] == "300 x 240; 600 x 480 is a smaller picture, made larger"


def test_flat_pictures_are_duplicates_where_their_pixels_are_equal(base, shelf, finished):
    flat = [pair for pair in pairs(base) if shelf.flat.intersection(pair)]
    assert flat == [("flat/also-red.bmp", "flat/red.png")]
    assert finished.counts["caution"]["flat"] == finished.counts["found"]["phash"]["flat"] == len(shelf.flat)
    assert f"{len(shelf.flat)}  are of nearly one colour: only equal pixels make them duplicates" in summary(finished)


def test_drawings_that_are_black_beneath_are_a_hub_and_none_goes_but_copies(base, shelf, finished):
    of_art = {path: kept for path, kept in removals(base).items() if path.startswith("art/")}
    assert of_art == {"art/03.png": "art/03-again.png", "art/05-anew.webp": "art/05.png"}
    (hub,) = finished.counts["found"]["phash"]["hubs"]
    assert (hub["group_id"], hub["images"], hub["removals"]) == ("art/00.png", DRAWINGS + 2, 2)
    assert "most are transparent" in hub["reason"]
    assert f"images are one group, around art/00.png: {hub['reason']} (2 could be removed)" in summary(finished)


def test_letters_with_one_cover_are_similar_and_one_saved_anew_is_the_same(base, finished):
    found = {pair: row["verdict"] for pair, row in pairs(base).items() if pair[0].startswith("letters/")}
    assert len(found) == 6
    assert [pair for pair, verdict in found.items() if verdict == "same"] == [("letters/a-anew.tif", "letters/a.tif")]


def test_a_group_knows_its_loosest_pair(base, shelf, finished):
    group_of = naive.connected(shelf.pairs)
    loosest = {}
    for (a, _), score in shelf.pairs.items():
        loosest[group_of[a]] = max(score, loosest.get(group_of[a], 0))
    found = {row["path"]: (row["group_id"], row["loosest_score"]) for row in table(base, "groups")}
    assert found == {path: (root, loosest[root]) for path, root in group_of.items()}


def test_the_export_gives_the_verdicts_where_they_are_asked_for(base, shelf, finished):
    exported = json.loads((base / "out" / "duplicates.json").read_text())
    told = {(a, b): verdict for a, found in exported.items() for b, verdict in found if a < b}
    assert told == {pair: verdict.verdict for pair, verdict in shelf.verdicts.items()}


def test_images_that_moved_are_found_again_and_no_partition_changes_anything(spark, base, finished, monkeypatch):
    module = importlib.import_module("dedup_core.spark.verify.verdicts")
    monkeypatch.setattr(module, "_BLOCK_LOOKS", 3)
    monkeypatch.setattr(module, "_BLOCK_IMAGES", 2)
    with setting(spark, "spark.sql.shuffle.partitions", "5"):
        find(spark, base, "again", images=str(base / "moved"))
    for name in FOUND:
        assert rows_of(spark, base / "again", name) == rows_of(spark, base / "out", name)


def test_without_the_images_equal_files_alone_are_the_same(spark, base, shelf, finished):
    said = []
    run = find(spark, base, "unseen", said.append)
    assert any("can't be read again, so that only equal files are the same: name their folder" in line for line in said)
    found = pairs(base, "unseen")
    assert found.keys() == shelf.pairs.keys()
    assert same_in(found) == shelf.equal
    facts = {path: known | {"resolution": shelf.encoded[path].width} for path, known in shelf.facts.items()}
    assert removals(base, "unseen") == naive.removals_by(DEFAULT_ORDER, facts, shelf.equal)
    counts = run.counts["found"]["phash"]
    refuted = {pair for pair, row in found.items() if row["level"] == SEEN_FROM_AFAR}  # by looks: no image is read
    assert (counts["same"], counts["unseen"]) == (len(shelf.equal), len(shelf.pairs) - len(shelf.equal | refuted))


def test_an_image_that_is_gone_is_told_of(spark, base, finished):
    shutil.copytree(base / "moved", base / "fewer")
    gone, changed = "jpeg_85/photo_0.jpg", "jpeg_85/forms_0.jpg"
    (base / "fewer" / gone).unlink()
    (base / "fewer" / changed).write_bytes(b"another file")
    run = find(spark, base, "in-part", images=str(base / "fewer"))
    whole, found = pairs(base), pairs(base, "in-part")
    lost = {pair for pair, row in found.items() if row["verdict"] != whole[pair]["verdict"]}
    assert all({gone, changed} & {*pair} for pair in lost)
    assert {end for pair in lost for end in pair} > {gone, changed}
    unseen = run.counts["found"]["phash"]["unseen"]
    assert unseen >= len(lost)
    assert f"are similar: for a person to look at ({unseen:,} could not be compared by pixels)" in summary(run)
    assert finished.counts["found"]["phash"]["unseen"] == 0
    assert "could not be compared" not in summary(finished)


def test_by_the_other_rule_a_hub_is_spared_and_stars_hold_what_goes_for_one(spark, base, shelf, finished):
    found = find(spark, base, "loose", images=str(base / "moved"), removals="similar", group_by="star")
    group_of = naive.connected(shelf.pairs)
    size = {root: list(group_of.values()).count(root) for root in group_of.values()}
    most = most_alike(len(shelf.contents))
    edges = {pair for pair in shelf.pairs if pair in shelf.same or size[group_of[pair[0]]] <= most}
    gone = naive.removals_by(("path",), shelf.facts, edges)
    assert removals(base, "loose") == gone
    assert len(gone) > len(removals(base)), "what is similar goes too, where a group is no hub"
    stars = {kept: {kept, *(path for path in gone if gone[path] == kept)} for kept in gone.values()}
    expected = {path: (min(star), len(star), path == kept) for kept, star in stars.items() for path in star}
    rows = table(base, "groups", "loose")
    assert {row["path"]: (row["group_id"], row["group_size"], row["keep"]) for row in rows} == expected
    assert found.counts["found"]["phash"]["groups"] == len(stars)


def test_pairs_of_flat_pictures_count_towards_the_limit(spark, base, shelf, finished):
    with pytest.raises(
        LimitError, match=f"the search found {len(shelf.pairs)} pairs, more than the {len(shelf.pairs) - 1}"
    ):
        find(spark, base, "limited", max_pairs=len(shelf.pairs) - 1)


def test_images_in_the_rows_of_a_table_are_verified_too_as_they_look_on_grey(spark, base, shelf, finished, tmp_path):
    opaque = {name for name in shelf.contents if "photo_1" in name or name.startswith("letters/")}
    names = sorted(opaque | {name for name in shelf.contents if name.startswith(("art/", "seal/"))})
    stars = ["10" if name == "halved/photo_1.png" else "9" for name in names]
    columns = {"path": names, "content": [shelf.contents[name] for name in names], "stars": stars}
    pq.write_table(pa.table(columns), tmp_path / "images.parquet")
    settings = {"input": str(tmp_path / "images.parquet"), "output": str(tmp_path / "out"), "report": False}
    run = run_pipeline(spark, PipelineSettings(**settings, keep="stars:desc,size", transparency="grey"), silent)
    found = {pair: row["verdict"] for pair, row in pairs(tmp_path).items()}
    expected = {pair: each.verdict for pair, each in shelf.verdicts.items() if opaque.issuperset(pair)}
    drawn = {("art/03-again.png", "art/03.png"), ("art/05-anew.webp", "art/05.png")}
    assert found == expected | dict.fromkeys(drawn | {("seal/on-black.png", "seal/on-white.png")}, "same")
    assert run.counts["found"]["phash"]["hubs"] == []
    gone = {row["path"]: (row["kept_path"], row["reason"]) for row in table(tmp_path, "removals")}
    assert gone["photo_1.png"] == ("halved/photo_1.png", "stars 10 instead of 9")
