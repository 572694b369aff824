"""Figures: what stands on them, and that nothing a folder may hold breaks them."""

import os
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dedup_core.evaluation import sweep
from dedup_core.methods.finding import Duplicates
from dedup_core.metric import COSINE, HAMMING, INLIERS
from dedup_core.plotting import duplicates, precision_recall, recall_heat_map, score_histogram, sweep_figure
from dedup_core.relations import Related
from dedup_core.utils import plot_duplicates


def save_image(path, size=(60, 40), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(7).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="JPEG", **options)


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "images"
    for index in range(5):
        save_image(images / f"{index}.jpg")
    return images


def captions(figure):
    return [axes.get_title() for axes in figure.axes]


def written(figure):
    return [text.get_text() for text in figure.texts]


@pytest.mark.parametrize(
    ("n_duplicates", "heading", "inches_wide"),
    [(0, "no duplicates", 5), (1, "1 duplicate", 5), (2, "2 duplicates", 8), (40, "40 duplicates", 15)],
)
def test_the_image_and_every_duplicate_have_axes_of_their_own(folder, n_duplicates, heading, inches_wide):
    names = [f"copy {index}.jpg" for index in range(n_duplicates)]
    for name in names:
        save_image(folder / name)
    figure = plot_duplicates(folder, {"0.jpg": names}, "0.jpg")
    assert isinstance(figure, Figure)
    assert captions(figure) == ["0.jpg\noriginal", *names]
    assert all(len(axes.images) == 1 for axes in figure.axes)
    assert written(figure) == ["0.jpg", heading]
    assert figure.get_figwidth() < inches_wide


def test_axes_are_squares_that_neither_overlap_nor_leave_the_figure(folder):
    figure = plot_duplicates(folder, {"0.jpg": ["1.jpg"] * 40}, "0.jpg")
    boxes = [axes.get_window_extent() for axes in figure.axes]
    for index, box in enumerate(boxes):
        assert box.width == pytest.approx(box.height)
        assert box.x0 > 0
        assert box.y0 > 0
        assert box.x1 < figure.bbox.x1
        assert box.y1 < figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:index])


def test_no_caption_touches_an_image_and_the_heading_fits(folder):
    endless = "W" * 300 + ".jpg"
    figure = plot_duplicates(folder, {endless: [endless] * 20}, endless)
    figure.draw_without_rendering()
    assert figure.texts[0].get_window_extent().x1 < figure.bbox.x1
    squares = [axes.get_window_extent() for axes in figure.axes]
    for axes in figure.axes:
        caption = axes.title.get_window_extent()
        assert not any(caption.overlaps(square) for square in squares)


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        (3, "distance 3"),
        (0, "distance 0"),
        (4.0, "distance 4"),
        (0.98765, "similarity 0.9877"),
        (np.float32(0.5), "similarity 0.5"),
    ],
)
def test_scores_are_shown(folder, score, shown):
    for entry in (("1.jpg", score), ["1.jpg", score]):
        assert captions(plot_duplicates(folder, {"0.jpg": [entry]}, "0.jpg"))[1] == f"1.jpg\n{shown}"


@pytest.mark.parametrize(
    ("metric", "shown"), [(HAMMING, "distance 9"), (INLIERS, "9 inliers"), (COSINE, "similarity 9")]
)
def test_who_knows_what_scores_say_is_believed(folder, metric, shown):
    known = {"0.jpg": [("1.jpg", 9)]}
    assert captions(plot_duplicates(folder, known, "0.jpg", metric=metric))[1] == f"1.jpg\n{shown}"
    assert captions(plot_duplicates(folder, Duplicates(known, metric), "0.jpg"))[1] == f"1.jpg\n{shown}"


