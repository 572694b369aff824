"""Do two pictures show one: known transforms are recovered, edits called what they are, and forms told apart."""

import io

import numpy as np
import pytest
from PIL import Image

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.kinds import KINDS
from dedup_core.corpus.originals import Original
from dedup_core.corpus.photographs import installed_photographs
from dedup_core.corpus.plain_copies import PLAIN_COPIES
from dedup_core.geometry.judge import MIN_INLIERS, judge, prepared
from dedup_core.images.decoding import decode
from dedup_core.local.features import local_features
from dedup_core.relations import RELATIONS

NAMES = ("chelsea.png", "coffee.png", "astronaut.png")
EDITED = NAMES[:2]  # what is white in the third loses what it shows when it is made brighter
RE_ENCODED = ("recompressed", "png", "webp", "brighter", "darker", "contrast", "colour", "gray", "blur", "noise")
CALLED = {  # (relation, the derived one) of a photograph, a, and its copy, b
    **dict.fromkeys(RE_ENCODED, ("re_encoded", None)),
    **dict.fromkeys(("half_size", "double_size", "thumbnail", "aspect"), ("resized", None)),
    **dict.fromkeys(("crop_2", "crop_10", "crop_25"), ("cropped", "b")),
    **dict.fromkeys(("border", "screenshot"), ("framed", "b")),
    **dict.fromkeys(("text", "logo"), ("overlaid", "b")),
    **dict.fromkeys(("rotate_2", "rotate_25", "rotate_90"), ("rotated", None)),
    **dict.fromkeys(("flip_horizontal", "flip_vertical"), ("mirrored", None)),
}
TURNED_ROUND = {"a": "b", "b": "a", None: None}


def described(image):
    pixels = np.asarray(image.convert("RGB"))
    return prepared(local_features(pixels), image.width, image.height)


def opened(content):
    return decode(content).image


@pytest.fixture(scope="module")
def originals():
    paths = {path.name: path for path in installed_photographs()}
    contents = {name: paths[name].read_bytes() for name in NAMES}
    return {name: Original.photographed(name, content, opened(content)) for name, content in contents.items()}


@pytest.fixture(scope="module")
def ready(originals):
    return {name: described(original.image) for name, original in originals.items()}


@pytest.fixture(scope="module")
def judged(originals, ready):
    """{(photograph, edit): what is said of both, in both orders}."""
    made = {}
    for name in EDITED:
        original = originals[name]
        for edit in EDITS.values():
            copy = described(opened(edit.copy_of(original).content))
            made[name, edit.name] = judge(ready[name], copy), judge(copy, ready[name])
    return made


def homogeneous(numbers):
    return np.vstack([np.reshape(numbers, (2, 3)), [0, 0, 1]])


def corners(width, height):
    return np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], float).T


def made_by(image, matrix, size):
    """Return the picture moved by a transform of places, 3 x 3, to a picture of that size."""
    inverse = np.linalg.inv(matrix)
    return image.transform(size, Image.Transform.AFFINE, inverse[:2].ravel().tolist(), Image.Resampling.BICUBIC)


