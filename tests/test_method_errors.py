"""What a caller gets wrong is said in full: which argument, what it must be, what it was."""

import re

import numpy as np
import pytest
from album import make_album

from dedup_core.encoders.encoder import Decoding
from dedup_core.methods import DHash, PHash, encode_images_with

HASH = "0123456789abcdef"
MAP = {"a.jpg": HASH}


def raises(kind, message):
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


@pytest.fixture
def phash():
    return PHash(verbose=False)


@pytest.mark.parametrize("search", ["find_duplicates", "find_duplicates_to_remove"])
class TestSearchArguments:
    @pytest.mark.parametrize("value", [10.0, "10", None, True])
    def test_threshold_must_be_an_integer(self, phash, search, value):
        with raises(TypeError, f"max_distance_threshold must be an integer, not {value!r}"):
            getattr(phash, search)(encoding_map=MAP, max_distance_threshold=value)

    @pytest.mark.parametrize("value", [-1, 65])
    def test_threshold_must_be_in_range(self, phash, search, value):
        with raises(ValueError, f"max_distance_threshold must be 0 to 64, not {value}"):
            getattr(phash, search)(encoding_map=MAP, max_distance_threshold=value)

    @pytest.mark.parametrize("value", [0, 64, np.int64(10)])
    def test_ends_of_the_range_and_numpy_integers_will_do(self, phash, search, value):
        assert list(getattr(phash, search)(encoding_map=MAP, max_distance_threshold=value)) in ([], ["a.jpg"])

    def test_exactly_one_source(self, phash, search, tmp_path):
        with raises(ValueError, "give either image_dir or encoding_map: neither was given"):
            getattr(phash, search)()
        with raises(ValueError, "give either image_dir or encoding_map: both were given"):
            getattr(phash, search)(image_dir=tmp_path, encoding_map=MAP)

    def test_encoding_map_must_map_names_to_hashes(self, phash, search):
        find = getattr(phash, search)
        with raises(TypeError, "encoding_map must be a dictionary of names and features, not list"):
            find(encoding_map=[HASH])
        with raises(TypeError, "encoding_map must have file names as keys, not 1"):
            find(encoding_map={1: HASH})
        with raises(TypeError, "encoding_map['b.jpg'] must be a string of 16 hexadecimal characters, not 5"):
            find(encoding_map=MAP | {"b.jpg": 5})

    @pytest.mark.parametrize(
        "text", ["", HASH[1:], HASH + "0", "0x23456789abcdef", "0123 56789abcdef", HASH + "\n", "é" * 16]
    )
    def test_malformed_hash_is_named(self, phash, search, text):
        with raises(ValueError, f"encoding_map['b.jpg'] must have 16 hexadecimal characters, not be {text!r}"):
            getattr(phash, search)(encoding_map=MAP | {"b.jpg": text})

    def test_outfile_must_be_a_file_in_a_folder(self, phash, search, tmp_path):
        find = getattr(phash, search)
        with raises(TypeError, "outfile must be a path, not 3"):
            find(encoding_map=MAP, outfile=3)
        for wrong in (tmp_path, tmp_path / "none" / "out.json"):
            with raises(ValueError, f"outfile must be a file in an existing folder, and {str(wrong)!r} is none"):
                find(encoding_map=MAP, outfile=wrong)

    def test_other_methods_encodings_are_refused(self, phash, search, tmp_path):
        others = DHash(verbose=False).encode_images(tmp_path)
        message = "encoding_map holds features of 'dhash-64-v2', which can't be compared with 'phash-64-v2'"
        with raises(ValueError, message):
            getattr(phash, search)(encoding_map=others)


class TestFolderArguments:
    @pytest.mark.parametrize("call", ["encode_images", "find_duplicates", "find_duplicates_to_remove"])
    def test_folder_must_exist(self, phash, call, tmp_path):
        missing = tmp_path / "missing"
        with raises(ValueError, f"image_dir must be a folder, and {str(missing)!r} is none"):
            getattr(phash, call)(missing)
        with raises(TypeError, "image_dir must be a path, not 7"):
            getattr(phash, call)(7)

    @pytest.mark.parametrize("call", ["encode_images", "find_duplicates", "find_duplicates_to_remove"])
    def test_options_are_checked(self, phash, call, tmp_path):
        encode = getattr(phash, call)
        with raises(TypeError, "recursive must be True or False, not 'yes'"):
            encode(tmp_path, recursive="yes")
        with raises(TypeError, "num_enc_workers must be an integer, not True"):
            encode(tmp_path, num_enc_workers=True)
        with raises(ValueError, "num_enc_workers must be at least 0, not -1"):
            encode(tmp_path, num_enc_workers=-1)

    def test_scores_must_be_true_or_false(self, phash):
        with raises(TypeError, "scores must be True or False, not 1"):
            phash.find_duplicates(encoding_map=MAP, scores=1)

    def test_against_is_checked_like_an_encoding_map(self, phash):
        with raises(ValueError, "against['b.jpg'] must have 16 hexadecimal characters, not be 'x'"):
            phash.find_duplicates(encoding_map=MAP, against={"b.jpg": "x"})


class TestImageArguments:
    def test_exactly_one_image(self, phash):
        with raises(ValueError, "give either image_file or image_array: neither was given"):
            phash.encode_image()
        with raises(ValueError, "give either image_file or image_array: both were given"):
            phash.encode_image("a.jpg", np.zeros((8, 8), np.uint8))

    def test_file_must_exist(self, phash, tmp_path):
        for wrong in (tmp_path, tmp_path / "none.jpg"):
            with raises(ValueError, f"image_file must be an image, and there is no file {str(wrong)!r}"):
                phash.encode_image(wrong)
        with raises(TypeError, "image_file must be a path, not 3"):
            phash.encode_image(3)

    def test_array_must_look_like_an_image(self, phash):
        with raises(TypeError, "image_array must be a numpy array, not list"):
            phash.encode_image(image_array=[[1]])
        with raises(
            ValueError,
            "image_array must be uint8 of shape (height, width) or (height, width, 1, 3 or 4), got float64 (8, 8)",
        ):
            phash.encode_image(image_array=np.zeros((8, 8)))


def test_hamming_distance_takes_two_hashes():
    with raises(TypeError, "hash2 must be a string of 1 to 16 hexadecimal characters, not 3"):
        PHash.hamming_distance(HASH, 3)
    with raises(ValueError, "hash1 must have 1 to 16 hexadecimal characters, not be 'x'"):
        PHash.hamming_distance("x", HASH)


class TestMethodArguments:
    def test_constructor(self):
        with raises(TypeError, "verbose must be True or False, not 'no'"):
            PHash(verbose="no")
        with raises(TypeError, "decoding must be a Decoding, not 'exif'"):
            PHash(decoding="exif")

    def test_methods_must_go_together(self, tmp_path):
        album = make_album(tmp_path)
        with raises(TypeError, "methods must be a list such as [PHash(), DHash()], not []"):
            encode_images_with([], album)
        with raises(TypeError, "methods must be a list such as [PHash(), DHash()], not ['phash']"):
            encode_images_with(["phash"], album)
        with raises(ValueError, "methods must differ in kind, not be phash, phash"):
            encode_images_with([PHash(), PHash()], album)
        with raises(ValueError, "methods must have the same decoding: each image is decoded once for all of them"):
            encode_images_with([PHash(), DHash(decoding=Decoding(orientation="exif"))], album)