@pytest.mark.parametrize(
    ("related", "shown"),
    [
        (Related("1.jpg", 37, "cropped", "other"), "37 inliers, a crop"),
        (["1.jpg", 37, "overlaid", "this"], "37 inliers, lacks the overlay"),
        (("1.jpg", 400, "same_pixels", None), "400 inliers, same pixels"),
    ],
)
def test_relations_are_shown(folder, related, shown):
    assert captions(plot_duplicates(folder, {"0.jpg": [related]}, "0.jpg"))[1] == f"1.jpg\n{shown}"


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_outfile_is_written_in_the_format_of_its_ending(folder, tmp_path, suffix, magic):
    outfile = tmp_path / f"figure.{suffix}"
    plot_duplicates(folder, {"0.jpg": ["1.jpg"]}, "0.jpg", outfile=outfile)
    assert outfile.read_bytes().startswith(magic)


def test_a_saved_png_has_a_sane_size(folder, tmp_path):
    plot_duplicates(str(folder), {"0.jpg": ["1.jpg", "2.jpg", "3.jpg"]}, "0.jpg", outfile=str(tmp_path / "figure.png"))
    with Image.open(tmp_path / "figure.png") as image:
        assert 1000 < image.width < 1600
        assert 350 < image.height < 700
        assert len(set(image.convert("L").tobytes())) > 50  # the photographs are on it


def test_a_file_that_gives_no_image_is_a_placeholder_that_says_why(folder):
    whole = (folder / "1.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("no image")
    (folder / "empty.jpg").touch()
    (folder / "folder.jpg").mkdir()
    reasons = {
        "half": "truncated",
        "text": "not an image",
        "empty": "empty",
        "folder": "unreadable",
        "gone": "vanished",
    }
    figure = plot_duplicates(folder, {"0.jpg": [f"{name}.jpg" for name in reasons]}, "0.jpg")
    for axes, reason in zip(figure.axes[1:], reasons.values(), strict=True):
        assert not axes.images
        assert axes.texts[0].get_text().startswith(reason)


def test_the_image_itself_may_be_gone(folder):
    figure = plot_duplicates(folder, {"gone.jpg": ["1.jpg"]}, "gone.jpg")
    assert [len(axes.images) for axes in figure.axes] == [0, 1]


def test_nested_paths_are_found_and_shown(folder):
    save_image(folder / "a" / "b c" / "1.jpg")
    figure = plot_duplicates(folder, {"0.jpg": ["a/b c/1.jpg"], "a/b c/1.jpg": ["0.jpg"]}, "0.jpg")
    assert captions(figure)[1] == "a/b c/1.jpg"
    assert figure.axes[1].images


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("$x_1$ \\frac{.jpg", "$x_1$ \\frac{.jpg"),
        ("<script>alert('&')</script>.jpg".replace("/", "|"), "<script>alert('&')<|script>.jpg"),
        ("line\nbreak\ttab.jpg", "line\\nbreak\\ttab.jpg"),
        ("right\u202eto left.jpg", "right\\u202eto left.jpg"),
        ("no\u00a0break\u200bspace.jpg", "no\\xa0break\\u200bspace.jpg"),
        ("日本語 🐈.jpg", "日本語 🐈.jpg"),
        (os.fsdecode(b"not utf-8 \xff.jpg"), "not utf-8 \\udcff.jpg"),
        ("{0} %s.jpg", "{0} %s.jpg"),
    ],
)
def test_hostile_names_are_drawn_as_they_are_spelled(folder, tmp_path, name, caption):
    save_image(folder / name)
    figure = plot_duplicates(folder, {name: [name]}, name, outfile=tmp_path / "figure.png")
    assert captions(figure) == [f"{caption}\noriginal", caption]
    assert written(figure)[0] == caption
    assert figure.axes[0].images


