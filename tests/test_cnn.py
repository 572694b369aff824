"""CNN: what it adds to the laws of the hashes. Searching needs no TensorFlow; encoding does."""

import json
import re

import naive
import numpy as np
import pytest
from album import BROKEN, GOOD, make_album
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core.cosine.join import self_join
from dedup_core.errors import LimitError, SettingsError
from dedup_core.methods import CNN, PHash, encode_images_with, finding

VECTORS = {
    "b.jpg": np.float32([[1, 0]]), "a.jpg": np.float32([[2, 0]]), "c.jpg": np.float32([[4, 3]]),
    "d.jpg": np.float32([[0, 1]]),
}  # fmt: skip


def raises(kind, message):
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


@pytest.fixture
def finder():
    return CNN(verbose=False)


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    reason = "TensorFlow is not installed: pip install 'dedup-core[cnn]'"
    keras = pytest.importorskip("tensorflow", reason=reason).keras
    keras.utils.set_random_seed(0)
    shape = (224, 224, 3)
    network = keras.applications.MobileNet(include_top=False, pooling="avg", input_shape=shape, weights=None)
    weights = tmp_path_factory.mktemp("weights") / "seeded.weights.h5"
    network.save_weights(weights)
    return CNN(verbose=False, weights=weights, batch_size=4)


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    return make_album(tmp_path_factory.mktemp("album"))


class TestFinding:
    def test_map_is_best_first_with_ties_by_name_and_float_scores(self, finder):
        found = finder.find_duplicates(encoding_map=VECTORS, min_similarity_threshold=0.6, scores=True)
        assert found == {
            "a.jpg": [("b.jpg", 1.0), ("c.jpg", 0.8)],
            "b.jpg": [("a.jpg", 1.0), ("c.jpg", 0.8)],
            "c.jpg": [("a.jpg", 0.8), ("b.jpg", 0.8), ("d.jpg", 0.6)],
            "d.jpg": [("c.jpg", 0.6)],
        }
        assert all(type(score) is float for others in found.values() for _, score in others)

    def test_default_threshold_is_0_9(self, finder):
        assert finder.find_duplicates(encoding_map=VECTORS) == {
            "a.jpg": ["b.jpg"], "b.jpg": ["a.jpg"], "c.jpg": [], "d.jpg": [],
        }  # fmt: skip

    def test_removals(self, finder):
        assert finder.find_duplicates_to_remove(encoding_map=VECTORS, min_similarity_threshold=0.6) == [
            "b.jpg",
            "c.jpg",
        ]

    def test_shapes_1_n_and_n_and_any_float_will_do(self, finder):
        flat = {name: vector.ravel().astype(np.float64) for name, vector in VECTORS.items()}
        assert finder.find_duplicates(encoding_map=flat) == finder.find_duplicates(encoding_map=VECTORS)

    def test_outfile_loads_back_to_the_same_content(self, finder, tmp_path):
        target = tmp_path / "out.json"
        found = finder.find_duplicates(encoding_map=VECTORS, min_similarity_threshold=0.1, scores=True, outfile=target)
        assert {name: list(map(tuple, others)) for name, others in json.loads(target.read_text()).items()} == found

    def test_against_with_nothing_on_a_side(self, finder):
        assert finder.find_duplicates(encoding_map={}) == {}
        assert finder.find_duplicates(encoding_map={}, against=VECTORS) == {}
        assert finder.find_duplicates(encoding_map=VECTORS, against={}) == {name: [] for name in sorted(VECTORS)}

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), max_size=8), st.floats(-1, 1))
    def test_against_oneself_is_the_map_and_oneself(self, rows, threshold):
        vectors = {f"{position}.jpg": np.float32([row]) for position, row in enumerate(rows) if any(row)}
        finder = CNN(verbose=False)
        found = finder.find_duplicates(encoding_map=vectors, min_similarity_threshold=threshold)
        crossed = finder.find_duplicates(encoding_map=vectors, min_similarity_threshold=threshold, against=vectors)
        assert {name: sorted([*others, name]) for name, others in found.items()} == {
            name: sorted(others) for name, others in crossed.items()
        }


ROWS = st.lists(st.tuples(*[st.integers(-1, 1)] * 3).map(lambda row: tuple(map(float, row))), max_size=10)
AT = st.sampled_from([-1.0, -0.5, 0.0, 1e-9, 0.5, 0.9, 1.0])


class TestCopies:
    @settings(max_examples=100, deadline=None)
    @given(ROWS, AT, st.sampled_from([0, 2, 5_000_000]))
    def test_removals_and_map_are_those_of_all_rows_joined_one_by_one(self, rows, threshold, held):
        names = [f"{position}.jpg" for position in range(len(rows))]
        vectors = np.array(rows, np.float32).reshape(-1, 3)
        vectors[1::2] *= -1.0  # brings in zeros with a sign
        pairs = self_join(vectors, threshold)
        ends = [(names[a], names[b]) for a, b in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)]
        finder, given_to_both = CNN(verbose=False), dict(zip(names, vectors[:, None], strict=True))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(finding, "_FEWEST_HELD", held)
            patched.setattr(finding, "_HELD_A_VALUE", 0)
            removed = finder.find_duplicates_to_remove(encoding_map=given_to_both, min_similarity_threshold=threshold)
        assert removed == sorted(naive.greedy_removals(names, ends))
        found = finder.find_duplicates(
            encoding_map=given_to_both, min_similarity_threshold=threshold, scores=True, max_pairs=len(pairs)
        )
        listed = {(one, other, score) for one, others in found.items() for other, score in others}
        both_ways = [(ends, pairs.score.tolist()), ([(b, a) for a, b in ends], pairs.score.tolist())]
        assert listed == {(*end, score) for way in both_ways for end, score in zip(*way, strict=True)}
        if len(pairs):
            with pytest.raises(LimitError, match="or more pairs of images lie within the threshold"):
                finder.find_duplicates(
                    encoding_map=given_to_both, min_similarity_threshold=threshold, max_pairs=len(pairs) - 1
                )

    def test_copies_of_a_vector_are_compared_once(self):
        one = np.random.default_rng(0).random((1, 256), dtype=np.float32)
        vectors = {f"{number:05}.jpg": one.copy() for number in range(20_000)}
        finder = CNN(verbose=False)
        assert finder.find_duplicates_to_remove(encoding_map=vectors) == sorted(vectors)[1:]
        with pytest.raises(LimitError, match=r"^199,990,000 or more pairs of images"):
            finder.find_duplicates(encoding_map=vectors)
        with pytest.raises(LimitError, match=r"^400,000,000 or more pairs of images"):
            finder.find_duplicates(encoding_map=vectors, against=vectors)


