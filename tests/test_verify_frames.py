"""Verdicts on whole files: all their frames, files that can't be seen, and what a verdict says."""

from functools import partial

import pytest
from by_hand import saved, soft
from copied import jpeg, judged, png, with_pixels
from PIL import Image

from dedup_core.images.decoding import decode, frames_of
from dedup_core.images.picture import Failure
from dedup_core.verify.levels import Comparison
from dedup_core.verify.verdict import EQUAL, MAX_FRAMES, SAME, SIMILAR, UNSEEN, Verdict, verdict_by_pixels
from dedup_core.verify.views import View


def half_as_light(values):
    values[20:28, 30:38] //= 2


def a_level_lighter(values):
    values[values < 255] += 1


MARKED = with_pixels(soft(), half_as_light)
STEPS = [soft(), soft().rotate(180), soft().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
FAILED = Failure("corrupt", "cut short")
LOSSLESS = {"WEBP": {"lossless": True}, "PNG": {}, "TIFF": {}}

every_form = pytest.mark.parametrize("form", LOSSLESS)


def animated(steps, form="WEBP", **options):
    return saved(steps[0], form, save_all=True, append_images=steps[1:], **LOSSLESS.get(form, {}), **options)


def never():
    raise AssertionError("it need not be decoded again")


@every_form
def test_animations_saved_again_are_the_same(form):
    one, other = animated(STEPS), animated(STEPS, form)
    verdict = judged(one, other)
    assert (verdict.verdict, verdict.difference) == (SAME, 0.0)


@every_form
@pytest.mark.parametrize("number", [0, 1, 2])
def test_animations_of_which_any_frame_differs_are_only_similar(form, number):
    changed = list(STEPS)
    changed[number] = MARKED if number == 0 else STEPS[number].rotate(90)
    one, other = animated(STEPS, form), animated(changed, form)
    for verdict in (judged(one, other), judged(other, one)):
        assert not verdict.is_same


def test_a_gif_saved_again_is_the_same():
    steps = [step.quantize(64) for step in STEPS]
    one, other = animated(steps, "GIF", duration=100, loop=0), animated(steps, "GIF", duration=40)
    assert one != other
    assert judged(one, other).is_same
    assert not judged(one, animated([*steps[:2], steps[0]], "GIF")).is_same


def test_pages_of_a_document_are_compared_each():
    pages = [soft((60, 40)), soft((40, 60)), soft((30, 30), "L")]
    one = animated(pages, "TIFF")
    assert judged(one, animated(pages, "TIFF", compression="tiff_lzw")).is_same
    assert not judged(one, animated(pages[::-1], "TIFF")).is_same
    assert not judged(one, animated([pages[0], pages[2], pages[1]], "TIFF")).is_same
    assert judged(one, animated([page.resize((page.width * 2, page.height * 2)) for page in pages], "TIFF")).is_same


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 3), (3, 1)])
def test_files_of_other_numbers_of_frames_are_only_similar(one, other):
    first, second = animated(STEPS[:one]), animated(STEPS[:other])
    verdict = judged(first, second)
    assert verdict == Verdict(SIMILAR)
    assert judged(second, first) == verdict


def test_an_animation_is_not_its_first_frame():
    assert not judged(animated(STEPS), png(STEPS[0])).is_same


def test_the_worst_frame_is_told():
    third = with_pixels(STEPS[2], a_level_lighter)
    verdict = judged(animated(STEPS), animated([*STEPS[:2], third]))
    assert verdict.is_same
    assert verdict.difference == pytest.approx(1, abs=1e-3)


def test_frames_are_decoded_again_only_where_there_are_several():
    one, other = View.of(decode(png(soft()))), View.of(decode(jpeg(soft())))
    assert verdict_by_pixels(one, other, (never, never)).is_same


def test_frames_are_not_decoded_again_where_the_first_ones_differ():
    one, other = View.of(decode(animated(STEPS))), View.of(decode(animated([MARKED, *STEPS[1:]])))
    assert not verdict_by_pixels(one, other, (never, never)).is_same


@pytest.mark.parametrize("count", [0, MAX_FRAMES + 1])
def test_files_of_too_many_or_unknown_frames_are_not_compared(count):
    view = View.of(decode(png(soft())))
    unknown = View(view.image, view.width, view.height, view.turn, view.stretch, view.loss, count)
    assert verdict_by_pixels(unknown, unknown, (never, never)) == Verdict(SIMILAR)


def test_what_cant_be_seen_is_only_similar():
    view = View.of(decode(png(soft())))
    assert UNSEEN.verdict == SIMILAR
    for ends in [(FAILED, view), (view, FAILED), (FAILED, FAILED)]:
        assert verdict_by_pixels(*ends, (never, never)) == UNSEEN


@pytest.mark.parametrize(
    "rest",
    [lambda: iter([]), lambda: frames_of(animated(STEPS[:2])), lambda: iter([decode(png(soft())), FAILED, FAILED])],
)
def test_a_file_that_has_changed_meanwhile_is_only_similar(rest):
    content = animated(STEPS)
    view, again = View.of(decode(content)), partial(frames_of, content)
    for frames in ((again, rest), (rest, again)):
        assert verdict_by_pixels(view, view, frames) == UNSEEN


# What a verdict says


def test_verdicts_follow_comparisons():
    close, apart = (Comparison(share, 3.0, 512, (0.0, 0.0, 0.5, 0.5), is_enlarged=True) for share in (1.0, 1.001))
    assert Verdict.of(close) == Verdict(SAME, 3.0, 512, (0.0, 0.0, 0.5, 0.5), is_enlarged=True)
    assert Verdict.of(apart) == Verdict(SIMILAR, 3.0, 512, (0.0, 0.0, 0.5, 0.5), is_enlarged=False)
    assert Verdict.of(None) == Verdict(SIMILAR, None, None, None)


def test_equal_files_are_the_same_without_a_look():
    assert (EQUAL.is_same, EQUAL.difference, EQUAL.level) == (True, 0.0, None)
    assert not UNSEEN.is_same
