"""Whatever a caller gives, the answer names the argument: a TypeError or a ValueError of one line, and nothing else."""

import re
from functools import partial

import numpy as np
import pytest
from album import make_album
from PIL import Image

from dedup_core import arguments, cosine
from dedup_core.encoders import Decoding
from dedup_core.evaluation import evaluate
from dedup_core.images import from_array, list_images
from dedup_core.methods import CNN, ORB, Combined, PHash, encode_images_with, score_pair
from dedup_core.utils import plot_duplicates
from dedup_core.verify import verify_files

LONG = "x" * 5000
HASH = "0123456789abcdef"
MAP = {"a.jpg": HASH}
TRUTH = {"a.jpg": ["b.jpg"], "b.jpg": ["a.jpg"]}
NO_PATHS = [b"a.jpg", 3, 1.5, True, [], "", LONG, f"{LONG}/a.jpg", "a\0b", "a\ud800.jpg"]
NO_COUNTS = ["1", b"1", True, -1, 1.5, [], float("nan"), np.float32(2)]
NO_FLAGS = [0, 1, None, "yes", []]
NO_WORDS = [None, 3, True, "", "EXIF", "nonsense", LONG, b"stored", []]
NO_HASHES = [None, 3, b"0" * 16, "", "g" * 16, HASH + "0", [], {}, LONG]
NO_VECTORS = [
    None, 3, "x", {}, [], ["x"], [[1, 2], [3]], np.array(["x"]), np.array([True]), np.array([1j]), np.array(3.0),
    np.array([1, None]), np.array([]), np.ones((2, 2)), np.array([np.nan]), np.array([np.inf]), np.array([1e300]),
]  # fmt: skip
NO_PICTURES = [
    [[1]], "x", 3, np.zeros((8, 8)), np.zeros((8, 8), bool), np.zeros((8, 8), np.int64), np.zeros((8, 8), object),
    np.zeros(8, np.uint8), np.zeros((8, 8, 5), np.uint8), np.zeros((0, 8), np.uint8), np.zeros((2, 2, 2, 3), np.uint8),
    np.zeros((600_000, 1), np.uint8), np.array(["a"]), Image.new("L", (8, 8)),
]  # fmt: skip
NO_LISTS = [None, 3, "b.jpg", b"b.jpg", {"b.jpg"}, {"b.jpg": 3}, np.array(["b.jpg"])]
NO_ENTRIES = [None, 3, b"b.jpg", ("b.jpg",), (3, "b.jpg"), ("b.jpg", None), ("b.jpg", [1]), ("b.jpg", {}),
              ("b.jpg", 1j), ("b.jpg", True), ("b.jpg", 1, 2), ("b.jpg", 1, "x", None, 5)]  # fmt: skip

phash, cnn, orb = PHash(verbose=False), CNN(verbose=False), ORB(verbose=False)
both_files = {"one": "beach-small.jpg", "other": "beach-small.jpg"}
in_map = {"encoding_map": MAP}


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    return make_album(tmp_path_factory.mktemp("album"))


@pytest.fixture
def in_album(album, monkeypatch):
    monkeypatch.chdir(album)


