"""The one-machine API: the laws that every hash keeps, imagededup's golden results, and what its README promises."""

import json
import logging
import subprocess
import sys
import textwrap
import tracemalloc
from functools import partial

import naive
import numpy as np
import pytest
from album import BROKEN, GOOD, make_album, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dedup_core.encoders import encoder
from dedup_core.encoders.encoder import Decoding
from dedup_core.encoders.hashes import to_hex
from dedup_core.encoders.registry import ENCODERS
from dedup_core.errors import LimitError
from dedup_core.images.picture import Failure
from dedup_core.methods import AHash, DHash, PHash, WHash, encode_images_with, finding

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
        real = encoder.decode
        monkeypatch.setattr(encoder, "decode", lambda *given: decoded.append(1) or real(*given))
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

    @pytest.mark.parametrize(
        ("recursive", "told"),
        [(False, "There is no file in {}; recursive=True looks in the folders inside it, too"),
         (True, "There is no file in {}")],
    )  # fmt: skip
    def test_says_where_there_is_nothing(self, tmp_path, caplog, recursive, told):
        (tmp_path / "inside").mkdir()
        with caplog.at_level(logging.WARNING):
            assert PHash().encode_images(tmp_path, recursive) == {}
            assert PHash(verbose=False).encode_images(tmp_path, recursive) == {}
        assert [record.getMessage() for record in caplog.records] == [told.format(tmp_path)]


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


class TestCopies:
    @settings(max_examples=60, deadline=None)
    @given(CODES, st.integers(0, 64), st.sampled_from([0, 3, 5_000_000]))
    def test_removals_are_those_of_the_walk_however_few_pairs_are_held(self, codes, threshold, held):
        encodings, finder = maps(codes), PHash(verbose=False)
        whole_map = finder.find_duplicates(encoding_map=encodings, max_distance_threshold=threshold)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(finding, "_FEWEST_HELD", held)
            patched.setattr(finding, "_HELD_A_VALUE", 0)
            removed = finder.find_duplicates_to_remove(encoding_map=encodings, max_distance_threshold=threshold)
        assert removed == sorted(naive.removals_of_map(whole_map))

    @pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
    @pytest.mark.parametrize("copies", [15_000, 200_000])
    def test_many_copies_take_memory_for_the_images_not_for_their_pairs(self, copies):
        script = f"""
            from dedup_core.methods import PHash
            names = {{f"{{number:06d}}.jpg": "8ce3d9b83acbc534" for number in range({copies})}}
            removed = PHash(verbose=False).find_duplicates_to_remove(encoding_map=names)
            assert removed == sorted(names)[1:]
            print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
        """
        command = [sys.executable, "-c", textwrap.dedent(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(done.stdout) < 2**19  # KiB

    def test_many_images_that_are_only_alike_are_compared_in_bounded_memory(self, monkeypatch):
        monkeypatch.setattr(finding, "_FEWEST_HELD", 5000)
        monkeypatch.setattr(finding, "_HELD_A_VALUE", 0)
        codes = np.random.default_rng(0).integers(0, 1 << 12, 3000)
        encodings = {f"{number:04}.jpg": to_hex(int(code)) for number, code in enumerate(codes)}
        removed = PHash(verbose=False).find_duplicates_to_remove(encoding_map=encodings, max_distance_threshold=3)
        names, kept, expected = sorted(encodings), [], []
        for name, code in zip(names, codes.tolist(), strict=True):
            is_near = any(bin(code ^ other).count("1") <= 3 for other in kept)
            (expected.append(name) if is_near else kept.append(code))
        assert removed == expected


class TestMaxPairs:
    @settings(max_examples=40, deadline=None)
    @given(CODES, st.integers(0, 64))
    def test_a_map_of_so_many_pairs_is_made_and_of_one_more_is_not(self, codes, threshold):
        encodings, finder = maps(codes), PHash(verbose=False)
        given_to_all = {"encoding_map": encodings, "max_distance_threshold": threshold}
        found = finder.find_duplicates(**given_to_all)
        pairs = sum(map(len, found.values())) // 2
        assert finder.find_duplicates(**given_to_all, max_pairs=pairs) == found
        if pairs:
            with pytest.raises(LimitError, match=f"or more pairs .* more than max_pairs={pairs - 1:,}: "):
                finder.find_duplicates(**given_to_all, max_pairs=pairs - 1)

    @settings(max_examples=30, deadline=None)
    @given(CODES, CODES, st.integers(0, 64))
    def test_pairs_with_what_is_there_count_too(self, new, old, threshold):
        finder = PHash(verbose=False)
        call = partial(finder.find_duplicates, None, maps(new), threshold, against=maps(old))
        found = call()
        pairs = sum(map(len, found.values()))
        assert call(max_pairs=pairs) == found
        if pairs:
            with pytest.raises(LimitError, match=r"max_pairs=\d+: a stricter threshold has fewer$"):
                call(max_pairs=pairs - 1)

    def test_copies_are_counted_before_any_is_listed(self, tmp_path):
        names = {f"{number:05}.jpg": "8ce3d9b83acbc534" for number in range(15_000)}
        message = (
            r"^112,492,500 or more pairs of images lie within the threshold, more than max_pairs=20,000,000: a "
            r"stricter threshold has fewer, a larger max_pairs takes more memory, and find_duplicates_to_remove needs "
            r"no list of pairs$"
        )
        tracemalloc.start()
        with pytest.raises(LimitError, match=message):
            PHash(verbose=False).find_duplicates(encoding_map=names, outfile=tmp_path / "map.json")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20 * 2**20
        assert not (tmp_path / "map.json").exists()

    def test_max_pairs_must_be_a_count(self):
        with pytest.raises(TypeError, match=r"^max_pairs must be an integer, not 1\.5$"):
            PHash().find_duplicates(encoding_map={}, max_pairs=1.5)
        with pytest.raises(ValueError, match=r"^max_pairs must be at least 0, not -1$"):
            PHash().find_duplicates(encoding_map={}, max_pairs=-1)


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
