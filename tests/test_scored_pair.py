"""Two files, judged: how one lies on the other, what their pixels say, and pictures that have no keypoints."""

import numpy as np
import pytest
from PIL import Image

from dedup_core.corpus.edits import EDITS
from dedup_core.methods import ScoredPair, score_pair

PLAIN = {"pixel.png": (1, 1), "red.png": (80, 60), "long.png": (60_000, 3)}


@pytest.fixture(scope="module")
def folder(photographs, tmp_path_factory):
    """Two photographs, edits of one of them, and pictures of one colour."""
    folder = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(0)
    for path in photographs:
        if path.stem in ("coffee", "rocket"):
            with Image.open(path) as image:
                small = image.convert("RGB")
                small.thumbnail((360, 360))
            small.save(folder / f"{path.stem}.png")
    with Image.open(folder / "coffee.png") as image:
        for name in ("crop_25", "flip_horizontal", "half_size", "recompressed"):
            (folder / f"{name}.jpg").write_bytes(EDITS[name].apply(image, random))
        image.save(folder / "anew.bmp")
    (folder / "again.png").write_bytes((folder / "coffee.png").read_bytes())
    for name, size in PLAIN.items():
        Image.new("RGB", size, (200, 30, 30)).save(folder / name)
    Image.new("RGB", (80, 60), (200, 30, 30)).save(folder / "red.bmp")
    Image.new("RGB", (160, 120), (200, 30, 30)).save(folder / "large.png")
    return folder


def test_it_tells_how_one_lies_on_the_other_and_what_that_makes_of_them(folder):
    told = score_pair(folder / "coffee.png", folder / "flip_horizontal.jpg")
    assert isinstance(told, ScoredPair)
    assert (told.relation, told.verdict.is_same, told.geometry.is_mirrored) == ("mirrored", False, True)
    with Image.open(folder / "coffee.png") as image:
        assert np.allclose(told.geometry.transform, [-1, 0, image.width, 0, 1, 0], atol=2)
    assert told.said == f"{folder}/flip_horizontal.jpg is {folder}/coffee.png mirrored"
    assert str(told) == f"{told.said} ({told.score} inliers, pixels similar)"


def test_a_crop_is_named_whichever_comes_first(folder):
    files = folder / "coffee.png", folder / "crop_25.jpg"
    said = f"{files[1]} is a crop of {files[0]}"
    assert score_pair(*files).said == score_pair(*files[::-1]).said == said


@pytest.mark.parametrize(
    ("one", "other", "relation", "is_same"),
    [
        ("coffee.png", "again.png", "same_pixels", True),
        ("coffee.png", "anew.bmp", "same_pixels", True),
        ("coffee.png", "recompressed.jpg", "re_encoded", True),
        ("coffee.png", "half_size.jpg", "resized", True),
        ("coffee.png", "rocket.png", None, False),
    ],
)
def test_relations(folder, one, other, relation, is_same):
    told = score_pair(folder / one, folder / other)
    assert (told.relation, told.verdict.is_same) == (relation, is_same)


@pytest.mark.parametrize(
    ("one", "other"), [("red.png", "red.bmp"), ("red.png", "large.png"), ("pixel.png", "long.png"),
                       ("coffee.png", "long.png"), ("long.png", "long.png"), ("pixel.png", "pixel.png")]
)  # fmt: skip
def test_pixels_speak_for_pictures_without_keypoints(folder, one, other):
    told = score_pair(folder / one, folder / other)
    assert (told.geometry, told.score) == (None, 0)
    assert told.verdict.is_same == (told.relation is not None)
    assert (told.relation == "same_pixels") == (one.split(".")[0] == other.split(".")[0])
    assert str(folder / one) in str(told)


def test_an_unreadable_file_is_named(folder, tmp_path):
    (tmp_path / "note.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"note.png' can't be decoded"):
        score_pair(folder / "red.png", tmp_path / "note.png")
    with pytest.raises(ValueError, match=r"^one must be an image, and there is no file .*gone.png'$"):
        score_pair(tmp_path / "gone.png", folder / "red.png")
