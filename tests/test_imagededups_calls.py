"""imagededup's calls, name by name: what its users may write here too, and what they are told instead."""

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest
from album import make_album

from dedup_core.evaluation import evaluate
from dedup_core.methods import CNN, AHash, DHash, PHash, WHash
from dedup_core.utils import plot_duplicates

ROOT = Path(__file__).parents[1]
HASHES = (PHash, AHash, DHash, WHash)
SHARED = {
    "encode_image": ["image_file", "image_array"],
    "encode_images": ["image_dir", "recursive", "num_enc_workers"],
}
# The public methods of imagededup 0.3.3 with their arguments, in its order.
THEIRS = {
    "hash": SHARED | {
        "__init__": ["verbose"],
        "hamming_distance": ["hash1", "hash2"],
        "find_duplicates": [
            "image_dir", "encoding_map", "max_distance_threshold", "scores", "outfile", "search_method", "recursive",
            "num_enc_workers", "num_dist_workers",
        ],
        "find_duplicates_to_remove": [
            "image_dir", "encoding_map", "max_distance_threshold", "outfile", "recursive", "num_enc_workers",
            "num_dist_workers",
        ],
    },
    "cnn": SHARED | {
        "__init__": ["verbose", "model_config"],
        "find_duplicates": [
            "image_dir", "encoding_map", "min_similarity_threshold", "scores", "outfile", "recursive",
            "num_enc_workers", "num_sim_workers",
        ],
        "find_duplicates_to_remove": [
            "image_dir", "encoding_map", "min_similarity_threshold", "outfile", "recursive", "num_enc_workers",
            "num_sim_workers",
        ],
    },
    "evaluate": ["ground_truth_map", "retrieved_map", "metric"],
    "plot_duplicates": ["image_dir", "duplicate_map", "filename", "outfile"],
}  # fmt: skip
OF_NO_USE_HERE = {"CNN.apply_preprocess"}  # a step of its networks
MAP = {"a.jpg": "0123456789abcdef", "b.jpg": "0123456789abcdee"}
VECTORS = {"a.jpg": np.float32([[1, 0]]), "b.jpg": np.float32([[4, 3]])}
TRUTH = {"a.jpg": ["b.jpg"], "b.jpg": ["a.jpg"]}


def by_position(function):
    """The names of arguments that may be given by their place, but for self."""
    parameters = inspect.signature(function).parameters.values()
    return [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD and each.name != "self"]


def calls():
    for kind in HASHES:
        yield from ((kind, name, arguments) for name, arguments in THEIRS["hash"].items())
    yield from ((CNN, name, arguments) for name, arguments in THEIRS["cnn"].items())


@pytest.mark.parametrize(
    ("kind", "name", "arguments"), list(calls()), ids=lambda given: getattr(given, "__name__", None)
)
def test_every_argument_has_its_name_and_its_place(kind, name, arguments):
    assert by_position(getattr(kind, name)) == arguments


@pytest.mark.parametrize("function", [evaluate, plot_duplicates])
def test_every_argument_of_a_function_has_its_name_and_its_place(function):
    assert by_position(function) == THEIRS[function.__name__]


def test_the_page_for_its_users_names_every_argument_that_does_nothing_here():
    page = (ROOT / "docs" / "coming-from-imagededup.md").read_text(encoding="utf-8")
    idle = {"search_method", "num_dist_workers", "num_sim_workers", "model_config"}
    assert {name for name in idle | {each.split(".")[1] for each in OF_NO_USE_HERE} if f"`{name}`" not in page} == set()