def test_a_long_name_keeps_its_end_and_parts_at_its_words(folder):
    long = "holiday in the mountains with everyone (copy 12).jpg"
    endless = "x" * 200 + "_0012.jpg"
    shown = captions(plot_duplicates(folder, {"0.jpg": [long, endless]}, "0.jpg"))
    assert shown[1] == "holiday in the mountains with \neveryone (copy 12).jpg"
    assert shown[2].endswith("_0012.jpg")
    assert "…" in shown[2]
    assert max(len(line) for line in shown[2].split("\n")) <= 31


def test_a_huge_image_is_held_small(folder):
    save_image(folder / "huge.jpg", size=(4000, 3000), quality=30)
    figure = plot_duplicates(folder, {"0.jpg": ["huge.jpg"]}, "0.jpg")
    assert max(figure.axes[1].images[0].get_array().shape) <= 400


def test_more_duplicates_than_can_be_drawn_are_counted(folder, monkeypatch):
    monkeypatch.setattr(duplicates, "MAX_DRAWN", 3)
    figure = plot_duplicates(folder, {"0.jpg": ["1.jpg"] * 5}, "0.jpg")
    assert len(figure.axes) == 4
    assert written(figure)[1] == "5 duplicates, the first 3 drawn"


def test_a_file_that_is_no_key_is_refused_with_what_was_meant(folder):
    with pytest.raises(ValueError, match=r"'0\.jpg' is no key of duplicate_map: did you mean 'sub/0\.jpg'\?$"):
        plot_duplicates(folder, {"other.jpg": [], "sub/0.jpg": []}, "0.jpg")
    with pytest.raises(ValueError, match=r"no key of duplicate_map, which is empty$"):
        plot_duplicates(folder, {}, "0.jpg")
    with pytest.raises(ValueError, match=r"which holds '1', '2', '3' and 2 more$"):
        plot_duplicates(folder, {key: [] for key in "12345"}, "0.jpg")


@pytest.mark.parametrize(("metric", "error"), [("haming", ValueError), (3, TypeError)])
def test_a_metric_that_is_none_is_refused(folder, metric, error):
    with pytest.raises(error, match="metric must be 'hamming', 'cosine' or 'inliers'"):
        plot_duplicates(folder, {"0.jpg": []}, "0.jpg", metric=metric)


def test_a_folder_that_is_missing_is_refused(folder):
    with pytest.raises(ValueError, match=r"^image_dir must be a folder, and .*gone' is none$"):
        plot_duplicates(folder / "gone", {"0.jpg": []}, "0.jpg")


@pytest.mark.parametrize(
    ("entry", "note"),
    [
        (["1.jpg", 2, "same"], "distance 2"),
        (["1.jpg", "same"], "same"),
        (["1.jpg", "similar", {"relation": "cropped"}], "similar"),
        (["1.jpg", 88, "similar", {"relation": "cropped"}], "88 inliers"),
        (["1.jpg", 88, "cropped", "other"], "88 inliers, a crop"),
    ],
)
def test_a_map_that_a_job_wrote_is_drawn(folder, entry, note):
    assert captions(plot_duplicates(folder, {"0.jpg": [entry]}, "0.jpg"))[1] == f"1.jpg\n{note}"


@pytest.mark.parametrize("entry", [3, None, ("1.jpg",), ("1.jpg", 2, 3)])
def test_an_entry_that_is_no_name_is_refused(folder, entry):
    with pytest.raises(TypeError, match="neither a name nor"):
        plot_duplicates(folder, {"0.jpg": [entry]}, "0.jpg")


@pytest.mark.parametrize("duplicates", ["1.jpg", None, {"1.jpg"}])
def test_duplicates_that_are_no_list_are_refused(folder, duplicates):
    with pytest.raises(TypeError, match="must be a list"):
        plot_duplicates(folder, {"0.jpg": duplicates}, "0.jpg")


