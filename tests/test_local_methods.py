"""ORB and Combined on one machine: what they find of edited photographs, and what they call it."""

import json
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from dedup_core.corpus.edits import EDITS
from dedup_core.encoders.encoder import Decoding
from dedup_core.errors import LimitError
from dedup_core.evaluation.maps import evaluate
from dedup_core.geometry.judge import judge, prepared
from dedup_core.local.features import LocalFeatures
from dedup_core.methods import CNN, ORB, Combined, DHash, PHash, encode_images_with, judging
from dedup_core.plotting.duplicates import plot_duplicates
from dedup_core.relations import Related

SHOWN = ("astronaut", "chelsea", "coffee", "rocket")
MADE = {"crop_25": "cropped", "flip_horizontal": "mirrored", "rotate_90": "rotated", "half_size": "resized",
        "border": "framed", "recompressed": "re_encoded"}  # fmt: skip
ODD = {"pixel.png": (1, 1), "red.png": (80, 60), "red-copy.png": (80, 60), "long.png": (60_000, 3)}
ORIGINALS = [f"{name}.png" for name in SHOWN]


@pytest.fixture(scope="module")
def folder(photographs, tmp_path_factory):
    """Four photographs, six edits of each, one of them twice, and pictures in which no keypoint is found."""
    folder = tmp_path_factory.mktemp("local")
    random = np.random.default_rng(0)
    for path in photographs:
        if path.stem not in SHOWN:
            continue
        with Image.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((360, 360))
        small.save(folder / f"{path.stem}.png")
        for name in MADE:
            (folder / f"{path.stem}-{name}.jpg").write_bytes(EDITS[name].apply(small, random))
    (folder / "chelsea-again.png").write_bytes((folder / "chelsea.png").read_bytes())
    for name, size in ODD.items():
        Image.new("RGB", size, (200, 30, 30)).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def encodings(folder):
    return Combined(verbose=False).encode_images(folder)


@pytest.fixture(scope="module")
def local(encodings):
    """The features of `ORB` alone, as its own encode_images returns them."""
    made = type(encodings)(((name, each["orb"]) for name, each in encodings.items()), ORB().fingerprint)
    made.images, made.other_names, made.image_dir = encodings.images, encodings.other_names, encodings.image_dir
    return made


@pytest.fixture(params=[ORB, Combined], ids=lambda kind: kind.__name__)
def method(request):
    return request.param(verbose=False)


@pytest.fixture
def given(method, encodings, local):
    return local if method.name == "orb" else encodings


def family(name):
    return name.split("-")[0].removesuffix(".png")


def by_judge(local, min_inliers=12):
    """The slow answer: every two pictures, laid on each other."""
    ready = {name: prepared(each, local.images[name].width, local.images[name].height) for name, each in local.items()}
    told = {pair: judge(ready[pair[0]], ready[pair[1]], min_inliers) for pair in combinations(sorted(ready), 2)}
    return {pair: geometry for pair, geometry in told.items() if geometry and geometry.is_reported}