class TestWithoutEffect:
    @pytest.mark.parametrize("method", ["bktree", "brute_force", "brute_force_cython"])
    def test_every_search_finds_the_same_and_a_warning_says_so(self, method):
        with pytest.warns(RuntimeWarning, match="^search_method has no effect: .* the same pairs$") as warned:
            found = PHash().find_duplicates(encoding_map=MAP, search_method=method)
        assert found == TRUTH
        assert [each.filename for each in warned] == [__file__]

    def test_an_unknown_search_is_refused(self):
        message = "search_method must be 'bktree', 'brute_force' or 'brute_force_cython', not 'kdtree'"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            PHash().find_duplicates(encoding_map=MAP, search_method="kdtree")

    @pytest.mark.parametrize("search", ["find_duplicates", "find_duplicates_to_remove"])
    @pytest.mark.parametrize(
        ("kind", "features", "name"), [(PHash, MAP, "num_dist_workers"), (CNN, VECTORS, "num_sim_workers")]
    )
    def test_workers_of_a_search(self, kind, features, name, search):
        find = getattr(kind(verbose=False), search)
        with pytest.warns(RuntimeWarning, match=f"^{name} has no effect: ") as warned:
            assert find(encoding_map=features, **{name: 4}) == find(encoding_map=features)
        assert [each.filename for each in warned] == [__file__]
        with pytest.raises(TypeError, match=f"^{name} must be an integer, not '4'$"):
            find(encoding_map=features, **{name: "4"})

    @pytest.mark.parametrize("search", ["find_duplicates", "find_duplicates_to_remove"])
    @pytest.mark.parametrize(
        ("given", "category"), [({"recursive": True}, SyntaxWarning), ({"num_enc_workers": 2}, RuntimeWarning)]
    )
    def test_how_to_encode_what_is_encoded(self, search, given, category):
        (name,) = given
        with pytest.warns(category, match=f"^{name} has no effect: an encoding_map is searched as it is") as warned:
            getattr(PHash(), search)(encoding_map=MAP, **given)
        assert [each.filename for each in warned] == [__file__]

    @pytest.mark.filterwarnings("error")
    def test_defaults_warn_of_nothing(self):
        assert PHash().find_duplicates(encoding_map=MAP, recursive=False) == TRUTH

    def test_a_network_of_pytorch_is_told_what_to_give(self):
        with pytest.raises(TypeError, match=r"^model_config.* model=FILE.* find_duplicates\(encoding_map=\.\.\.\)$"):
            CNN(model_config=("default_model", object(), object()))


class TestTakenAsThere:
    def test_all_by_position(self, tmp_path):
        with pytest.warns(RuntimeWarning):
            found = PHash().find_duplicates(None, MAP, 10, True, None, "bktree", False, None, 0)
        assert found == {"a.jpg": [("b.jpg", 1)], "b.jpg": [("a.jpg", 1)]}

    @pytest.mark.parametrize("search", ["find_duplicates", "find_duplicates_to_remove"])
    def test_outfile_false_is_none(self, search, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        find = getattr(PHash(), search)
        assert find(encoding_map=MAP, outfile=False) == find(encoding_map=MAP)
        assert list(tmp_path.iterdir()) == []

    def test_a_figure_without_an_outfile(self, tmp_path):
        album = make_album(tmp_path)
        plot_duplicates(album, {"a.jpg": []}, "a.jpg", outfile=False)
        assert not (tmp_path / "False").exists()

    @pytest.mark.parametrize("metric", ["MAP", "Ndcg", "Jaccard", "CLASSIFICATION", "All"])
    def test_metrics_in_any_case(self, metric):
        assert evaluate(TRUTH, TRUTH, metric).keys() == evaluate(TRUTH, TRUTH, metric.lower()).keys()

    @pytest.mark.parametrize(
        ("one", "other", "distance"),
        [("9", "a", 2), ("0", "0", 0), ("1", "8000000000000000", 2), ("ff", "00000000000000ff", 0), ("FF", "f0", 4)],
    )
    def test_short_hashes_are_measured_as_with_zeros_before_them(self, one, other, distance):
        assert PHash.hamming_distance(one, other) == distance

    @pytest.mark.parametrize(
        "kind", [np.uint8, np.int64, np.float16, np.float64, lambda numbers: numbers, lambda numbers: [numbers], tuple]
    )
    def test_vectors_of_any_numbers(self, kind):
        vectors = {"a.jpg": kind([1, 0]), "b.jpg": kind([4, 3]), "c.jpg": kind([0, 1])}
        found = CNN().find_duplicates(encoding_map=vectors, min_similarity_threshold=0.7, scores=True)
        assert found == {"a.jpg": [("b.jpg", 0.8)], "b.jpg": [("a.jpg", 0.8)], "c.jpg": []}

    def test_verbose_shows_how_far_a_short_run_is(self, tmp_path, capsys):
        album = make_album(tmp_path)
        PHash(verbose=True).encode_images(album)
        assert "100%" in capsys.readouterr().err
        PHash(verbose=False).encode_images(album)
        assert capsys.readouterr().err == ""

    def test_a_map_is_a_dictionary_that_json_takes(self, tmp_path):
        found = PHash().find_duplicates(encoding_map=MAP, scores=True, outfile=tmp_path / "found.json")
        assert json.loads(json.dumps(found)) == json.loads((tmp_path / "found.json").read_text())
