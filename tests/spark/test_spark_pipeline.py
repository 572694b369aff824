import json
import shutil

import naive
import numpy as np
import pytest
from PIL import Image
from tables import pairs_of, rows_of

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus
from dedup_core.current import CURRENT
from dedup_core.encoders.encoder import encode_batch
from dedup_core.encoders.hashes import to_hex
from dedup_core.encoders.registry import ENCODERS
from dedup_core.errors import InputError, LimitError, SettingsError
from dedup_core.ledger import MARKER
from dedup_core.methods import PHash
from dedup_core.settings.settings import EncodeSettings, FindSettings, PipelineSettings
from dedup_core.spark.pipeline import run_encode, run_find, run_pipeline
from dedup_core.spark.runs import Run
from dedup_core.spark.search.exports import stale_exports
from dedup_core.spark.store import Store
from dedup_core.spark.summary import summary

HASHES = ("phash", "ahash", "dhash", "whash")
TABLES = ("features", "failures", "pairs", "duplicates", "groups", "removals")


def silent(_line):
    """Nobody watches."""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A small corpus of real photographs: copies, edits and two broken files."""
    folder = tmp_path_factory.mktemp("corpus") / "images"
    make_corpus(installed_photographs()[:6], [EDITS[name] for name in ("half_size", "crop_2", "gray")], folder)
    add_broken_files(folder)
    return folder


@pytest.fixture(scope="module")
def codes(images):
    """What the plain functions make of the same files: {method: {path: code}}."""
    paths = [path for path in images.rglob("*") if path.is_file() and "broken" not in path.parts]
    encoded = encode_batch((path.read_bytes() for path in paths), [ENCODERS[name].encoder() for name in HASHES])
    names = [path.relative_to(images).as_posix() for path in paths]
    return {m: {n: int(e.features[m]) for n, e in zip(names, encoded, strict=True)} for m in HASHES}


def pipeline(spark, images, output, **others):
    settings = {"input": str(images), "output": str(output), "report": False}  # it has tests of its own
    return run_pipeline(spark, PipelineSettings(**settings | others), silent)


@pytest.fixture(scope="module")
def finished(spark, images, tmp_path_factory):
    """The pipeline's output for two methods over one decode, with what can be removed by imagededup's rule."""
    output = tmp_path_factory.mktemp("out")
    run = pipeline(spark, images, output, method="phash,dhash", removals="similar", scores=True, report=True)
    return run, output


@pytest.mark.every_spark
@pytest.mark.parametrize("method", ["phash", "dhash"])
def test_every_table_agrees_with_the_oracle(spark, finished, codes, method):
    _, output = finished
    of_method = codes[method]
    pairs = naive.path_pairs(of_method, 10)
    removed, connected = naive.greedy_removals(of_method, pairs), naive.connected(pairs)

    def table(name):
        return spark.read.parquet(f"{output}/{name}").where(f"method = '{method}'")

    features = table("features").collect()
    assert {row["path"]: to_hex(row["hash"]) for row in features} == {
        path: to_hex(code) for path, code in of_method.items()
    }
    assert pairs_of(table("pairs")) == pairs
    assert {row["path"]: row["kept_path"] for row in table("removals").collect()} == removed
    assert {row["path"]: (row["group_id"], row["keep"]) for row in table("groups").collect()} == {
        path: (root, path not in removed) for path, root in connected.items()
    }
    for row in table("duplicates").collect():
        mine = [(d, b if a == row["path"] else a) for (a, b), d in pairs.items() if row["path"] in (a, b)]
        assert [(item["score"], item["path"]) for item in row["duplicates"]] == sorted(mine)
    assert table("duplicates").count() == len(of_method)


@pytest.mark.every_spark
def test_the_exports_say_the_same_as_the_tables(finished, codes):
    _, output = finished
    pairs = naive.path_pairs(codes["phash"], 10)
    exported = json.loads((output / "duplicates_phash.json").read_text())
    assert {(a, b): d for a, found in exported.items() for b, d in found if a < b} == pairs
    assert list(exported) == sorted(codes["phash"])
    removed = json.loads((output / "to_remove_dhash.json").read_text())
    assert removed == sorted(naive.greedy_removals(codes["dhash"], naive.path_pairs(codes["dhash"], 10)))


@pytest.mark.every_spark
def test_what_failed_is_a_row_with_a_reason(spark, finished):
    run, output = finished
    failures = {row["path"]: row["reason"] for row in spark.read.parquet(f"{output}/failures").collect()}
    assert failures == {"broken/cut-short.jpg": "truncated", "broken/not-an-image.png": "not_an_image"}
    assert run.counts["seen"] == run.counts["encoded"] + 2


@pytest.mark.every_spark
def test_the_record_closes_the_run_and_nothing_is_left_behind(finished):
    run, output = finished
    record = json.loads((output / "runs" / f"{run.run_id}.json").read_text())
    assert record["settings"]["method"] == ["phash", "dhash"]
    assert record["counts"]["found"]["phash"]["pairs"] == run.counts["found"]["phash"]["pairs"] > 0
    assert set(record["seconds"]) == {"encode", "search", "verify", "group", "write", "publish"}
    assert {"spark", "numpy", "Pillow", "jpeg_of_driver"} <= set(record["versions"])
    assert not (output / "_staging").exists()
    assert "album/astronaut.png" in (output / "report" / "index.html").read_text()


def test_a_fast_decode_finds_the_same_copies_and_what_is_removed_is_proved_by_all_pixels(
    spark, finished, images, tmp_path
):
    _, output = finished
    settings = PipelineSettings(input=str(images), output=str(tmp_path), method="phash", decode="fast", report=False)
    run = run_pipeline(spark, settings, silent)
    rows = spark.read.parquet(f"{tmp_path}/features").collect()
    assert {row["fingerprint"] for row in rows} == {"phash-64-v2+fast"}
    assert any(row["look"] is None for row in rows if row["format"] == "JPEG")
    assert run.counts["found"]["phash"]["same"] > 0
    exact = {
        (row["path_a"], row["path_b"])
        for row in spark.read.parquet(f"{output}/pairs").where("verdict = 'same'").collect()
    }
    fast = {
        (row["path_a"], row["path_b"])
        for row in spark.read.parquet(f"{tmp_path}/pairs").where("verdict = 'same'").collect()
    }
    assert fast <= exact


def test_the_summary_tells_an_earlier_runs_report_from_its_own(spark, finished):
    run, output = finished
    assert f"Report   {output}/report/index.html\n" in summary(run)
    later = Run(spark, run.store, run.settings, silent, run.source)
    assert f"Report   {output}/report/index.html (of an earlier run: jobs/report.py makes it anew)" in summary(later)


def test_the_two_halves_give_the_tables_of_the_whole(spark, finished, images, tmp_path):
    _, output = finished
    run_encode(spark, EncodeSettings(input=str(images), output=str(tmp_path), images_per_task=9), silent)
    run_find(spark, FindSettings(output=str(tmp_path), chunk_codes=9, removals="similar", scores=True), silent)
    for table in TABLES:
        of_phash = "" if table == "failures" else "/method=phash"
        assert rows_of(spark, tmp_path, table + of_phash) == rows_of(spark, output, table + of_phash)
    assert (tmp_path / "duplicates.json").read_text() == (output / "duplicates_phash.json").read_text()


def test_lists_of_a_method_stay_while_its_tables_do(tmp_path):
    forms = ("duplicates", "to_remove")
    names = [f"{form}{suffix}.json" for form in forms for suffix in ("", "_phash", "_dhash")]
    for name in (*names, "duplicates_of_mine.txt", "labels.json"):
        (tmp_path / name).write_text("{}")
    store = Store(str(tmp_path))
    assert sorted(set(names).difference(stale_exports(store, ["phash"]))) == [f"{form}_dhash.json" for form in forms]
    assert sorted(stale_exports(store)) == sorted(names)


def test_a_crashed_run_goes_on_where_it_stopped(spark, images, tmp_path, monkeypatch):
    from dedup_core.spark.encode import checkpoints

    monkeypatch.setattr(checkpoints, "TASKS_A_CORE", 3)  # a crash among 32 images needs small parts: 12 on two cores
    settings = EncodeSettings(input=str(images), output=str(tmp_path), images_per_task=2, checkpoint_seconds=0.01)

    class PulledPlugError(Exception):
        pass

    def pull_the_plug(line):
        if " 12 of" in line:
            raise PulledPlugError

    with pytest.raises(PulledPlugError):
        run_encode(spark, settings, pull_the_plug)
    assert not (tmp_path / "features").exists()

    lines = []
    run = run_encode(spark, settings, lines.append)
    assert run.counts["encoded"] == 30
    assert int(lines[-1].split(" of ")[1].split()[0]) < run.counts["seen"], "what was saved is not encoded again"


def test_a_second_run_encodes_only_what_is_new_or_changed(spark, images, tmp_path):
    folder = shutil.copytree(images, tmp_path / "images")
    settings = EncodeSettings(input=str(folder), output=str(tmp_path / "out"))
    first = run_encode(spark, settings, silent)
    (folder / "album" / "astronaut.png").unlink()
    shutil.copyfile(folder / "album" / "brick.png", folder / "album" / "new.png")
    Image.new("RGB", (50, 50), "red").save(folder / "album" / "camera.png")

    second = run_encode(spark, settings, silent)
    assert (first.counts["encoded"], first.counts["reused"]) == (30, 0)
    assert (second.counts["encoded"], second.counts["reused"]) == (30, 28)
    run_encode(spark, settings.model_copy(update={"output": str(tmp_path / "fresh")}), silent)
    assert rows_of(spark, tmp_path / "out", "features") == rows_of(spark, tmp_path / "fresh", "features")


def test_hundreds_of_copies_stay_linear_in_groups_and_removals(spark, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    original = folder / 'it is "quoted" ].png'
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(original)
    for number in range(1, 300):
        shutil.copyfile(original, folder / f"{number:04d}.png")
    run = pipeline(spark, folder, tmp_path / "out", method="ahash", scores=True)
    hub = {"group_id": "0001.png", "images": 300, "codes": 1, "removals": 299, "reason": "their files are equal"}
    assert run.counts["found"]["ahash"] == {
        "images": 300,
        "codes": 1,
        "pairs": 44_850,
        "content_pairs": 0,
        "listed": 44_850,
        "same": 44_850,
        "similar": 0,
        "unseen": 0,
        "groups": 1,
        "in_groups": 300,
        "removals": 299,
        "flat": 0,
        "most_copies": 300,
        "hubs": [hub],
    }


def test_no_duplicates_is_a_result_like_any_other(spark, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(folder / "0.png")
    run = pipeline(spark, folder, tmp_path / "out")
    names = "pairs", "content_pairs", "listed", "same", "similar", "unseen", "groups", "in_groups", "removals", "flat"
    nothing = dict.fromkeys((*names, "most_copies"), 0)
    assert run.counts["found"]["phash"] == {"images": 1, "codes": 1, "hubs": []} | nothing
    assert json.loads((tmp_path / "out" / "duplicates.json").read_text()) == {"0.png": []}
    assert json.loads((tmp_path / "out" / "to_remove.json").read_text()) == []
    assert rows_of(spark, tmp_path / "out", "pairs") == []


def test_a_folder_without_images_is_named_and_its_files_are_failures(spark, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "note.txt").write_text("text")
    with pytest.raises(InputError, match=r"none of the 1 files in .*notes could be encoded: 1 not an image"):
        pipeline(spark, folder, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_staging", CURRENT, MARKER, "failures"]
    assert [row["path"] for row in spark.read.parquet(f"{tmp_path}/out/failures").collect()] == ["note.txt"]


def test_more_failures_than_allowed_stop_the_run(spark, images, tmp_path):
    with pytest.raises(InputError, match=r"2 of 32 images failed .* the share of 0\.01 .*which: .*/failures"):
        pipeline(spark, images, tmp_path / "out", max_failed_share=0.01)
    assert not (tmp_path / "out" / "features").exists()
    failures = {row["path"]: row["reason"] for row in spark.read.parquet(f"{tmp_path}/out/failures").collect()}
    assert failures == {"broken/cut-short.jpg": "truncated", "broken/not-an-image.png": "not_an_image"}


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_stops_leaves_the_tables_of_another_input_whole(spark, images, tmp_path):
    out = tmp_path / "out"
    run_encode(spark, EncodeSettings(input=str(images / "album"), output=str(out)), silent)
    before = files_of(out)
    settings = EncodeSettings(input=str(images), output=str(out), overwrite=True, max_failed_share=0)
    with pytest.raises(
        InputError, match=rf"2 of 32 images failed .*\(which: the table {out}/runs/.*\.failures\)$"
    ) as told:
        run_encode(spark, settings, silent)
    failures = spark.read.parquet(str(told.value).rpartition(" ")[2].rstrip(")"))
    assert failures.count() == 2
    after = files_of(out)
    assert after | before == after | {MARKER: before[MARKER]}, "no file of theirs was changed"
    added = {name.split("/")[0] for name in after.keys() - before.keys()}
    assert added == {"runs", "_staging"}


def test_lists_that_grow_too_large_go_and_come_back(spark, tmp_path):
    phash, table = PHash(verbose=False), tmp_path / "features"
    settings = FindSettings(output=str(tmp_path), max_export_images=2, removals="similar")
    nights = []
    for names in ("ab", "abc", "bc"):
        phash.save_encodings(dict.fromkeys(names, "f" * 16), table, overwrite=True)
        run_find(spark, settings, silent)
        lists = [tmp_path / "duplicates.json", tmp_path / "to_remove.json"]
        nights.append([json.loads(path.read_text()) for path in lists if path.exists()])
    assert nights == [[{"a": ["b"], "b": ["a"]}, ["b"]], [], [{"b": ["c"], "c": ["b"]}, ["c"]]]


def test_more_pairs_than_allowed_stop_the_run_before_the_search_and_leave_the_features(spark, images, tmp_path):
    job = f"jobs/find_duplicates.py --output {tmp_path}/out --method ahash,dhash with such"
    with pytest.raises(LimitError, match=rf"max_pairs.*The features are in {tmp_path}/out/features: {job}"):
        pipeline(spark, images, tmp_path / "out", method="ahash,dhash", max_pairs=3)
    assert not (tmp_path / "out" / "pairs").exists()
    again = FindSettings(output=str(tmp_path / "out"), method="dhash", max_distance_threshold=0)
    assert run_find(spark, again, silent).counts["found"]["dhash"]["pairs"] > 0


def test_the_tables_of_another_input_are_not_overwritten_unless_asked(spark, images, tmp_path):
    other = shutil.copytree(images / "album", tmp_path / "other")
    run_encode(spark, EncodeSettings(input=str(other), output=str(tmp_path / "out"), method="phash,ahash"), silent)
    settings = EncodeSettings(input=str(images), output=str(tmp_path / "out"))
    with pytest.raises(SettingsError, match=r"already holds the tables of run .*--overwrite"):
        run_encode(spark, settings, silent)
    run = run_encode(spark, settings.model_copy(update={"overwrite": True}), silent)
    assert spark.read.parquet(f"{tmp_path}/out/features").count() == run.counts["encoded"] == 30


def test_a_manifest_goes_all_the_way_and_what_it_misnames_is_a_failure(spark, images, tmp_path):
    names = sorted(path.relative_to(images.parent).as_posix() for path in (images / "album").iterdir())
    (images.parent / "list.csv").write_text('path\n"images/it is ""gone"".png"\n' + "\n".join(names) + "\n")
    settings = EncodeSettings(input=str(images.parent / "list.csv"), output=str(tmp_path / "out"))
    run = run_encode(spark, settings, silent)
    assert (run.counts["seen"], run.counts["encoded"], run.counts["failed"]) == (7, 6, {"vanished": 1})
    failures = spark.read.parquet(f"{tmp_path}/out/failures").collect()
    assert [row["path"] for row in failures] == ['images/it is "gone".png']


def test_a_link_to_nowhere_and_a_locked_folder_are_failures(spark, images, tmp_path):
    folder = shutil.copytree(images / "album", tmp_path / "images")
    (folder / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    run = run_encode(spark, EncodeSettings(input=str(folder), output=str(tmp_path / "out")), silent)
    assert (run.counts["encoded"], run.counts["failed"]) == (6, {"vanished": 1})


def test_a_publication_that_was_cut_short_is_mended_by_the_next_run(spark, images, tmp_path, monkeypatch):
    settings = EncodeSettings(input=str(images), output=str(tmp_path))
    run_encode(spark, settings, silent)
    exchange, done = Store.exchange, []

    def cut_short(store, one, other):
        if done:
            raise OSError("power cut")
        done.append(other)
        return exchange(store, one, other)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "exchange", cut_short)
        with pytest.raises(OSError, match="power cut"):
            run_encode(spark, settings, silent)
    assert Store(str(tmp_path)).read_current().pending is not None
    said = []
    run = run_encode(spark, settings, said.append)
    assert said[0] == "An earlier run was cut short while it published: its tables are in place now"
    assert run.counts["encoded"] == spark.read.parquet(f"{tmp_path}/features").count() == 30
    assert spark.read.parquet(f"{tmp_path}/failures").count() == 2


def test_limits_hold_for_features_of_an_earlier_run_too(spark, images, tmp_path):
    settings = EncodeSettings(input=str(images / "album"), output=str(tmp_path / "out"))
    run_encode(spark, settings, silent)
    run = run_encode(spark, settings.model_copy(update={"max_pixels": 263_000}), silent)
    assert run.counts["failed"]["too_many_pixels"] == run.counts["seen"] - run.counts["encoded"] > 0


def test_an_output_inside_the_input_is_refused(spark, images):
    with pytest.raises(SettingsError, match="lies inside the input"):
        pipeline(spark, images, images / "out")


def test_an_output_that_can_not_be_written_is_refused(spark, images, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="can't write to the output folder"):
        pipeline(spark, images, tmp_path / "file" / "out")


def test_features_that_are_missing_are_named(spark, finished, tmp_path):
    with pytest.raises(InputError, match=r"there is no features table at .*: run jobs/encode\.py first"):
        run_find(spark, FindSettings(output=str(tmp_path)), silent)
    _, output = finished
    with pytest.raises(SettingsError, match="no whash features: the table has dhash, phash"):
        run_find(spark, FindSettings(output=str(tmp_path), features=f"{output}/features", method="whash"), silent)


def test_the_hashes_and_maps_are_imagededups(spark, shared, tmp_path):
    golden = json.loads((shared / "golden" / "hashes.json").read_text())
    maps = json.loads((shared / "golden" / "duplicates.json").read_text())
    mixed = shared / "data" / "imagededup_fixtures" / "mixed_images"
    methods = ("phash", "whash")
    pipeline(spark, mixed, tmp_path, method=methods, max_distance_threshold=20, scores=True)
    rows = spark.read.parquet(f"{tmp_path}/features").collect()
    place = "data/imagededup_fixtures/mixed_images"
    assert {(f"{place}/{row['path']}", row["method"]): to_hex(row["hash"]) for row in rows} == {
        (path, method): golden[path][method] for path in golden if path.startswith(place) for method in methods
    }
    for method in methods:
        ours = json.loads((tmp_path / f"duplicates_{method}.json").read_text())
        assert {path: sorted(found) for path, found in ours.items()} == maps[f"mixed_images/{method}/20"]