class TestErrors:
    @pytest.mark.parametrize("search", ["find_duplicates", "find_duplicates_to_remove"])
    def test_threshold(self, finder, search):
        find = getattr(finder, search)
        for wrong in ("0.9", None, True):
            with raises(TypeError, f"min_similarity_threshold must be a number, not {wrong!r}"):
                find(encoding_map=VECTORS, min_similarity_threshold=wrong)
        for wrong in (-1.1, 1.1, float("nan")):
            with raises(ValueError, f"min_similarity_threshold must be -1.0 to 1.0, not {wrong}"):
                find(encoding_map=VECTORS, min_similarity_threshold=wrong)

    def test_malformed_vector_is_named(self, finder):
        def find(wrong):
            return finder.find_duplicates(encoding_map=VECTORS | {"x.jpg": wrong})

        with raises(TypeError, "encoding_map['x.jpg'] must be an array of numbers, not str"):
            find("0123456789abcdef")
        with raises(TypeError, "encoding_map['x.jpg'] must be an array of numbers, not bool"):
            find(np.array([[True, False]]))
        with raises(ValueError, "encoding_map['x.jpg'] must have the shape (1, n) or (n,), not (2, 2)"):
            find(np.ones((2, 2)))
        with raises(ValueError, "encoding_map['x.jpg'] must have finite numbers only"):
            find(np.float32([[1, np.nan]]))
        with raises(ValueError, "encoding_map['x.jpg'] must have 2 numbers like the first, not 3"):
            find(np.ones((1, 3)))

    def test_constructor(self):
        with raises(ValueError, "batch_size must be at least 1, not 0"):
            CNN(batch_size=0)
        with raises(TypeError, "weights must be a path, not 3"):
            CNN(weights=3)
        with raises(TypeError, "model must be a path, not 3"):
            CNN(model=3)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"weights": "absent.h5"}, r"^no weights file .*absent\.h5; give a file of MobileNet's weights"),
            ({"model": "absent.keras"}, r"^no model file .*absent\.keras; give a file that Keras's model\.save wrote"),
            ({"weights": ""}, r"^can't read the weights file .* \(.+\); give a file of MobileNet's weights"),
            ({"model": ""}, r"^can't read the model file .* \(.+\); give a file that Keras's model\.save wrote"),
        ],
        ids=["no weights", "no model", "weights that are a folder", "a model that is a folder"],
    )
    def test_a_file_that_can_not_be_had_is_named_with_what_to_give(self, tmp_path, given, message):
        with pytest.raises(SettingsError, match=message):
            _ = CNN(verbose=False, **{name: tmp_path / file for name, file in given.items()}).encoder


class TestEncoding:
    def test_features_are_float32_1_by_1024(self, cnn, album):
        encodings = cnn.encode_images(album)
        assert list(encodings) == GOOD
        assert list(cnn.failures) == list(BROKEN)
        assert {(array.shape, array.dtype) for array in encodings.values()} == {((1, 1024), np.dtype(np.float32))}
        np.testing.assert_allclose(cnn.encode_image(album / "beach.png"), encodings["beach.png"], atol=1e-5)

    def test_equal_files_are_duplicates_and_nothing_is_its_own(self, cnn, album):
        found = cnn.find_duplicates(album, min_similarity_threshold=0.9999, scores=True)
        assert found["beach.png"][0] == ("beach-copy.png", pytest.approx(1.0))
        assert all(name not in dict(others) for name, others in found.items())

    def test_another_batch_size_is_another_network_with_the_same_embeddings(self, cnn, album):
        other = CNN(verbose=False, weights=cnn._weights, batch_size=2)
        assert other.encoder.batch_size == 2 != cnn.encoder.batch_size
        assert other.fingerprint == cnn.fingerprint
        ours, others = (method.encode_images(album) for method in (cnn, other))
        assert all(np.allclose(ours[name], others[name], atol=1e-4) for name in ours)

    def test_processes_decode_and_this_one_embeds(self, cnn, album):
        methods = [PHash(verbose=False), cnn]
        alone, together = (encode_images_with(methods, album, num_enc_workers=n) for n in (0, 1))
        assert together["phash"] == alone["phash"]
        for name in GOOD:
            np.testing.assert_array_equal(together["cnn"][name], alone["cnn"][name])

    def test_parquet_round_trip(self, cnn, album, tmp_path):
        encodings = cnn.encode_images(album)
        cnn.save_encodings(encodings, tmp_path)
        loaded = cnn.load_encodings(tmp_path)
        assert list(loaded) == GOOD
        for name in GOOD:
            np.testing.assert_array_equal(loaded[name], encodings[name])
        assert cnn.find_duplicates(album, against=loaded)["beach.png"][0] in ("beach.png", "beach-copy.png")