class TestFinding:
    def test_every_edit_is_found_and_its_relation_told(self, method, given):
        found = method.find_duplicates(encoding_map=given, relations=True)
        assert set(found) == set(given)
        for name in SHOWN:
            entries = {entry.name: entry for entry in found[f"{name}.png"]}
            assert {family(other) for other in entries} <= {name}
            told = {edit: entries[f"{name}-{edit}.jpg"].relation for edit in MADE if f"{name}-{edit}.jpg" in entries}
            assert told.items() <= MADE.items()
            assert {"crop_25", "flip_horizontal", "rotate_90", "half_size", "recompressed"} <= set(told)

    def test_relation_is_told_from_both_sides(self, method, given):
        found = method.find_duplicates(encoding_map=given, relations=True)
        (crop,) = [entry for entry in found["coffee.png"] if entry.name == "coffee-crop_25.jpg"]
        (whole,) = [entry for entry in found["coffee-crop_25.jpg"] if entry.name == "coffee.png"]
        assert crop == ("coffee-crop_25.jpg", crop.score, "cropped", "other")
        assert whole == ("coffee.png", crop.score, "cropped", "this")
        assert (crop.said, whole.said) == ("a crop", "the whole")

    def test_map_is_symmetric_best_first_and_the_same_with_less_in_it(self, method, given, tmp_path):
        related = method.find_duplicates(encoding_map=given, relations=True, outfile=tmp_path / "map.json")
        scored = method.find_duplicates(encoding_map=given, scores=True)
        assert scored == {name: [entry[:2] for entry in entries] for name, entries in related.items()}
        assert method.find_duplicates(encoding_map=given) == {
            name: [entry.name for entry in entries] for name, entries in related.items()
        }
        for name, entries in scored.items():
            assert entries == sorted(entries, key=lambda entry: (-entry[1], entry[0]))
            assert all((name, score) in scored[other] for other, score in entries)
        written = json.loads((tmp_path / "map.json").read_text())
        assert written == {name: [list(entry) for entry in entries] for name, entries in related.items()}

    def test_equal_files_are_same_pixels_whatever_their_keypoints(self, method, given):
        found = method.find_duplicates(encoding_map=given, relations=True)
        assert Related("chelsea-again.png", 400, "same_pixels", None) in found["chelsea.png"]
        assert found["red.png"] == [Related("red-copy.png", 400, "same_pixels", None)]

    def test_pictures_without_keypoints_are_like_their_copies_alone(self, method, given):
        found = method.find_duplicates(encoding_map=given)
        assert {name: found[name] for name in ODD} == {
            "pixel.png": [], "red.png": ["red-copy.png"], "red-copy.png": ["red.png"], "long.png": []
        }  # fmt: skip

    def test_folder_gives_what_its_encodings_give(self, folder, method, given):
        assert method.find_duplicates(folder, scores=True) == method.find_duplicates(encoding_map=given, scores=True)

    def test_evaluate_and_plot_take_the_maps(self, folder, method, given):
        found = method.find_duplicates(encoding_map=given, relations=True)
        truth = {name: [other for other in given if other != name and family(other) == family(name)] for name in given}
        figures = evaluate(truth, found, metric="classification")
        assert figures["precision"][1] == 1.0
        assert figures["recall"][1] > 0.8
        captions = [axes.get_title() for axes in plot_duplicates(folder, found, "coffee.png").axes]
        (score,) = [entry.score for entry in found["coffee.png"] if entry.name == "coffee-crop_25.jpg"]
        assert f"coffee-crop_25.jpg\n{score} inliers, a crop" in captions


class TestAgainstTheJudgeOfAllPairs:
    def test_default_votes_propose_nothing_that_the_judge_refuses_and_miss_little(self, local):
        found = pairs_of(ORB(verbose=False).find_duplicates(encoding_map=distinct(local), scores=True))
        slow = {pair: geometry.inliers for pair, geometry in by_judge(distinct(local)).items()}
        assert found.items() <= slow.items()
        assert len(found) >= 0.9 * len(slow)

    @pytest.mark.parametrize("min_inliers", [5, 40])
    def test_votes_of_nearly_all_give_all_pairs_of_the_judge(self, local, min_inliers):
        generous = ORB(verbose=False, min_votes=1, max_code_distance=12, max_images_per_code=10_000)
        found = generous.find_duplicates(encoding_map=distinct(local), min_inliers=min_inliers, relations=True)
        slow = by_judge(distinct(local), min_inliers)
        assert pairs_of(found) == {pair: geometry.inliers for pair, geometry in slow.items()}
        told = {(name, entry.name): entry for name, entries in found.items() for entry in entries}
        for pair, geometry in slow.items():
            assert told[pair].relation == geometry.relation
            assert told[pair].derived == {None: None, "a": "this", "b": "other"}[geometry.derived]

    def test_little_room_and_processes_change_nothing_and_many_votes_propose_nothing(self, local, monkeypatch):
        finder = ORB(verbose=False)
        found = finder.find_duplicates(encoding_map=local, scores=True)
        monkeypatch.setattr(judging.HeldPictures.__init__, "__defaults__", (1,))
        assert finder.find_duplicates(encoding_map=local, scores=True) == found
        monkeypatch.setattr(judging, "_FEW_CORES", 0)
        monkeypatch.setattr(judging, "_FEW_PAIRS", 0)
        assert finder.find_duplicates(encoding_map=local, scores=True) == found
        silent = ORB(verbose=False, min_votes=401).find_duplicates(encoding_map=distinct(local))
        assert not any(silent.values())


def distinct(local):
    made = type(local)(((name, each) for name, each in local.items() if "again" not in name and name not in ODD),
                       local.fingerprint)  # fmt: skip
    made.images, made.image_dir = local.images, local.image_dir
    return made


def pairs_of(found):
    return {(name, entry[0]): entry[1] for name, entries in found.items() for entry in entries if name < entry[0]}


class TestAgainst:
    def test_new_images_are_compared_with_those_that_are_there(self, method, given):
        new, there = split(given, lambda name: "-" in name), split(given, lambda name: "-" not in name)
        found = method.find_duplicates(encoding_map=new, against=there, relations=True)
        assert set(found) == set(new)
        assert found["chelsea-again.png"][0] == Related("chelsea.png", 400, "same_pixels", None)
        assert found["red-copy.png"] == [Related("red.png", 400, "same_pixels", None)]
        assert [entry[0::2] for entry in found["coffee-rotate_90.jpg"]] == [("coffee.png", "rotated")]
        both = method.find_duplicates(encoding_map=given)
        assert all({entry.name for entry in found[name]} <= set(both[name]) for name in found)

    def test_nothing_there(self, method, given):
        assert not any(method.find_duplicates(encoding_map=given, against={}).values())
        assert method.find_duplicates(encoding_map={}, against=given) == {}