def turn_about(image, degrees):
    """Return the transform that turns a picture counterclockwise about its middle."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = np.array(image.size) / 2
    return homogeneous(np.column_stack([turn, middle - turn @ middle]))


def stretch(across, down):
    return np.diag([across, down, 1.0])


def mirror(image):
    return homogeneous([[-1, 0, image.width], [0, 1, 0]])


MOVES = {  # the transform of a picture, and the share of its size that the result has
    "as it is": lambda image: (np.eye(3), (1, 1)),
    "half": lambda image: (stretch(0.5, 0.5), (0.5, 0.5)),
    "three quarters": lambda image: (stretch(0.75, 0.75), (0.75, 0.75)),
    "double": lambda image: (stretch(2, 2), (2, 2)),
    "lower": lambda image: (stretch(1, 0.85), (1, 0.85)),
    "crop": lambda image: (homogeneous([[1, 0, -0.1 * image.width], [0, 1, -0.2 * image.height]]), (0.7, 0.7)),
    "turned": lambda image: (turn_about(image, 25), (1, 1)),
    "turned to the right": lambda image: (turn_about(image, -90), (1, 1)),
    "mirrored": lambda image: (mirror(image), (1, 1)),
    "mirrored, turned, halved": lambda image: (
        stretch(0.5, 0.5) @ turn_about(image, 25) @ mirror(image), (0.5, 0.5),
    ),
}  # fmt: skip
DEGREES = {"turned": 25, "turned to the right": -90, "mirrored, turned, halved": 25}


@pytest.mark.parametrize("move", MOVES)
def test_a_known_transform_is_recovered(originals, ready, move):
    """Corners lie within 1.5% of the longer side of where they belong."""
    for name, original in originals.items():
        image = original.image
        matrix, share = MOVES[move](image)
        size = round(image.width * share[0]), round(image.height * share[1])
        geometry = judge(ready[name], described(made_by(image, matrix, size)))
        assert geometry is not None, name
        expected, found = matrix @ corners(*image.size), homogeneous(geometry.transform) @ corners(*image.size)
        assert np.linalg.norm(expected - found, axis=0).max() <= 0.015 * max(size), name
        assert geometry.is_mirrored == move.startswith("mirrored")
        assert geometry.degrees == pytest.approx(DEGREES.get(move, 0), abs=1)
        assert geometry.is_reported, name


def test_every_edit_is_called_what_it_is(judged):
    assert set(CALLED) == set(EDITS)
    expected = {(name, edit): CALLED[edit] for name, edit in judged}
    said = {key: geometry and (geometry.relation, geometry.derived) for key, (geometry, _) in judged.items()}
    assert said == expected


def test_every_edit_is_reported_and_well_explained(judged):
    for key, (geometry, _) in judged.items():
        assert geometry.is_reported, key
        assert geometry.inliers >= MIN_INLIERS, key
        assert geometry.relation in RELATIONS
        assert 0 < geometry.overlap_a <= 1, key
        assert 0 < geometry.overlap_b <= 1, key
        assert 0 <= geometry.likeness <= 1, key
        assert 0 <= geometry.worst_tile <= 255, key


@pytest.mark.parametrize(
    ("edit", "overlaps"),
    [("crop_25", (0.75**2, 1)), ("crop_10", (0.9**2, 1)), ("half_size", (1, 1)), ("flip_horizontal", (1, 1))],
)
def test_overlaps_are_shares_of_each_picture(judged, edit, overlaps):
    for (_, name), (geometry, _) in judged.items():
        if name == edit:
            assert (geometry.overlap_a, geometry.overlap_b) == pytest.approx(overlaps, abs=0.03)


def test_the_other_way_round_the_same_is_said(judged, originals):
    for (name, edit), (there, back) in judged.items():
        assert (there.relation, there.is_mirrored) == (back.relation, back.is_mirrored), (name, edit)
        assert back.derived == TURNED_ROUND[there.derived], (name, edit)
        assert there.inliers == back.inliers
        assert (there.overlap_a, there.overlap_b) == pytest.approx((back.overlap_b, back.overlap_a), abs=0.001)
        size = originals[name].image.size
        again = homogeneous(back.transform) @ homogeneous(there.transform) @ corners(*size)
        assert np.linalg.norm(again - corners(*size), axis=0).max() <= 0.001 * max(size), (name, edit)
        turned = there.degrees + (-back.degrees if there.is_mirrored else back.degrees)
        assert (turned + 180) % 360 - 180 == pytest.approx(0, abs=1)


def test_different_photographs_have_nothing_in_common(ready):
    for a in ready:
        assert [b for b in ready if a < b and (found := judge(ready[a], ready[b])) and found.is_reported] == []


def pictures_of(kind, count):
    return [KINDS[kind].picture(number) for number in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_different_drawn_pictures_of_one_kind_are_not_reported(kind):
    ready = [described(white(picture)) for picture in pictures_of(kind, 5)]
    pairs = [(a, b) for b in range(len(ready)) for a in range(b)]
    assert [(a, b) for a, b in pairs if (found := judge(ready[a], ready[b])) and found.is_reported] == []


def white(picture):
    """Return what is seen of it on white."""
    page = Image.new("RGB", picture.size, "white")
    page.paste(picture, mask=picture.getchannel("A") if "A" in picture.getbands() else None)
    return page


@pytest.mark.parametrize("kind", ["text_pages", "forms", "charts", "screens", "recolours"])
def test_copies_of_drawn_pictures_are_mostly_reported(kind):
    found = []
    for number, picture in enumerate(pictures_of(kind, 4)):
        for copy in ("jpeg_85", "halved"):
            original = Original.drawn(kind, picture, number)
            made = opened(PLAIN_COPIES[copy].copy_of(original).content)
            geometry = judge(described(white(picture)), described(white(made)))
            found.append(geometry is not None and geometry.is_reported)
    assert np.mean(found) >= 0.75


@pytest.mark.parametrize("size", [(1, 1), (31, 31), (60_000, 3), (3, 60_000), (200, 300)])
def test_pictures_that_show_nothing_have_nothing_in_common(ready, size):
    flat = described(Image.new("RGB", size, "teal"))
    assert judge(flat, flat) is None
    assert judge(flat, ready["coffee.png"]) is None
    assert judge(ready["coffee.png"], flat) is None


def test_fewer_inliers_than_asked_for_are_nothing(ready, judged):
    one = ready["coffee.png"]
    enough = judge(one, one).inliers
    assert judge(one, one, enough).inliers == enough
    assert judge(one, one, enough + 1) is None


def test_a_picture_that_the_camera_turned_is_taken_as_its_small_picture_lies(originals):
    """Sizes are those of the file, the features those of the picture as it is seen."""
    image = originals["chelsea.png"].image
    turned = image.transpose(Image.Transpose.ROTATE_90)
    features = local_features(np.asarray(turned))
    assert (prepared(features, *image.size).width, prepared(features, *image.size).height) == turned.size
    geometry = judge(described(image), prepared(features, *image.size))
    assert geometry.relation == "rotated"
    assert geometry.degrees == pytest.approx(90, abs=0.5)


def test_a_paste_is_found_in_the_picture_that_it_covers_in_part(originals, ready):
    """A photograph laid whole on another one is a crop of what came of it."""
    page, upper = originals["astronaut.png"].image.copy(), originals["coffee.png"].image
    size = round(0.82 * page.width), round(0.82 * page.width * upper.height / upper.width)
    page.paste(upper.resize(size), (page.width - size[0], page.height - size[1]))
    buffer = io.BytesIO()
    page.save(buffer, "JPEG", quality=90)
    geometry = judge(ready["coffee.png"], described(opened(buffer.getvalue())))
    assert (geometry.relation, geometry.derived, geometry.is_reported) == ("cropped", "a", True)
    share = size[0] * size[1] / (page.width * page.height)
    assert (geometry.overlap_a, geometry.overlap_b) == pytest.approx((1, share), abs=0.03)
