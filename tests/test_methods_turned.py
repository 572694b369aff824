"""Turned and mirrored copies on one machine: found, named, saved and loaded."""

import copy
import json

import naive
import numpy as np
import pytest
from PIL import Image
from test_turned import drawn

from dedup_core.methods import AHash, DHash, PHash, WHash
from dedup_core.turns import TURNS

METHODS = [PHash, AHash, DHash, WHash]


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Two pictures, the first in all eight ways, named by the turn, and saved with loss."""
    rng, folder = np.random.default_rng(3), tmp_path_factory.mktemp("album")
    picture = drawn(rng, (200, 140))
    for turn in range(8):
        laid = np.stack([naive.laid(picture[:, :, channel], turn) for channel in range(3)], axis=2)
        Image.fromarray(np.ascontiguousarray(laid)).save(folder / f"{turn}.jpg", quality=90)
    Image.fromarray(drawn(rng, (200, 140))).save(folder / "other.jpg")
    return folder


@pytest.mark.parametrize("kind", METHODS)
def test_each_way_is_found_and_named(kind, album):
    found = kind(verbose=False, orientations=True).find_duplicates(album, scores=True)
    assert found["other.jpg"] == []
    assert {(name, score <= 4, turn) for name, score, turn in found["0.jpg"]} == {
        (f"{turn}.jpg", True, TURNS[naive.taken_back(turn)]) for turn in range(1, 8)
    }
    assert {len(found[f"{turn}.jpg"]) for turn in range(8)} == {7}


def test_without_they_are_not_found_and_the_upright_hash_is_the_same(album):
    plain, turning = PHash(verbose=False), PHash(verbose=False, orientations=True)
    assert set(map(len, plain.find_duplicates(album).values())) == {0}
    upright, turned = plain.encode_images(album), turning.encode_images(album)
    assert upright == turned
    assert upright.fingerprint != turned.fingerprint
    with pytest.raises(ValueError, match="which can't be compared with"):
        plain.find_duplicates(encoding_map=turned)
    with pytest.raises(ValueError, match="which can't be compared with"):
        turning.find_duplicates(encoding_map=upright)


def test_hashes_keep_their_turns_where_they_go(album, tmp_path):
    method = PHash(verbose=False, orientations=True)
    made = method.encode_images(album)
    method.save_encodings(made, tmp_path / "features")
    loaded = method.load_encodings(tmp_path / "features")
    assert {name: code.turned for name, code in loaded.items()} == {name: code.turned for name, code in made.items()}
    expected = method.find_duplicates(album)
    alone = {name: method.encode_image(album / name) for name in made}
    for given in (made, loaded, dict(made), copy.deepcopy(dict(loaded)), alone):
        assert method.find_duplicates(encoding_map=given) == expected
    with pytest.raises(ValueError, match="holds features of 'phash-64-v2\\+orientations'"):
        PHash().load_encodings(tmp_path / "features")


def test_a_plain_map_is_refused_in_one_line(album):
    method = PHash(verbose=False, orientations=True)
    with pytest.raises(ValueError, match=r"^encoding_map\['a'\] has no hashes of its turned pictures: encode it with"):
        method.find_duplicates(encoding_map={"a": "0123456789abcdef"})
    with pytest.raises(TypeError, match="orientations must be True or False, not 1"):
        PHash(orientations=1)


def test_no_images_are_saved_and_loaded(tmp_path):
    method = PHash(verbose=False, orientations=True)
    assert method.find_duplicates(encoding_map={}, scores=True) == {}
    method.save_encodings({}, tmp_path / "features")
    assert method.load_encodings(tmp_path / "features") == {}


def test_against_others_removals_and_files(album, tmp_path):
    method = PHash(verbose=False, orientations=True)
    made = method.encode_images(album)
    one, others = {"0.jpg": made["0.jpg"]}, {name: made[name] for name in ("1.jpg", "other.jpg")}
    found = method.find_duplicates(encoding_map=one, against=others, scores=True, outfile=tmp_path / "map.json")
    ((name, _, turn),) = found["0.jpg"]
    assert (name, turn) == ("1.jpg", "rotated by 270")
    assert json.loads((tmp_path / "map.json").read_text()) == {"0.jpg": [list(found["0.jpg"][0])]}
    assert method.find_duplicates_to_remove(album) == [f"{turn}.jpg" for turn in range(1, 8)]
    assert method.find_duplicates_to_remove(album, verified=True) == []
    assert set(map(len, method.find_duplicates(album, verified=True, scores=True).values())) == {0}