def split(given, wanted):
    made = type(given)(((name, each) for name, each in given.items() if wanted(name)), given.fingerprint)
    made.images, made.image_dir = given.images, given.image_dir
    return made


class TestRemoving:
    def test_rule_of_imagededup(self, method, given):
        found = method.find_duplicates(encoding_map=given)
        removed, kept = set(), []
        for name in sorted(found):
            if name not in removed:
                kept.append(name)
                removed |= set(found[name])
        assert method.find_duplicates_to_remove(encoding_map=given) == sorted(removed)

    def test_verified_list_can_be_followed(self, method, given, tmp_path):
        removed = method.find_duplicates_to_remove(encoding_map=given, verified=True, outfile=tmp_path / "gone.json")
        assert json.loads((tmp_path / "gone.json").read_text()) == removed
        assert {"chelsea.png", "red.png"} <= set(removed)  # after chelsea-again.png and red-copy.png
        edits = {name.split("-")[1].split(".")[0] for name in removed if "-" in name}
        assert not edits & {"crop_25", "flip_horizontal", "rotate_90", "border"}


class TestCombined:
    def test_finds_what_either_finds(self, encodings, local):
        by_both = pairs_of(Combined(verbose=False).find_duplicates(encoding_map=encodings, scores=True))
        by_keypoints = pairs_of(ORB(verbose=False).find_duplicates(encoding_map=local, scores=True))
        assert by_keypoints.items() <= by_both.items()

    def test_pixels_speak_for_pictures_without_keypoints(self, tmp_path):
        ramp = np.linspace(0, 255, 64).astype(np.uint8)
        soft = Image.fromarray(np.stack([np.tile(ramp, (48, 1)), np.tile(ramp[::-1], (48, 1)),
                                         np.full((48, 64), 90, np.uint8)], axis=2))  # fmt: skip
        soft.save(tmp_path / "soft.png")
        soft.save(tmp_path / "soft.bmp")
        soft.resize((128, 96)).save(tmp_path / "twice.png")
        assert not any(ORB(verbose=False).find_duplicates(tmp_path).values())
        found = Combined(verbose=False).find_duplicates(tmp_path, relations=True)
        assert Related("soft.png", 0, "re_encoded", None) in found["soft.bmp"]
        assert Related("soft.png", 0, "resized", None) in found["twice.png"]
        unknown = dict(Combined(verbose=False).encode_images(tmp_path))
        assert not any(Combined(verbose=False).find_duplicates(encoding_map=unknown).values())

    def test_other_methods_propose(self, folder, encodings):
        chosen = Combined(verbose=False, methods=[DHash(verbose=False)])
        assert list(chosen.encode_image(folder / "coffee.png")) == ["dhash", "orb"]
        found = chosen.find_duplicates(folder)
        assert "coffee-half_size.jpg" in found["coffee.png"]
        assert "coffee-rotate_90.jpg" not in found["coffee.png"]
        assert set(pairs_of(chosen.find_duplicates(folder, scores=True, max_distance_threshold=64))) > set(
            pairs_of(chosen.find_duplicates(folder, scores=True))
        )

    def test_methods_must_go_together(self):
        with pytest.raises(TypeError, match=r"methods must be a list such as \[PHash\(\), ORB\(\)\], not 'phash'"):
            Combined(methods="phash")
        with pytest.raises(ValueError, match="methods must differ in kind, not be phash, phash"):
            Combined(methods=[PHash(), PHash()])
        with pytest.raises(ValueError, match="methods must have the decoding of Combined"):
            Combined(methods=[PHash()], decoding=Decoding(orientation="exif"))
        with pytest.raises(TypeError, match="Combined has no encoder of its own"):
            encode_images_with([Combined()], ".")
        assert [part.name for part in Combined(methods=[CNN(), ORB()])._parts] == ["cnn", "orb"]


