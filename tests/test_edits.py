"""Edits and corpora: every edit gives a file that decodes, repeats by seed, and is what the truth says it is."""

import numpy as np
import pytest
from PIL import Image

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import add_broken_files, installed_photographs, make_corpus
from dedup_core.errors import SettingsError
from dedup_core.images.decoding import decode
from dedup_core.images.picture import Failure, Picture

UNCHANGED = {"png"}  # keeps every pixel, and changes the file alone
DRAWS_LOTS = ("crop_2", "crop_10", "crop_25", "noise")

every_edit = pytest.mark.parametrize("name", EDITS)


@pytest.fixture(scope="module")
def photograph(photographs):
    """One photograph, small enough for a quick test."""
    image = decode(next(path for path in photographs if path.name == "chelsea.png").read_bytes()).image
    return image.resize((226, 150))


def applied(name, image, seed=0):
    return EDITS[name].apply(image, np.random.default_rng(seed))


@pytest.fixture
def two_photographs(photographs):
    return [path for path in photographs if path.name in ("rocket.jpg", "coffee.png")]


# Edits


@every_edit
def test_an_edit_gives_a_file_of_its_format(name, photograph):
    picture = decode(applied(name, photograph))
    assert isinstance(picture, Picture), picture
    assert picture.format == EDITS[name].format


@every_edit
def test_an_edit_repeats_by_its_seed(name, photograph):
    assert applied(name, photograph, 7) == applied(name, photograph, 7)


@pytest.mark.parametrize("name", DRAWS_LOTS)
def test_another_seed_is_another_edit(name, photograph):
    assert applied(name, photograph, 7) != applied(name, photograph, 8)


@every_edit
def test_an_edit_changes_the_pixels_where_it_should(name, photograph):
    edited = decode(applied(name, photograph)).image
    assert np.array_equal(np.asarray(edited), np.asarray(photograph)) == (name in UNCHANGED)


@every_edit
def test_an_edit_leaves_the_picture_it_was_given_alone(name, photograph):
    before = photograph.tobytes()
    applied(name, photograph)
    assert photograph.tobytes() == before


@every_edit
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_an_edit_bears_any_size(name, size):
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
    assert isinstance(decode(applied(name, image)), Picture)


@every_edit
def test_registry_names_are_the_edits_own(name):
    assert EDITS[name].name == name
    assert EDITS[name].ending in {".jpg", ".png", ".webp"}


# Photographs


def test_installed_photographs_all_decode(photographs):
    failures = [path.name for path in photographs if isinstance(decode(path.read_bytes()), Failure)]
    assert failures == []


def test_there_are_photographs_enough_for_a_demo(photographs):
    assert len(photographs) >= 15
    assert len({path.name for path in photographs}) == len(photographs)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install scikit-image$"):
        installed_photographs()


# Corpora


def files_under(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def corpus(two_photographs, tmp_path):
    """(ground truth, folder) of two photographs with three edits each."""
    folder = tmp_path / "images"
    edits = [EDITS[name] for name in ("half_size", "crop_10", "webp")]
    return make_corpus(two_photographs, edits, folder), folder


def test_the_truth_names_every_file_and_no_other(corpus):
    truth, folder = corpus
    assert set(truth) == set(files_under(folder))
    assert len(truth) == 2 * (1 + 1 + 3)


def test_the_truth_is_symmetric_and_complete(corpus):
    truth, _ = corpus
    families = {frozenset([name, *others]) for name, others in truth.items()}
    assert sorted(map(len, families)) == [5, 5]
    assert all(name not in others for name, others in truth.items())
    assert {name.rsplit("/", 1)[1].split(".")[0] for family in families for name in family} == {"rocket", "coffee"}
    assert all(len({name.rsplit("/", 1)[1].split(".")[0] for name in family}) == 1 for family in families)


def test_exact_copies_are_exact(corpus, two_photographs):
    _, folder = corpus
    for photograph in two_photographs:
        assert (folder / "album" / photograph.name).read_bytes() == photograph.read_bytes()
        assert (folder / "copies" / "exact" / photograph.name).read_bytes() == photograph.read_bytes()


def test_a_corpus_repeats_by_its_seed(two_photographs, tmp_path):
    edits = [EDITS["crop_10"]]
    folders = [tmp_path / name for name in ("one", "two", "other")]
    truths = [
        make_corpus(two_photographs, edits, folder, seed) for folder, seed in zip(folders, (1, 1, 2), strict=True)
    ]
    one, two, other = map(files_under, folders)
    assert truths[0] == truths[1]
    assert one == two
    assert one != other


def test_a_photographs_copies_do_not_depend_on_the_others(two_photographs, tmp_path):
    edits = [EDITS["crop_10"]]
    make_corpus(two_photographs, edits, tmp_path / "both")
    make_corpus(two_photographs[:1], edits, tmp_path / "one")
    alone, together = files_under(tmp_path / "one"), files_under(tmp_path / "both")
    assert alone.items() <= together.items()


@pytest.mark.parametrize("names", [("a/cat.png", "b/cat.png"), ("a/cat.png", "a/cat.jpg")])
def test_photographs_of_one_name_do_not_overwrite_each_other(two_photographs, tmp_path, names):
    photographs = [tmp_path / name for name in names]
    for path, source in zip(photographs, two_photographs, strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(source.read_bytes())
    try:
        truth = make_corpus(photographs, [EDITS["half_size"]], tmp_path / "images")
    except SettingsError:
        return  # refusing them is an answer too
    assert len(truth) == len(files_under(tmp_path / "images")) == 6


def test_a_photograph_that_does_not_decode_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(SettingsError, match=r"a\.jpg can't be decoded: the content is no image in any known format"):
        make_corpus([tmp_path / "a.jpg"], [], tmp_path / "images")


def test_broken_files_fail_for_two_reasons(corpus):
    _, folder = corpus
    add_broken_files(folder)
    results = {path.name: decode(path.read_bytes()) for path in (folder / "broken").iterdir()}
    assert {name: getattr(result, "reason", None) for name, result in results.items()} == {
        "cut-short.jpg": "truncated", "not-an-image.png": "not_an_image",
    }  # fmt: skip
