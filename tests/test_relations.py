"""Relations in words, and by the names that options have for them."""

import pytest

from dedup_core.errors import SettingsError
from dedup_core.relations import RELATIONS, option_name, parsed, said


@pytest.mark.parametrize(
    ("relation", "derived", "degrees", "is_mirrored", "words"),
    [
        ("same_pixels", None, 0.0, False, "a and b have the same pixels"),
        ("re_encoded", None, 0.2, False, "a and b are one picture, re-encoded"),
        ("re_encoded", "b", 0.0, False, "b is a re-encoded"),
        ("resized", "a", 0.0, False, "a is b resized"),
        ("rotated", None, 90.0, False, "b is a turned left by 90 degrees"),
        ("rotated", None, -89.8, False, "b is a turned right by 90 degrees"),
        ("rotated", None, 179.9, False, "b is a turned by 180 degrees"),
        ("mirrored", None, 0.3, True, "b is a mirrored"),
        ("mirrored", None, 90.0, True, "b is a mirrored and turned left by 90 degrees"),
        ("cropped", "b", 0.0, False, "b is a crop of a"),
        ("cropped", "a", -0.9, False, "a is a crop of b"),
        ("cropped", "b", -90.0, False, "b is a crop of a, turned right by 90 degrees"),
        ("framed", "b", 0.0, False, "b has a frame around a"),
        ("overlaid", "a", 0.0, True, "a bears an overlay that b lacks, mirrored"),
        ("overlaid", None, 0.0, False, "one of a and b bears an overlay"),
        ("shared_part", None, 0.0, False, "a and b share a part of one picture"),
        ("similar_scene", None, 1.2, False, "a and b show the same scene, turned left by 1 degree"),
    ],
)
def test_a_relation_reads_with_its_direction(relation, derived, degrees, is_mirrored, words):
    assert said(relation, derived, degrees, is_mirrored) == words


def test_the_one_that_was_made_turns_the_other_way():
    """b is a turned left, so a is b turned right; but a mirror turns the turn as well."""
    assert said("cropped", "a", 90.0, False) == "a is a crop of b, turned right by 90 degrees"
    assert said("cropped", "a", 90.0, True) == "a is a crop of b, mirrored and turned left by 90 degrees"


def test_names_stand_for_the_two_images():
    assert said("cropped", "b", 0.0, False, ("sea.jpg", "{1}.jpg")) == "{1}.jpg is a crop of sea.jpg"


@pytest.mark.parametrize("relation", RELATIONS)
def test_each_relation_has_words_whatever_its_direction(relation):
    texts = [said(relation, derived, 0.0, False, ("x", "y")) for derived in (None, "a", "b")]
    assert all("x" in text and "y" in text for text in texts)


@pytest.mark.parametrize("relation", RELATIONS)
def test_an_option_names_each_relation_with_hyphens(relation):
    assert "_" not in option_name(relation)
    assert parsed(option_name(relation)) == parsed(relation) == relation


@pytest.mark.parametrize(
    ("name", "hint"), [("croped", "did you mean 'cropped'?"), ("re-encode", "did you mean 're-encoded'?")]
)
def test_an_unknown_relation_is_refused_with_the_nearest(name, hint):
    with pytest.raises(SettingsError, match="no relation") as refused:
        parsed(name)
    assert str(refused.value).endswith(hint)
    assert "\n" not in str(refused.value)
