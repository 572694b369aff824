"""Local features: the same each time, those of the mirrored picture at no cost, small, and stored without loss."""

import sys

import numpy as np
import pytest
from PIL import Image

from dedup_core.corpus.photographs import installed_photographs
from dedup_core.encoders.encoder import encode_batch
from dedup_core.encoders.orb import orb_encoder
from dedup_core.errors import SettingsError
from dedup_core.images.picture import Failure
from dedup_core.local.features import FRAME, MOST_KEYPOINTS, PARTS, SIDE, LocalFeatures, local_features
from dedup_core.local.pattern import mirrored
from dedup_core.local.record import RECORD_BYTES, packed, unpacked

NAMES = ("chelsea.png", "coffee.png", "brick.png")  # none is higher than wide
PLAIN_SIZES = [(1, 1), (1, 40), (31, 31), (60_000, 3), (3, 60_000), (200, 300)]  # width, height
MOST_BYTES = 24 * 1024


def pixels_of(name):
    path = next(path for path in installed_photographs() if path.name == name)
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture(scope="module")
def photographs():
    return {name: pixels_of(name) for name in NAMES}


@pytest.fixture(scope="module")
def features(photographs):
    return {name: local_features(pixels) for name, pixels in photographs.items()}


def assert_equal(one, other):
    for a, b in ((one.keypoints, other.keypoints), (one.descriptors, other.descriptors)):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert one.picture == other.picture


def bits_apart(one, other):
    """In how many bits each of some descriptors differs from each of others, (n, m)."""
    return np.unpackbits((one[:, None] ^ other[None]).view(np.uint8), axis=2).sum(axis=2)


def test_features_are_the_same_each_time(photographs, features):
    for name, pixels in photographs.items():
        assert_equal(local_features(pixels.copy()), features[name])


def test_the_features_of_a_photograph(features):
    for made in features.values():
        assert (made.keypoints.dtype, made.descriptors.dtype) == (np.int16, np.uint64)
        assert len(made.keypoints) == len(made.descriptors) == MOST_KEYPOINTS
        places, scales, angles = (
            made.keypoints[:, :2] / PARTS,
            made.keypoints[:, 2] / PARTS,
            made.keypoints[:, 3] / PARTS,
        )
        assert (places >= 0).all()
        assert (places < FRAME).all()
        assert scales.min() == 1.0
        assert scales.max() < 3
        assert ((angles >= 0) & (angles <= 360)).all()
        np.testing.assert_array_equal(made.codes, made.descriptors[:, 0])
        np.testing.assert_array_equal(made.mirrored_codes, mirrored(made.codes))


def test_every_bit_of_a_code_tells_something(features):
    """None of them is nearly always the same, so that few codes are alike by chance."""
    codes = np.concatenate([made.codes for made in features.values()])
    shares = np.unpackbits(codes.view(np.uint8).reshape(-1, 8), axis=1).mean(axis=0)
    assert ((shares > 0.1) & (shares < 0.9)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_mirrored_picture_has_the_mirrored_words(photographs, features, name):
    """Most keypoints have a twin within a pixel, whose descriptor is the same words with their halves changed over."""
    there = local_features(np.ascontiguousarray(photographs[name][:, ::-1]))
    places = features[name].keypoints[:, :2] / PARTS
    places[:, 0] = FRAME - 1 - places[:, 0]
    apart = np.linalg.norm(places[:, None] - there.keypoints[None, :, :2] / PARTS, axis=2)
    bits = bits_apart(mirrored(features[name].descriptors), there.descriptors)
    has_twin = apart.min(axis=1) <= 1
    assert has_twin.mean() > 0.7
    of_twins = np.where(apart <= 1, bits, 256).min(axis=1)[has_twin]
    assert (of_twins <= 40).mean() > 0.7
    assert np.median(np.where(apart <= 1, bits_apart(features[name].descriptors, there.descriptors), 256)) > 40


def test_a_record_is_unpacked_as_it_was(features):
    for made in features.values():
        record = packed(made)
        assert (record.dtype, record.shape) == (np.uint8, (RECORD_BYTES,))
        assert_equal(unpacked(record), made)


def test_a_row_gives_back_what_it_was_made_of(features):
    for made in features.values():
        row = made.to_row()
        assert set(row) == {"keypoints", "descriptors", "picture"}
        assert len(row["descriptors"]) == 32 * len(made.codes)
        assert_equal(LocalFeatures.of_row({**row, "keypoints": row["keypoints"].tolist()}), made)


def test_features_of_any_picture_are_small(features):
    assert RECORD_BYTES <= MOST_BYTES
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    for made in (*features.values(), local_features(noise)):
        assert sum(map(len, (made.keypoints.tobytes(), made.descriptors.tobytes(), made.picture))) <= RECORD_BYTES
        assert_equal(unpacked(packed(made)), made)


@pytest.mark.parametrize(("width", "height"), PLAIN_SIZES)
def test_pictures_without_keypoints_have_a_small_picture_all_the_same(width, height):
    made = local_features(np.full((height, width, 3), 90, np.uint8))
    assert made.keypoints.shape == made.descriptors.shape == (0, 4)
    assert made.picture.startswith(b"\xff\xd8")
    assert_equal(unpacked(packed(made)), made)
    assert_equal(LocalFeatures.of_row(made.to_row()), made)


def test_narrow_pictures_of_noise_have_no_keypoints():
    noise = np.random.default_rng(1).integers(0, 256, (3, 60_000, 3), dtype=np.uint8)
    for pixels in (noise, noise.transpose(1, 0, 2)):
        assert len(local_features(pixels).keypoints) == 0


def test_a_small_picture_of_noise_is_made_larger_and_has_keypoints():
    """Keypoints lie in a frame of one size, however small the picture is."""
    noise = np.random.default_rng(2).integers(0, 256, (31, 31, 3), dtype=np.uint8)
    assert len(local_features(noise).keypoints) > 100


def test_the_encoder_gives_the_records(photographs, features, tmp_path):
    Image.fromarray(photographs["chelsea.png"]).save(tmp_path / "cat.png")
    encoded, failed = encode_batch([(tmp_path / "cat.png").read_bytes(), b"none"], [orb_encoder()])
    assert_equal(unpacked(encoded.features["orb"]), features["chelsea.png"])
    assert isinstance(failed, Failure)


def test_without_opencv_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    for action in (orb_encoder, lambda: local_features(np.zeros((40, 40, 3), np.uint8))):
        with pytest.raises(SettingsError) as error:
            action()
        assert str(error.value).startswith("local features need OpenCV: ")
        assert "\n" not in str(error.value)
        assert "install" in str(error.value)