CALLS = [
    (phash.encode_image, {}, "image_file", NO_PATHS),
    (phash.encode_images, {}, "image_dir", [*NO_PATHS, None, "nowhere"]),
    (phash.find_duplicates, {}, "image_dir", NO_PATHS),
    (phash.find_duplicates_to_remove, in_map, "outfile", NO_PATHS),
    (phash.save_encodings, {"encodings": MAP}, "table", [*NO_PATHS, None]),
    (phash.load_encodings, {}, "table", [*NO_PATHS, None]),
    (CNN, {}, "weights", [*NO_PATHS, None]),
    (CNN, {}, "model", NO_PATHS),
    (list_images, {}, "folder", [3, None, b"x", [], "", LONG]),
    *((function, both_files, name, [*NO_PATHS, None, "nowhere"])
      for function in (score_pair, verify_files) for name in ("one", "other")),
    *((function, both_files, "max_pixels", [*NO_COUNTS, 0, None]) for function in (score_pair, verify_files)),
    *((function, both_files, "orientation", NO_WORDS) for function in (score_pair, verify_files)),
    (score_pair, both_files, "min_inliers", [*NO_COUNTS, 0, 401, None]),
    (Decoding, {}, "max_pixels", [*NO_COUNTS, 0, None]),
    (Decoding, {}, "orientation", NO_WORDS),
    (Decoding, {}, "transparency", NO_WORDS),
    (Decoding, {}, "mode", NO_WORDS),
    (PHash, {}, "decoding", [None, "exif", LONG, Decoding]),
    (PHash, {}, "orientations", NO_FLAGS),
    (PHash, {}, "verbose", NO_FLAGS),
    (CNN, {}, "batch_size", [*NO_COUNTS, 0, None]),
    (CNN, {}, "model_config", [object(), "resnet", {}]),
    (ORB, {}, "min_votes", [*NO_COUNTS, 0, None]),
    (ORB, {}, "max_code_distance", [*NO_COUNTS, 65, None]),
    (Combined, {}, "methods", ["phash", PHash, [], ["phash"], [PHash], 3, PHash(), [None]]),
    (partial(encode_images_with, image_dir="."), {}, "methods", [None, "phash", PHash, [], [PHash], 3, PHash(), {}]),
    *((function, {"image_dir": "."}, "num_enc_workers", NO_COUNTS) for function in
      (phash.encode_images, phash.find_duplicates, phash.find_duplicates_to_remove)),
    (phash.find_duplicates, in_map, "num_enc_workers", NO_COUNTS),
    (phash.find_duplicates, in_map, "recursive", NO_FLAGS),
    (phash.find_duplicates, in_map, "verified", NO_FLAGS),
    (phash.find_duplicates, in_map, "scores", NO_FLAGS),
    (phash.find_duplicates, in_map, "max_pairs", NO_COUNTS),
    (phash.find_duplicates, in_map, "search_method", NO_WORDS[1:]),
    (phash.find_duplicates, in_map, "num_dist_workers", NO_COUNTS),
    (phash.find_duplicates, in_map, "max_distance_threshold", [*NO_COUNTS, 65, 10**400, None]),
    (phash.find_duplicates, {}, "encoding_map", [[], "x", 3, {1: HASH}, {None: HASH}, {b"a": HASH}]),
    (phash.find_duplicates, {}, "encoding_map", [{"a": given} for given in NO_HASHES]),
    (phash.find_duplicates, in_map, "against", [{"a": given} for given in NO_HASHES]),
    (phash.hamming_distance, {"hash1": HASH}, "hash2", NO_HASHES),
    (cnn.find_duplicates, {}, "encoding_map", [{"a": given} for given in NO_VECTORS]),
    (partial(cnn.find_duplicates, encoding_map={"a": [1]}), {}, "min_similarity_threshold",
     ["1", None, True, [], 1j, float("nan"), float("inf"), -2, 10**400, -(10**400)]),
    (partial(orb.find_duplicates, encoding_map={}), {}, "scores", NO_FLAGS),
    (partial(orb.find_duplicates, encoding_map={}), {}, "relations", NO_FLAGS),
    (orb.find_duplicates, {}, "encoding_map", [{"a": given} for given in (None, HASH, 3, {})]),
    (phash.encode_image, {}, "image_array", NO_PICTURES),
    (lambda image_array: from_array(image_array), {}, "image_array", [*NO_PICTURES, None]),
    (partial(cosine.self_join, np.eye(2, dtype=np.float32), 0.5), {}, "threads", [*NO_COUNTS, 0, None]),
    (partial(cosine.cross_join, *[np.eye(2, dtype=np.float32)] * 2, 0.5), {}, "threads", [*NO_COUNTS, 0, None]),
    (partial(evaluate, TRUTH, TRUTH), {}, "metric", [None, 3, [], b"map", "", "precision", LONG]),
    *((partial(evaluate, **{side: TRUTH}), {}, other, wrong)
      for side, other in (("ground_truth_map", "retrieved_map"), ("retrieved_map", "ground_truth_map"))
      for wrong in ([None, [], "x", 3, {1: [], 2: []}, {None: []}, {LONG: ["b.jpg"]}],
                    [{"a.jpg": given, "b.jpg": []} for given in NO_LISTS],
                    [{"a.jpg": [given], "b.jpg": []} for given in NO_ENTRIES])),
    *((partial(plot_duplicates, ".", filename="a.jpg"), {}, "duplicate_map", wrong)
      for wrong in ([None, [], "x", 3, {}, {1: []}], [{"a.jpg": given} for given in NO_LISTS],
                    [{"a.jpg": [given]} for given in NO_ENTRIES])),
    (partial(plot_duplicates, ".", TRUTH), {}, "filename", [None, b"a.jpg", 3, [], "", LONG, "a\0b", "c.jpg"]),
    (partial(plot_duplicates, duplicate_map=TRUTH, filename="a.jpg"), {}, "image_dir", [*NO_PATHS, None, "nowhere"]),
    (partial(plot_duplicates, ".", TRUTH, "a.jpg"), {}, "outfile", [*NO_PATHS, "nowhere/a.png", "a.doc"]),
]  # fmt: skip


