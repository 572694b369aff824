"""Which of images that are the same is kept: how an order is declared, and how a removal is explained."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup_core.errors import SettingsError
from dedup_core.policy import DEFAULT_KEEP, PATH_ORDER, Criterion, parse, reason

PATH = Criterion("path", "path")
LARGE = {"path": "b.jpg", "resolution": 480_000, "width": 800, "height": 600, "size": 9_000, "format": "JPEG"}
SMALL = {"path": "a.png", "resolution": 120_000, "width": 400, "height": 300, "size": 20_000, "format": "PNG"}


def said(keep, kept, removed):
    return reason(parse(keep), kept, removed)


# What is declared


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resolution", {"column": "resolution", "is_descending": True}),
        ("size", {"column": "size", "is_descending": True}),
        ("frames", {"column": "frames", "is_descending": True}),
        ("size:asc", {"column": "size"}),
        ("size:desc", {"column": "size", "is_descending": True}),
        (" size : asc ", {"column": "size"}),
        ("width", {"column": "width"}),
        ("width:desc", {"column": "width", "is_descending": True}),
        ("oldest", {"column": "modified_at"}),
        ("newest", {"column": "modified_at", "is_descending": True}),
        ("modified_at:desc", {"column": "modified_at", "is_descending": True}),
        ("format:png>jpeg", {"column": "format", "values": ("png", "jpeg")}),
        ("format: PNG > JPEG ", {"column": "format", "values": ("png", "jpeg")}),
        ("format:png", {"column": "format", "values": ("png",)}),
        ("format", {"column": "format"}),
        ("source:Shop One>import", {"column": "source", "values": ("shop one", "import")}),
        ("path:archive/**", {"column": "path", "pattern": "archive/**"}),
        ("path:C:/photos/*", {"column": "path", "pattern": "C:/photos/*"}),
        ("camera:Nikon*", {"column": "camera", "pattern": "Nikon*"}),
        ("rated by", {"column": "rated by"}),
        ("قیمت:desc", {"column": "قیمت", "is_descending": True}),
    ],
)
def test_a_step_is_read_as_it_is_meant(text, expected):
    step, *rest = parse([text])
    assert step == Criterion(text, **expected)
    assert rest == [PATH]


@pytest.mark.parametrize(
    "text",
    ["", ":", ":asc", "size:", "size: ", "oldest:asc", "newest:desc", "oldest:2020", "resolution,size", "*.jpg",
     "-size", "path:a,b", "/photos"],
)  # fmt: skip
def test_what_is_no_step_is_refused_with_a_remedy(text):
    with pytest.raises(SettingsError) as error:
        parse(["size", text])
    message = str(error.value)
    assert message.startswith(f"{text!r} is no step of an order: name a column (")
    assert "path:archive/**" in message
    assert "\n" not in message


@pytest.mark.parametrize("keep", [(), DEFAULT_KEEP, PATH_ORDER, ("size",), ("path:desc",), ("size", "path:a/*")])
def test_the_path_is_always_the_last_step(keep):
    steps = parse(keep)
    assert [step.text for step in steps[: len(keep)]] == list(keep)
    last = steps[-1]
    assert (last.column, last.pattern, last.values) == ("path", "", ())
    assert len(steps) == len(keep) + (not keep or keep[-1] in ("size", "path:a/*"))


def test_the_orders_that_are_given_are_good():
    assert [step.column for step in parse(DEFAULT_KEEP)] == ["resolution", "size", "path"]
    assert parse(PATH_ORDER) == parse([]) == (PATH,)


@pytest.mark.parametrize(
    ("text", "is_known"),
    [("resolution", True), ("newest", True), ("format:png>jpeg", True), ("path:a*", True), ("source", False)],
)
def test_columns_that_no_run_has_are_the_manifests(text, is_known):
    assert parse([text])[0].is_of_features == is_known


# What comes first


def test_a_named_value_comes_before_those_named_after_it_and_before_all_others():
    (step, _) = parse(["format:png>webp>jpeg"])
    assert sorted(["JPEG", None, "GIF", "png", "WEBP"], key=step.place) == ["png", "WEBP", "JPEG", None, "GIF"]


def test_what_matches_a_glob_comes_first():
    (step, _) = parse(["path:archive/**"])
    paths = ["new/a.jpg", "archive/2020/b.jpg", None, "Archive/c.jpg", "archive/d.jpg"]
    expected = ["archive/2020/b.jpg", "archive/d.jpg", "new/a.jpg", None, "Archive/c.jpg"]
    assert sorted(paths, key=step.place) == expected


@given(st.lists(st.integers(0, 9)))
def test_numbers_are_compared_as_they_are(values):
    assert sorted(values, key=parse(["size:asc"])[0].place) == sorted(values)


@given(st.lists(st.sampled_from("abc"), min_size=1, unique=True), st.text(max_size=2))
def test_every_value_has_one_place(values, other):
    (step, _) = parse([f"source:{'>'.join([*values, 'last'])}"])
    assert [step.place(value.upper()) for value in values] == list(range(len(values)))
    assert step.place(other) == (values.index(other.lower()) if other.lower() in values else len(values) + 1)


# How a removal is explained


def test_what_was_made_from_another_picture_goes_for_that():
    assert said(DEFAULT_KEEP, SMALL, LARGE | {"derived_as": "framed"}) == "it has a frame"
    both = SMALL | {"derived_as": "cropped"}, LARGE | {"derived_as": "framed"}
    assert said(["size"], *both) == "20,000 instead of 9,000 bytes"


@pytest.mark.parametrize(
    ("keep", "kept", "removed", "expected"),
    [
        (DEFAULT_KEEP, LARGE, SMALL, "800 x 600 instead of 400 x 300"),
        (["size"], SMALL, LARGE, "20,000 instead of 9,000 bytes"),
        (["size:asc"], LARGE, SMALL, "9,000 instead of 20,000 bytes"),
        (["format:png>jpeg"], SMALL, LARGE, "format PNG instead of JPEG"),
        (["path:a.*"], SMALL, LARGE, "its path matches a.*"),
        (["path"], SMALL, LARGE, "its path comes first"),
        ([], SMALL, LARGE, "its path comes first"),
        (["size"], SMALL, LARGE | {"size": None}, "20,000 instead of unknown bytes"),
        (["rating:desc"], LARGE | {"rating": 5}, SMALL | {"rating": 3}, "rating 5 instead of 3"),
        (["rating:desc"], LARGE | {"rating": 5}, SMALL, "rating 5 instead of unknown"),
        (["oldest"], LARGE | {"modified_at": "2019-01-02"}, SMALL | {"modified_at": "2024-05-06"},
         "changed 2019-01-02 instead of 2024-05-06"),
    ],
)  # fmt: skip
def test_a_removal_is_explained_by_the_first_step_that_tells_two_apart(keep, kept, removed, expected):
    assert said(keep, kept, removed) == expected


def test_steps_that_tell_nothing_are_passed_over():
    one, other = {**LARGE, "path": "a"}, {**LARGE, "path": "b", "size": 10}
    assert said(DEFAULT_KEEP, one, other) == "9,000 instead of 10 bytes"
    assert said(["format", "path"], one, other) == "its path comes first"


def test_one_that_is_only_larger_goes_whatever_its_size():
    enlarged = {**LARGE, "is_enlarged": True, "resolution": 120_000}
    assert said(DEFAULT_KEEP, SMALL, enlarged) == "400 x 300; 800 x 600 is a smaller picture, made larger"


def test_images_that_are_equal_in_everything_are_told_so():
    assert said(DEFAULT_KEEP, LARGE, dict(LARGE)) == "equal in all that the order looks at"


@given(st.permutations(["resolution", "size:asc", "format:png", "path:b*"]))
def test_each_two_images_are_told_apart_by_a_line(keep):
    for kept, removed in itertools.permutations((LARGE, SMALL)):
        text = said(keep, kept, removed)
        assert text
        assert "\n" not in text
