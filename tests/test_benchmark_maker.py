"""A benchmark of one's own: its images, and the truth in three forms that say the same."""

import csv
import io
import json
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from album import make_album
from PIL import Image

from dedup_core.corpus.benchmark import ALL, DRAWN, PLAIN, Shown, edit_of, kind_of, make_benchmark
from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.kinds import KINDS, MAX_PICTURES
from dedup_core.corpus.plain_copies import PLAIN_COPIES
from dedup_core.errors import InputError, SettingsError
from dedup_core.images.decoding import decode
from dedup_core.images.picture import Picture

ROOT = Path(__file__).parents[1]
MADE = ("half_size", "noise", "crop_10")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of three pictures."""
    folder = make_album(tmp_path_factory.mktemp("album"))
    for name in ("beach-copy.png", "beach-small.jpg", "empty.jpg", "note.png"):
        (folder / name).unlink()
    return folder


@pytest.fixture(scope="module")
def made(photographs, tmp_path_factory):
    return make_benchmark(photographs, tmp_path_factory.mktemp("benchmark"), MADE, seed=3)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A benchmark of every kind that is drawn, made by the plain copies."""
    return make_benchmark(None, tmp_path_factory.mktemp("drawn"), shown=Shown((DRAWN,), 6))


@pytest.fixture(scope="module")
def mixed(photographs, tmp_path_factory):
    """Photographs and drawn pictures in one benchmark."""
    return make_benchmark(
        photographs, tmp_path_factory.mktemp("mixed"), ("blur", PLAIN), shown=Shown(("icons", "photographs", "flat"), 7)
    )


def rows_of(made):
    return rows_of_folder(made.folder)