@pytest.mark.usefixtures("in_album")
@pytest.mark.parametrize(("function", "others", "name", "wrong"), CALLS)
def test_an_odd_argument_is_named_in_one_line(function, others, name, wrong):
    unclear = {}
    for given in wrong:
        try:
            answer = function(**{**others, name: given})
        except (TypeError, ValueError) as error:
            answer = str(error)
            if name in answer and "\n" not in answer and len(answer) < 600:
                continue
        unclear[repr(given)[:60]] = answer
    assert unclear == {}


def raises(kind, message):
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


def test_what_the_errors_say():
    with raises(ValueError, "max_pixels must be at least 1, not -1"):
        Decoding(max_pixels=-1)
    with raises(ValueError, "orientation must be 'stored' or 'exif', not 'exiv' (did you mean 'exif'?)"):
        Decoding(orientation="exiv")
    with raises(TypeError, "mode must be 'exact' or 'fast', not True"):
        Decoding(mode=True)
    with raises(ValueError, "image_file must be a path, not ''"):
        phash.encode_image("")
    with raises(ValueError, "threads must be at least 1, not 0"):
        cosine.self_join(np.eye(2, dtype=np.float32), 0.5, threads=0)
    with raises(TypeError, "duplicate_map must be a dictionary of lists, as find_duplicates returns, not NoneType"):
        plot_duplicates(".", None, "a.jpg")
    with raises(TypeError, "retrieved_map must have file names as keys, not 1"):
        evaluate(TRUTH, {1: []})
    with raises(ValueError, "encoding_map['a'] must have numbers that float32 can hold, not 1e+300"):
        cnn.find_duplicates(encoding_map={"a": np.array([1e300])})
    with pytest.raises(ValueError, match=r"^image_file .*'x{99}….*: it is too long$"):
        phash.encode_image(LONG)


@pytest.mark.parametrize("given", ["a.jpg", "caf\udce9.jpg", "ä/ö.jpg"])
def test_any_name_that_a_file_can_have_is_a_path(given):
    assert str(arguments.path(given, "image_file")) == given


def test_what_is_shown_of_a_value_is_short():
    class Odd:
        def __repr__(self):
            raise RuntimeError("no")

    assert arguments.shown(Odd()) == "a Odd"
    assert arguments.shown("a") == "'a'"
    assert len(arguments.shown(LONG)) < 250