def test_pyplot_stays_out_of_it_and_matplotlib_out_of_the_package(folder):
    script = (
        "import sys, dedup_core; assert 'matplotlib' not in sys.modules\n"
        "from dedup_core.utils import plot_duplicates\n"
        f"plot_duplicates({str(folder)!r}, {{'0.jpg': ['1.jpg']}}, '0.jpg')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


def test_a_session_of_windows_gets_a_window(folder, monkeypatch):
    monkeypatch.setattr("matplotlib.is_interactive", lambda: True)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))  # as where notebooks are run, not shown
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    figure = plot_duplicates(folder, {"0.jpg": []}, "0.jpg")
    assert pyplot.fignum_exists(figure.number)
    pyplot.close(figure)


WHOLE = np.array([0, 0, 2, 4, 4, 4])


def test_a_histogram_has_a_bar_for_each_distance():
    (axes,) = score_histogram(WHOLE, threshold=2).axes
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == [*(2, 0, 1, 0, 3), *(2, 0, 1, 0, 0)]  # all pairs, and over them those within the threshold
    assert axes.get_title() == "3 of 6 pairs have a distance ≤ 2"


def test_no_tick_stands_between_two_distances():
    (axes,) = score_histogram(np.arange(11)).axes
    assert (np.mod(axes.get_xticks(), 1) == 0).all()


def test_a_histogram_of_counts_equals_that_of_the_scores():
    scores, counts = np.unique(WHOLE, return_counts=True)
    one, other = (figure.axes[0] for figure in (score_histogram(WHOLE), score_histogram(scores, counts)))
    assert [bar.get_height() for bar in one.patches] == [bar.get_height() for bar in other.patches]
    assert one.get_title() == other.get_title() == "6 pairs"


def test_a_histogram_of_similarities_counts_from_above():
    (axes,) = score_histogram(np.array([0.7, 0.9, 0.95]), threshold=0.9, metric=COSINE).axes
    assert axes.get_title() == "2 of 3 pairs have a similarity ≥ 0.9"


def test_a_histogram_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no scores"):
        score_histogram(np.zeros(0))


@pytest.fixture
def swept():
    is_true = np.array([True, True, True, False, True, False])
    return sweep(WHOLE, is_true, 5, np.arange(5), metric=HAMMING)


def test_a_sweep_is_drawn_with_its_best_f1_named(swept):
    figure = sweep_figure(swept)
    rates, pairs = figure.axes
    assert rates.get_title() == "best F1 0.750 at 2"
    assert [text.get_text() for text in rates.get_legend().get_texts()] == ["precision", "recall", "F1"]
    np.testing.assert_array_equal(rates.lines[0].get_ydata(), swept.precision)
    np.testing.assert_array_equal(pairs.lines[0].get_ydata(), swept.pairs)


def test_every_method_has_a_curve(swept):
    nothing = sweep(np.zeros(0), np.zeros(0, bool), 5, np.arange(5), metric=HAMMING)
    (axes,) = precision_recall({"phash": swept, "ahash": nothing}).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["phash, best F1 0.750 at 2", "ahash, finds nothing"]


def test_a_heat_map_writes_every_recall_it_has():
    table = {"exact copy": {"phash ≤ 0": 1.0, "cnn ≥ 0.9": 0.985}, "flip": {"phash ≤ 0": 0.0}}
    (axes,) = recall_heat_map(table).axes
    assert [text.get_text() for text in axes.texts] == ["100%", "98%", "0%"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["exact copy", "flip"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["phash ≤ 0", "cnn ≥ 0.9"]
    with pytest.raises(ValueError, match="no recalls"):
        recall_heat_map({"flip": {}})


@pytest.mark.filterwarnings("error")
def test_every_chart_can_be_saved(swept, tmp_path):
    charts = [score_histogram(WHOLE, threshold=2), sweep_figure(swept), precision_recall({"phash": swept})]
    charts.append(recall_heat_map({"flip": {"phash ≤ 0": 0.5}}))
    for chart in charts:
        chart.savefig(tmp_path / "chart.png")
        with Image.open(tmp_path / "chart.png") as image:
            assert image.width > 200