def rows_of_folder(folder):
    with (folder / "ground_truth_labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def check_forms(made):
    """The three forms of the truth say the same, each about all images and no other."""
    truth = json.loads((made.folder / "ground_truth.json").read_text())
    pairs = pq.read_table(made.folder / "ground_truth_pairs.parquet").to_pylist()
    labels = {row["path"]: row["label"] for row in rows_of(made)}
    files = {path.relative_to(made.folder / "images").as_posix() for path in (made.folder / "images").rglob("*.*")}
    assert list(labels) == list(truth) == sorted(files)
    assert truth == {a: [b for b in truth if b != a and labels[a] == labels[b]] for a in truth}
    assert {(row["path_a"], row["path_b"]) for row in pairs} == {(a, b) for a in truth for b in truth[a] if a < b}
    assert (len(pairs), len(truth)) == (made.pairs, made.images)


def test_every_photograph_has_its_copies_and_they_decode(made):
    files = [path for path in (made.folder / "images").rglob("*") if path.is_file()]
    assert len(files) == made.images == 3 * (2 + len(MADE))
    assert all(isinstance(decode(path.read_bytes()), Picture) for path in files)


def test_the_three_forms_of_the_truth_agree(made):
    check_forms(made)
    rows = rows_of(made)
    assert list(rows[0]) == ["path", "label", "edit", "kind"]
    assert all(row["label"].startswith("album/") for row in rows)
    assert {row["edit"] for row in rows} == {"original", "exact", *MADE}
    assert {row["kind"] for row in rows} == {"photographs"}


def test_the_same_seed_gives_the_same_files(made, photographs, tmp_path):
    again = make_benchmark(photographs, tmp_path / "same", MADE, seed=3)
    other = make_benchmark(photographs, tmp_path / "other", MADE, seed=4)
    paths = [path.relative_to(made.folder) for path in made.folder.rglob("*") if path.is_file()]
    assert all((made.folder / path).read_bytes() == (again.folder / path).read_bytes() for path in paths)
    changed = {edit_of(path.relative_to("images").as_posix()) for path in paths if path.parts[0] == "images"
               and (made.folder / path).read_bytes() != (other.folder / path).read_bytes()}  # fmt: skip
    assert changed == {"noise", "crop_10"}


def test_all_edits_are_made_unless_some_are_named(photographs, tmp_path):
    one = tmp_path / "one"
    one.mkdir()
    (one / "beach.png").write_bytes((photographs / "beach.png").read_bytes())
    made = make_benchmark(one, tmp_path / "out", (ALL,))
    assert made.edits == tuple(EDITS)
    assert made.images == 2 + len(EDITS)


def test_the_truth_about_drawn_pictures_and_about_both_agrees_too(drawn, mixed):
    for made in (drawn, mixed):
        check_forms(made)
        assert all(row["kind"] == kind_of(row["path"]) for row in rows_of(made))
        assert all(kind_of(row["label"]) == row["kind"] for row in rows_of(made))
    assert {row["kind"] for row in rows_of(drawn)} == set(KINDS) == set(drawn.kinds)
    assert Counter(row["kind"] for row in rows_of(drawn) if row["edit"] == "original") == dict.fromkeys(KINDS, 6)
    assert {row["kind"] for row in rows_of(mixed)} == {"photographs", "icons", "flat"}


def opened(made, path):
    return Image.open(io.BytesIO((made.folder / "images" / path).read_bytes()))


def test_a_copy_that_loses_what_it_shows_is_a_picture_of_its_own(drawn):
    alone = Counter()
    for row in rows_of(drawn):
        assert Path(row["label"]).stem == Path(row["path"]).stem
        if row["label"] == row["path"]:
            alone[row["kind"], row["edit"]] += 1
        elif row["edit"] in KINDS[row["kind"]].lossy:
            assert opened(drawn, row["path"]).tobytes() == opened(drawn, row["label"]).tobytes()
        else:
            assert edit_of(row["label"]) == "original"
    lossy = {(kind.name, name) for kind in KINDS.values() for name in kind.lossy}
    assert set(alone) == {*lossy, *((kind, "original") for kind in KINDS)}


def test_images_that_are_no_copies_of_each_other_show_different_things(drawn, mixed):
    for made in (drawn, mixed):
        labels = defaultdict(set)
        for row in rows_of(made):
            image = opened(made, row["path"])
            labels[image.size, image.convert("RGBA").tobytes()].add(row["label"])
        assert [several for several in labels.values() if len(several) > 1] == []


def test_photographs_are_the_same_beside_others(mixed, photographs, tmp_path):
    alone = make_benchmark(photographs, tmp_path, ("blur", PLAIN))
    assert alone.edits == mixed.edits == ("blur", "lossless", "jpeg_85", "halved")
    for row in rows_of(alone):
        path = Path("images", row["path"])
        assert (alone.folder / path).read_bytes() == (mixed.folder / path).read_bytes()
    assert alone.images == 3 * (1 + len({"blur", *PLAIN_COPIES}))


def test_drawn_pictures_repeat_and_do_not_depend_on_how_many_there_are(drawn, tmp_path):
    again = make_benchmark(None, tmp_path, shown=Shown(("sprites", "flat"), 3))
    files = list((again.folder / "images").rglob("*.*"))
    assert files
    assert all(path.read_bytes() == (drawn.folder / path.relative_to(again.folder)).read_bytes() for path in files)


def test_drawn_pictures_get_the_plain_copies_that_are_named(photographs, tmp_path):
    shown = Shown(("flat",), 2)
    named = make_benchmark(None, tmp_path / "named", ("halved",), shown=shown)
    assert {row["edit"] for row in rows_of(named)} == {"original", "halved"}
    both = make_benchmark(photographs, tmp_path / "both", ("blur",), shown=Shown(("photographs", "flat"), 2))
    assert {row["edit"] for row in rows_of(both) if row["kind"] == "flat"} == {"original", *PLAIN_COPIES}
    assert {row["edit"] for row in rows_of(both) if row["kind"] != "flat"} == {"original", "exact", "blur"}


def test_a_benchmark_of_drawn_pictures_is_replaced_like_any_other(tmp_path):
    make_benchmark(None, tmp_path, shown=Shown(("flat",), 2))
    made = make_benchmark(None, tmp_path, overwrite=True, shown=Shown(("icons",), 1))
    assert {path.name for path in (tmp_path / "images").iterdir()} == {"icons"}
    assert made.kinds == ("icons",)


def test_the_job_draws_the_kinds_that_are_named(tmp_path):
    job = [sys.executable, str(ROOT / "jobs" / "make_benchmark.py"), "--output", str(tmp_path)]
    done = subprocess.run([*job, "--kind", "icons,flat", "--pictures", "4"], cwd=ROOT, capture_output=True, text=True,
                          env={"PYTHONPATH": str(ROOT)}, check=True)  # fmt: skip
    assert "4  pictures each of icons, flat" in done.stdout
    rows = rows_of_folder(tmp_path)
    assert Counter(row["kind"] for row in rows if row["edit"] == "original") == {"icons": 4, "flat": 4}
    assert all((tmp_path / "images" / row["path"]).is_file() for row in rows)


def test_a_benchmark_is_replaced_only_if_asked_and_nothing_else_ever_is(made, photographs, tmp_path):
    with pytest.raises(SettingsError, match="already holds files: choose another folder, or replace them"):
        make_benchmark(photographs, made.folder, MADE)
    mine = tmp_path / "images" / "mine.jpg"
    mine.parent.mkdir()
    mine.touch()
    with pytest.raises(SettingsError, match=r"holds files that no benchmark has made, such as mine\.jpg"):
        make_benchmark(photographs, tmp_path, MADE, overwrite=True)
    assert mine.exists()


def test_a_run_that_fails_leaves_the_folder_as_it_was_and_in_nobodys_way(photographs, tmp_path):
    mixed, out = tmp_path / "mixed", tmp_path / "out"
    shutil.copytree(photographs, mixed)
    (mixed / "zebra.jpg").write_text("no image")
    with pytest.raises(SettingsError, match=r"zebra\.jpg can't be decoded"):
        make_benchmark(mixed, out, MADE)
    assert list(out.iterdir()) == []
    killed = out / ".unfinished-benchmark" / "images" / "album"
    killed.mkdir(parents=True)
    (killed / "half.jpg").touch()
    made = make_benchmark(photographs, out, MADE)
    assert len([path for path in out.rglob("*") if path.is_file()]) == made.images + 3

    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(SettingsError, match=r"zebra\.jpg can't be decoded"):
        make_benchmark(mixed, out, ("half_size",), overwrite=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    fewer = make_benchmark(photographs, out, ("half_size",), overwrite=True)
    assert len([path for path in out.rglob("*") if path.is_file()]) == fewer.images + 3 < len(before)


def test_what_can_not_be_made_is_named(photographs, tmp_path):
    with pytest.raises(SettingsError, match="unknown edit 'nois': did you mean 'noise'"):
        make_benchmark(photographs, tmp_path / "out", ("nois",))
    with pytest.raises(InputError, match="there is no folder of photographs at"):
        make_benchmark(tmp_path / "nowhere", tmp_path / "out")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no photographs in"):
        make_benchmark(empty, tmp_path / "out")
    for name in ("a.jpg", "a.png"):
        (empty / name).write_bytes((photographs / "beach.png").read_bytes())
    with pytest.raises(SettingsError, match=r"a\.jpg and .*a\.png have one name"):
        make_benchmark(empty, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("edits", "shown", "complaint"),
    [
        ((ALL,), Shown(("icns",)), "unknown kind 'icns': did you mean 'icons'"),
        ((ALL,), Shown(()), "no kind of pictures: name some"),
        ((ALL,), Shown(("flat",), MAX_PICTURES + 1), "5,001 pictures a kind: from 1 to 5,000 can be drawn"),
        ((ALL,), Shown(("flat",), 0), "0 pictures a kind: from 1 to 5,000 can be drawn"),
        (("halved", "blur"), Shown(("flat",)), r"the edit 'blur' is for photographs: name plain copies \(exact, "),
        (("halvd",), Shown(("flat",)), "unknown edit 'halvd': did you mean 'halved'"),
    ],
)
def test_what_can_not_be_drawn_is_named(tmp_path, edits, shown, complaint):
    with pytest.raises(SettingsError, match=complaint):
        make_benchmark(None, tmp_path / "out", edits, shown=shown)
    assert not (tmp_path / "out").exists()


def test_photographs_that_nothing_would_come_of_are_refused(photographs, tmp_path):
    with pytest.raises(SettingsError, match="photographs are given, but no kind takes them"):
        make_benchmark(photographs, tmp_path / "out", shown=Shown((DRAWN,)))
