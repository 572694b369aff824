"""A benchmark of one's own: its images, and the truth in three forms that say the same."""

import csv
import json
import shutil

import pyarrow.parquet as pq
import pytest
from album import make_album

from dedup_core.corpus.benchmark import ALL, edit_of, make_benchmark
from dedup_core.corpus.edits import EDITS
from dedup_core.errors import InputError, SettingsError
from dedup_core.images.picture import Picture, decode

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


def test_every_photograph_has_its_copies_and_they_decode(made):
    files = [path for path in (made.folder / "images").rglob("*") if path.is_file()]
    assert len(files) == made.images == 3 * (2 + len(MADE))
    assert all(isinstance(decode(path.read_bytes()), Picture) for path in files)


def test_the_three_forms_of_the_truth_agree(made):
    truth = json.loads((made.folder / "ground_truth.json").read_text())
    with (made.folder / "ground_truth_labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = pq.read_table(made.folder / "ground_truth_pairs.parquet").to_pylist()
    assert [row["path"] for row in rows] == list(truth) == sorted(truth)
    labels = {row["path"]: row["label"] for row in rows}
    assert truth == {a: [b for b in truth if b != a and labels[a] == labels[b]] for a in truth}
    assert {(row["path_a"], row["path_b"]) for row in pairs} == {(a, b) for a in truth for b in truth[a] if a < b}
    assert len(pairs) == made.pairs
    assert all(label.startswith("album/") for label in labels.values())
    assert {row["edit"] for row in rows} == {"original", "exact", *MADE}
    assert all((made.folder / "images" / path).exists() for path in truth)


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
