"""The four hashes: imagededup's bits, the definitions' bits, and the laws that hold for every encoder."""

import io
import itertools
import json

import naive
import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from dedup_core.encoders.encoder import Decoding, Encoded, encode_batch
from dedup_core.encoders.hashes import ahash, dhash, from_hex, phash, to_hex, whash
from dedup_core.encoders.registry import ENCODERS, check_method
from dedup_core.errors import SettingsError
from dedup_core.images.decoding import decode
from dedup_core.images.picture import Failure
from dedup_core.metric import HAMMING

HASHES = [name for name, method in ENCODERS.items() if method.metric == HAMMING]
NEAR = {"hash": 10, "embedding": 0.1}
RANDOM = np.random.default_rng(20)

ALL = [ENCODERS[name].encoder() for name in HASHES]

every_encoder = pytest.mark.parametrize("name", HASHES)


def picture_file(seed, size=(80, 60), form="PNG"):
    """Soft blobs, different for each seed, as an image file."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(buffer, form)
    return buffer.getvalue()


def resized(content):
    image = decode(content).image
    buffer = io.BytesIO()
    image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def features(contents, name):
    return [entry.features[name] for entry in encode_batch(contents, [ENCODERS[name].encoder()])]


def distance(name, one, other):
    """Differing bits of hashes; one minus the cosine of embeddings."""
    if ENCODERS[name].metric == HAMMING:
        return (int(one) ^ int(other)).bit_count()
    return 1 - float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


# Against imagededup


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden" / "hashes.json").read_text())


@pytest.fixture(scope="module")
def encoded(shared, golden):
    hashes = ALL
    return dict(zip(golden, encode_batch(((shared / file).read_bytes() for file in golden), hashes), strict=True))


@pytest.mark.parametrize("name", ["phash", "ahash", "dhash", "whash"])
def test_hashes_equal_imagededups_bit_for_bit(golden, encoded, name):
    ours = {file: to_hex(entry.features[name]) for file, entry in encoded.items()}
    assert ours == {file: codes[name] for file, codes in golden.items()}


# Against the definitions


@given(arrays.arrays(np.uint8, (8, 8)))
@settings(deadline=None)
def test_ahash_follows_its_definition(gray):
    assert int(ahash(gray[None])[0]) == naive.code_of(naive.ahash_bits(gray))


@given(arrays.arrays(np.uint8, (8, 9)))
@settings(deadline=None)
def test_dhash_follows_its_definition(gray):
    assert int(dhash(gray[None])[0]) == naive.code_of(naive.dhash_bits(gray))


def assert_bits_follow(code, margins):
    """Where a value equals the median but for rounding, either bit is right; noise leaves at most a few such."""
    bits = np.array([bit == "1" for bit in f"{int(code):064b}"])
    clear = np.abs(margins) > 1e-6
    assert np.array_equal(bits[clear], margins[clear] > 0)
    return int(clear.sum())


@given(arrays.arrays(np.uint8, (32, 32)))
@settings(deadline=None)
def test_phash_follows_its_definition(gray):
    assert_bits_follow(phash(gray[None])[0], naive.phash_margins(gray))


@given(arrays.arrays(np.uint8, (8, 8)), st.integers(0, 2**32))
@settings(deadline=None)
def test_whash_follows_its_definition(blocks, seed):
    noise = np.random.default_rng(seed).integers(-9, 10, (256, 256))
    gray = (np.kron(blocks.astype(int), np.ones((32, 32), int)) + noise).clip(0, 255).astype(np.uint8)
    assert_bits_follow(whash(gray[None])[0], naive.whash_margins(gray))


def patterned(small, seed, side):
    """A picture of few levels, mirrored or repeated: many of its values equal the median but for rounding."""
    noise = np.random.default_rng(seed)
    times = side // small.shape[0], side // small.shape[1]
    picture = np.kron(small, np.ones(times, np.uint8)) if seed % 2 else np.tile(small, times)
    places = noise.integers(0, side, (2, seed % 5))
    picture[tuple(places)] = noise.integers(0, 256, seed % 5)
    return picture[:, ::-1] if seed % 3 else np.maximum(picture, picture[::-1])


few_levels = arrays.arrays(np.uint8, (8, 8), elements=st.sampled_from([0, 1, 128, 255]))


@given(few_levels, st.integers(0, 2**32))
@settings(deadline=None)
def test_phash_is_that_of_the_transform_where_rounding_decides(small, seed):
    gray = patterned(small, seed, 32)
    assert int(phash(gray[None])[0]) == naive.code_of(naive.phash_of_transform(gray))


@given(few_levels, st.integers(0, 2**32))
@settings(deadline=None)
def test_whash_is_that_of_the_transform_where_rounding_decides(small, seed):
    gray = patterned(small, seed, 256)
    assert int(whash(gray[None])[0]) == naive.code_of(naive.whash_of_transform(gray))


@pytest.mark.parametrize("seed", [15, 26, 37])
def test_whash_is_of_pixels_from_0_to_1_where_rounding_decides(seed):
    levels = np.random.default_rng(seed).integers(0, 40, (64, 64), dtype=np.uint8)
    gray = np.kron(levels, np.ones((4, 4), np.uint8))
    approximation = pywt.wavedec2(gray, "haar", level=5)[0]
    of_levels = naive.code_of((approximation >= np.median(approximation)).ravel())
    assert int(whash(gray[None])[0]) == naive.code_of(naive.whash_of_transform(gray)) != of_levels


def test_on_noise_nearly_every_bit_is_decided_by_the_definition():
    gray = RANDOM.integers(0, 256, (256, 256), dtype=np.uint8)
    small = gray[:32, :32]
    assert assert_bits_follow(phash(small[None])[0], naive.phash_margins(small)) == 63  # the median itself is no case
    assert assert_bits_follow(whash(gray[None])[0], naive.whash_margins(gray)) == 64


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_phash_of_noise_sets_the_mean_the_median_and_the_31_above(seed):
    gray = np.random.default_rng(seed).integers(0, 256, (1, 32, 32), dtype=np.uint8)
    assert int(phash(gray)[0]).bit_count() == 1 + 1 + 31


def test_the_first_bit_is_the_highest():
    gray = np.zeros((1, 8, 8), np.uint8)
    gray[0, 0, 0] = 255
    assert int(ahash(gray)[0]) == 1 << 63


# Laws of every encoder


@every_encoder
def test_the_same_file_gives_the_same_feature(name):
    content = picture_file(1)
    first, second = features([content, content], name)
    (again,) = features([content], name)
    assert np.array_equal(first, second)
    assert np.array_equal(first, again)


@pytest.mark.parametrize("name", HASHES)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=7))
@settings(deadline=None, max_examples=25)
def test_a_batch_equals_its_images_one_by_one(name, seeds):
    contents = [picture_file(seed) for seed in seeds]
    assert features(contents, name) == [features([content], name)[0] for content in contents]


@every_encoder
def test_values_have_the_declared_type_and_size(name):
    declared = ENCODERS[name].encoder()
    pixels = np.stack([declared.pixels(decode(picture_file(seed))) for seed in range(3)])
    values = declared.encode(pixels)
    assert (values.dtype, values.ndim) == {"hash": (np.uint64, 1), "embedding": (np.float32, 2)}[
        ENCODERS[name].metric.feature
    ]
    assert len(values) == 3


@every_encoder
def test_what_is_kept_of_a_picture_has_one_shape(name):
    shapes = {
        ENCODERS[name].encoder().pixels(decode(picture_file(1, size))).shape
        for size in [(80, 60), (1, 1), (3, 300), (500, 20)]
    }
    assert len(shapes) == 1


@pytest.fixture(scope="module")
def photograph_contents(photographs):
    return [path.read_bytes() for path in photographs]


@every_encoder
def test_a_smaller_copy_stays_near(photograph_contents, name):
    some = photograph_contents[:8]
    pairs = zip(features(some, name), features([resized(content) for content in some], name), strict=True)
    assert max(distance(name, one, copy) for one, copy in pairs) <= NEAR[ENCODERS[name].metric.feature]


@every_encoder
def test_distinct_photographs_lie_far_apart(photograph_contents, name):
    pairs = itertools.combinations(features(photograph_contents, name), 2)
    assert min(distance(name, one, other) for one, other in pairs) > NEAR[ENCODERS[name].metric.feature]


# Batches


@given(st.lists(st.one_of(st.integers(0, 3), st.sampled_from(["broken", "unread"])), max_size=8))
@settings(deadline=None, max_examples=25)
def test_failures_stay_in_place_and_leave_their_neighbours_alone(kinds):
    unread = Failure("vanished", "the file was listed, but is gone")
    contents = {"broken": b"no image", "unread": unread} | {seed: picture_file(seed) for seed in range(4)}
    entries = encode_batch([contents[kind] for kind in kinds], ALL)
    alone = {kind: encode_batch([contents[kind]], ALL)[0] for kind in set(kinds)}
    assert entries == [alone[kind] for kind in kinds]
    assert entries.count(unread) == kinds.count("unread")


def test_a_batch_of_failures_alone_is_encoded_to_failures():
    entries = encode_batch([b"", b"no image"], ALL)
    assert [entry.reason for entry in entries] == ["empty", "not_an_image"]


def test_an_entry_knows_what_the_file_was():
    (entry,) = encode_batch([picture_file(1, (80, 60), "GIF")], [ENCODERS["dhash"].encoder()])
    assert isinstance(entry, Encoded)
    assert (entry.width, entry.height, entry.format, set(entry.features)) == (80, 60, "GIF", {"dhash"})


def test_an_image_is_opened_once_however_many_encoders_see_it(monkeypatch):
    opened = []
    open_image = Image.open
    monkeypatch.setattr(Image, "open", lambda *args, **options: opened.append(1) or open_image(*args, **options))
    encode_batch([picture_file(1), picture_file(2)], ALL)
    assert len(opened) == 2


def test_all_encoders_at_once_give_what_each_gives_alone():
    content = picture_file(3)
    (together,) = encode_batch(iter([content]), ALL)
    assert together.features == {name: features([content], name)[0] for name in HASHES}


def test_contents_are_taken_one_after_the_other():
    def contents():
        for seed in range(3):
            alive.append(seed)
            yield picture_file(seed)

    alive = []
    assert len(encode_batch(contents(), [ENCODERS["ahash"].encoder()])) == 3
    assert alive == [0, 1, 2]


# Names and fingerprints


def test_no_two_encoders_share_a_fingerprint():
    fingerprints = [encoder.fingerprint for encoder in ALL]
    assert len(set(fingerprints)) == len(fingerprints)


@every_encoder
def test_registry_names_are_the_encoders_own(name):
    assert ENCODERS[name].name == ENCODERS[name].encoder().name == name


@every_encoder
def test_another_orientation_is_another_fingerprint(name):
    stored, upright = (
        Decoding(orientation=kind).fingerprint(ENCODERS[name].fingerprint) for kind in ("stored", "exif")
    )
    assert stored == ENCODERS[name].fingerprint
    assert upright != stored


@every_encoder
def test_a_limit_on_pixels_is_no_other_fingerprint(name):
    assert Decoding(max_pixels=1_000_000).fingerprint(ENCODERS[name].fingerprint) == ENCODERS[name].fingerprint


def test_an_unknown_method_is_answered_with_the_nearest():
    with pytest.raises(SettingsError, match=r"^unknown method 'phsh': did you mean 'phash'\?$"):
        check_method("phsh")


# Hexadecimal


@given(st.integers(0, 2**64 - 1))
def test_hexadecimal_and_back_is_the_same_code(code):
    assert from_hex(to_hex(code)) == code
    assert to_hex(np.uint64(code)) == to_hex(int(np.uint64(code).astype(np.int64))) == f"{code:016x}"


@pytest.mark.parametrize(
    "text",
    ["", "9fee", "9fee256239984d710", "9fee256239984d7g", "0x9fee256239984d", " 9fee256239984d7", "+9fee256239984d7",
     "9fee_2562_3998_4", "9fee\u0662\u0665623998\u0664d71"],
)  # fmt: skip
def test_text_that_is_no_hash_is_refused(text):
    with pytest.raises(ValueError, match=r"16 hexadecimal characters|base 16"):
        from_hex(text)