class TestEncodings:
    def test_one_decode_gives_what_each_method_gives_alone(self, folder, encodings, local):
        assert {name: each["phash"] for name, each in encodings.items()} == PHash(verbose=False).encode_images(folder)
        assert ORB(verbose=False).encode_images(folder) == local
        alone = ORB(verbose=False).encode_image(folder / "coffee.png")
        assert alone == ORB().encode_image(image_array=np.asarray(Image.open(folder / "coffee.png")))
        assert alone == local["coffee.png"]
        assert alone != local["chelsea.png"]
        assert Combined(verbose=False).encode_image(folder / "coffee.png") == encodings["coffee.png"]

    def test_saved_and_loaded_they_are_the_same(self, method, given, tmp_path):
        method.save_encodings(given, tmp_path / "features")
        loaded = method.load_encodings(tmp_path / "features")
        assert loaded == given
        assert loaded.images == given.images
        assert method.find_duplicates(encoding_map=loaded, relations=True).keys() == given.keys()
        with pytest.raises(FileExistsError):
            method.save_encodings(given, tmp_path / "features")
        method.save_encodings(split(given, lambda name: "red" in name), tmp_path / "features", overwrite=True)
        assert sorted(method.load_encodings(tmp_path / "features")) == ["red-copy.png", "red.png"]

    def test_features_of_different_images_are_told(self, encodings, local, tmp_path):
        Combined().save_encodings(encodings, tmp_path)
        ORB().save_encodings(split(local, lambda name: name != "red.png"), tmp_path, overwrite=True)
        with pytest.raises(ValueError, match=r"1 images in .* have features of phash or orb and not of both"):
            Combined().load_encodings(tmp_path)

    def test_plain_dictionary_will_do(self, method, given):
        plain = method.find_duplicates(encoding_map=dict(given), relations=True)
        told = {entry.name: entry.relation for entry in plain["coffee.png"]}
        assert told["coffee-crop_25.jpg"] == "cropped"
        assert plain["red.png"] == []  # equal looks of a picture without keypoints say nothing

    def test_unreadable_file_gives_none_and_a_failure(self, method, tmp_path):
        (tmp_path / "note.png").write_text("no picture")
        assert method.encode_image(tmp_path / "note.png") is None
        assert [failure.reason for failure in method.failures.values()] == ["not_an_image"]
        assert method.find_duplicates(tmp_path) == {}
        assert list(method.failures) == ["note.png"]


class TestArguments:
    @pytest.mark.parametrize("search", ["find_duplicates", "find_duplicates_to_remove"])
    def test_min_inliers(self, method, search):
        with pytest.raises(TypeError, match=r"^min_inliers must be an integer, not 12.0$"):
            getattr(method, search)(encoding_map={}, min_inliers=12.0)
        with pytest.raises(ValueError, match=r"^min_inliers must be 3 to 400, not 2$"):
            getattr(method, search)(encoding_map={}, min_inliers=2)

    def test_encodings_of_other_methods_are_refused(self, local, encodings):
        with pytest.raises(
            TypeError, match=r"^encoding_map\['a'\] must be LocalFeatures, as encode_image returns, not str"
        ):
            ORB().find_duplicates(encoding_map={"a": "0123456789abcdef"})
        with pytest.raises(TypeError, match=r"^encoding_map\['a'\] must hold features of orb, phash, as encode_image"):
            Combined().find_duplicates(encoding_map={"a": {"phash": "0123456789abcdef"}})
        with pytest.raises(ValueError, match="can't be compared with"):
            ORB().find_duplicates(encoding_map=encodings)
        with pytest.raises(ValueError, match="verified=True reads the images"):
            ORB().find_duplicates(encoding_map=dict(local), verified=True)

    def test_options(self):
        for option in ("min_votes", "max_images_per_code"):
            with pytest.raises(ValueError, match=f"{option} must be at least 1, not 0"):
                ORB(**{option: 0})
        with pytest.raises(ValueError, match="max_code_distance must be 0 to 64, not 65"):
            ORB(max_code_distance=65)
        with pytest.raises(TypeError, match="relations must be True or False, not 1"):
            ORB().find_duplicates(encoding_map={}, relations=1)

    def test_too_many_pairs_to_judge(self, method, given):
        with pytest.raises(LimitError, match="pairs of images to judge are more than max_pairs=5: a larger min_votes"):
            method.find_duplicates(encoding_map=given, max_pairs=5)


WITHOUT = """
import sys
sys.modules["cv2"] = None
from dedup_core.methods import ORB, Combined, score_pair
for call in (lambda: ORB().encode_images("."), lambda: Combined().encode_images("."), lambda: score_pair({0!r}, {0!r})):
    try:
        call()
    except ValueError as error:
        print(error)
"""


def test_without_opencv_one_line_names_the_extra(folder):
    script = WITHOUT.format(str(folder / "red.png"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("local features need OpenCV: pip install 'dedup-core[local]'") for line in lines)


def test_features_are_what_their_docstring_says(folder):
    features = ORB().encode_image(folder / "coffee.png")
    assert isinstance(features, LocalFeatures)
    assert features.descriptors.shape == (len(features.keypoints), 4)
    assert len({features, ORB().encode_image(folder / "coffee.png")}) == 1
