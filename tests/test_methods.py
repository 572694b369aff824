"""The one-machine API: the laws that every hash keeps, imagededup's golden results, and what its README promises."""

import json
import logging

import naive
import numpy as np
import pytest
from album import BROKEN, GOOD, make_album, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dedup_core.encoders import ENCODERS, Decoding
from dedup_core.hashing import to_hex
from dedup_core.methods import AHash, DHash, PHash, WHash, encode_images_with
from dedup_core.picture import Failure

HASHES = (PHash, AHash, DHash, WHash)
CODES = st.lists(st.integers(0, 15).map(lambda low: low * 0x1111_1111_1111_1111), max_size=12)


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    return make_album(tmp_path_factory.mktemp("album"))


@pytest.fixture(params=HASHES, ids=lambda kind: kind.__name__)
def hasher(request):
    return request.param(verbose=False)


def maps(codes):
    """Codes as an encoding map, with names whose order is not that of the list."""
    return {f"{(7 * position) % 13:02}.jpg": to_hex(code) for position, code in enumerate(codes)}


def chain():
    """Three hashes of which the second is close to both others, which are far from each other."""
    return {"3.jpg": to_hex(0xFFFF), "1.jpg": to_hex(0), "2.jpg": to_hex(0xFF)}


class TestEncoding:
    def test_feature_is_16_hexadecimal_characters_and_the_same_from_file_array_and_folder(self, hasher, album):
        from_file = hasher.encode_image(image_file=album / "beach.png")
        from_array = hasher.encode_image(image_array=np.asarray(Image.open(album / "beach.png")))
        assert len(bytes.fromhex(from_file)) == 8
        assert from_file == from_array == hasher.encode_images(album)["beach.png"]

    def test_gray_array_is_an_image_too(self, hasher):
        gray = np.asarray(scene("beach").convert("L"))
        assert hasher.encode_image(image_array=gray) == hasher.encode_image(image_array=gray[:, :, np.newaxis])

    def test_folder_gives_its_own_visible_images_sorted(self, hasher, album):
        assert list(hasher.encode_images(str(album))) == GOOD

    def test_recursive_adds_inner_folders_with_slashes(self, hasher, album):
        assert list(hasher.encode_images(album, recursive=True)) == sorted([*GOOD, "inner/beach.png"])

    def test_failures_say_why(self, hasher, album):
        encodings = hasher.encode_images(album)
        assert {name: failure.reason for name, failure in hasher.failures.items()} == BROKEN
        assert encodings.failures == hasher.failures

    def test_unreadable_file_gives_none_and_a_failure(self, hasher, album):
        path = str(album / "empty.jpg")
        assert hasher.encode_image(image_file=path) is None
        assert hasher.failures == {path: Failure("empty", "the file has no content")}

    def test_next_call_forgets_earlier_failures(self, hasher, album):
        hasher.encode_image(image_file=album / "empty.jpg")
        hasher.encode_image(image_file=album / "beach.png")
        assert hasher.failures == {}

    def test_empty_folder_gives_an_empty_map(self, hasher, tmp_path):
        assert hasher.encode_images(tmp_path) == {}
        assert hasher.find_duplicates(tmp_path) == {}

    def test_several_methods_share_one_decode_and_give_what_each_gives_alone(self, album, monkeypatch):
        decoded = []
        from dedup_core import encoders

        real = encoders.decode
        monkeypatch.setattr(encoders, "decode", lambda *given: decoded.append(1) or real(*given))
        together = encode_images_with([kind(verbose=False) for kind in HASHES], album)
        assert len(decoded) == len(GOOD) + len(BROKEN)
        assert together == {kind.name: kind(verbose=False).encode_images(album) for kind in HASHES}
        assert list(together) == list(ENCODERS)[:4]

    def test_decoding_turns_the_picture_and_its_fingerprint(self, hasher, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        scene("street").save(tmp_path / "turned.jpg", exif=exif)
        upright = type(hasher)(verbose=False, decoding=Decoding(orientation="exif"))
        assert upright.encode_images(tmp_path) != hasher.encode_images(tmp_path)
        assert upright.fingerprint != hasher.fingerprint

    @pytest.mark.parametrize(("verbose", "warnings"), [(True, 1), (False, 0)])
    def test_warns_of_failures_unless_silenced(self, album, caplog, verbose, warnings):
        with caplog.at_level(logging.WARNING):
            encode_images_with([PHash(verbose), DHash(verbose)], album)
        told = ["No features for empty.jpg (the file has no content) and 1 more: see 'failures'"]
        assert [record.getMessage() for record in caplog.records] == told * warnings


class TestFinding:
    def test_equal_and_resized_copies_are_found(self, hasher, album):
        found = hasher.find_duplicates(image_dir=album, scores=True)
        assert list(found) == GOOD
        assert ("beach.png", 0) in found["beach-copy.png"]
        assert "beach-small.jpg" in dict(found["beach.png"])

    def test_every_duplicate_is_mutual_with_one_int_distance(self, hasher, album):
        found = hasher.find_duplicates(album, max_distance_threshold=40, scores=True)
        scores = {(one, other): score for one, others in found.items() for other, score in others}
        assert scores
        assert all(scores[other, one] == score and type(score) is int for (one, other), score in scores.items())

    @settings(max_examples=40, deadline=None)
    @given(CODES, st.integers(0, 64))
    def test_map_and_removals_are_those_of_the_slow_oracle(self, codes, threshold):
        encodings = maps(codes)
        names = sorted(encodings)
        values = {name: int(code, 16) for name, code in encodings.items()}

        def close(one):
            distances = sorted(((values[one] ^ values[other]).bit_count(), other) for other in names if other != one)
            return [(other, distance) for distance, other in distances if distance <= threshold]

        method, wanted = PHash(verbose=False), {name: close(name) for name in names}
        assert method.find_duplicates(None, encodings, threshold, True) == wanted
        removed = set()
        for name in names:
            removed |= {other for other, _ in wanted[name]} if name not in removed else set()
        assert method.find_duplicates_to_remove(None, encodings, threshold) == sorted(removed)

    def test_ties_are_in_the_order_of_names(self):
        same = {"b.jpg": to_hex(0), "c.jpg": to_hex(1), "a.jpg": to_hex(2), "d.jpg": to_hex(0)}
        assert PHash().find_duplicates(encoding_map=same)["b.jpg"] == ["d.jpg", "a.jpg", "c.jpg"]

    def test_readme_chain_drops_only_the_middle(self):
        assert PHash().find_duplicates(encoding_map=chain()) == {
            "1.jpg": ["2.jpg"], "2.jpg": ["1.jpg", "3.jpg"], "3.jpg": ["2.jpg"],
        }  # fmt: skip
        assert PHash().find_duplicates_to_remove(encoding_map=chain()) == ["2.jpg"]

    @pytest.mark.parametrize("scores", [False, True])
    def test_outfile_loads_back_to_the_same_content(self, tmp_path, scores):
        target = tmp_path / "duplicates.json"
        found = PHash().find_duplicates(encoding_map=chain(), scores=scores, outfile=target)
        loaded = {
            name: [tuple(o) if scores else o for o in others] for name, others in json.load(target.open()).items()
        }
        assert loaded == found
        removed = PHash().find_duplicates_to_remove(encoding_map=chain(), outfile=str(target))
        assert json.load(target.open()) == removed

    def test_against_compares_only_with_what_is_there(self, album):
        method = PHash(verbose=False)
        there = {"archive/beach.png": method.encode_image(album / "beach.png"), "other.png": "f" * 16}
        found = method.find_duplicates(album, against=there, scores=True)
        assert list(found) == GOOD
        assert found["beach-copy.png"] == [("archive/beach.png", 0)]
        assert found["forest.png"] == []

    @settings(max_examples=30, deadline=None)
    @given(CODES, CODES, st.integers(0, 64))
    def test_against_is_the_cross_join(self, new, old, threshold):
        new_map, old_map = maps(new), maps(old)
        found = PHash().find_duplicates(
            encoding_map=new_map, max_distance_threshold=threshold, scores=True, against=old_map
        )
        triples = {(one, other, score) for one, others in found.items() for other, score in others}
        left, right = (np.array([int(code, 16) for code in side.values()], np.uint64) for side in (new_map, old_map))
        names = list(new_map), list(old_map)
        assert triples == {
            (names[0][i], names[1][j], d) for i, j, d in naive.hamming_cross_join(left, right, threshold)
        }
        assert list(found) == sorted(new_map)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_hamming_distance_counts_the_bits(one, other):
    assert PHash.hamming_distance(to_hex(one), to_hex(other)) == f"{one ^ other:b}".count("1")


class TestGolden:
    def test_hashes_are_imagededups_bit_for_bit(self, shared):
        golden = json.loads((shared / "golden" / "hashes.json").read_text())
        methods = [kind(verbose=False) for kind in HASHES]
        made = encode_images_with(methods, shared / "data" / "photos")
        checked = 0
        for path, wanted in golden.items():
            if (name := path.removeprefix("data/photos/")) != path:
                assert {method: encodings[name] for method, encodings in made.items()} == wanted, path
                checked += 1
        assert checked == 200

    @pytest.mark.parametrize("folder", ["mixed_images", "photos"])
    def test_duplicates_are_imagededups(self, shared, folder, hasher):
        golden = json.loads((shared / "golden" / "duplicates.json").read_text())
        places = {"photos": "data/photos", "mixed_images": "data/imagededup_fixtures/mixed_images"}
        encodings = hasher.encode_images(shared / places[folder])
        cases = [key.split("/") for key in golden if key.startswith(f"{folder}/{hasher.name}/")]
        assert len(cases) == 3
        for *_, threshold in cases:
            found = hasher.find_duplicates(None, encodings, int(threshold), scores=True)
            listed = {name: sorted(map(list, others)) for name, others in found.items() if others or folder != "photos"}
            assert listed == {
                name: sorted(others) for name, others in golden[f"{folder}/{hasher.name}/{threshold}"].items()
            }
