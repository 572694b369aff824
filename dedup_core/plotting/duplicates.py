"""An image and its duplicates side by side, for the eye to compare.

Figures belong to whoever asked for them: none is registered with pyplot, so they need no display, leave no trace
and vanish with their last reference. The exception is a session that draws into windows.
"""

from __future__ import annotations

import math
import os
import textwrap
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from dedup_core import arguments
from dedup_core.evaluation.maps import name_of
from dedup_core.images.names import on_disk
from dedup_core.images.picture import Failure, read
from dedup_core.images.thumbnails import thumbnail
from dedup_core.metric import COSINE, HAMMING, INLIERS, Metric
from dedup_core.plotting.thresholds import BLUE, FAINT, INK, in_notebook, plain_figure
from dedup_core.relations import Related

MAX_DRAWN = 100
"""Duplicates drawn at most. The heading tells how many more there are."""

_MAX_COLUMNS = 6
_IMAGE, _GAP, _CAPTION, _HEADING, _MARGIN = 2.1, 0.2, 0.6, 0.68, 0.25  # inches
_CAPTION_CHARACTERS, _HEADING_CHARACTERS_PER_INCH = 31, 10  # what fits, in the fonts below
_CAPTION_FONT: dict[str, Any] = {"family": "monospace", "size": 7.5}
_HEADING_FONT: dict[str, Any] = {"family": "monospace", "size": 11, "weight": "bold"}
_MAT = "#f0f0f0"
_SAVED_DPI = 150
_THUMBNAIL_PIXELS = 360  # an image is 315 pixels wide once saved
_MAX_BYTES = 2**30
_METRICS = {metric.name: metric for metric in (HAMMING, COSINE, INLIERS)}


@dataclass(frozen=True)
class _Cell:
    """One image of the figure, and what to write below it."""

    name: str
    note: str


def plot_duplicates(
    image_dir: str | os.PathLike[str],
    duplicate_map: Mapping[str, Sequence[Any]],
    filename: str | os.PathLike[str],
    outfile: str | os.PathLike[str] | Literal[False] | None = None,
    *,
    metric: Metric | Literal["hamming", "cosine", "inliers"] | None = None,
) -> Figure:
    """Draw an image and the duplicates that were found for it.

    The image stands first, in a frame, its duplicates follow in the order of their list. A file that is gone
    or can't be decoded is drawn as a grey square that says why. At most ``MAX_DRAWN`` duplicates are drawn.

    In a session that draws into windows (after ``plt.ion()``) the figure appears by itself; a notebook shows
    it where it is the value of a cell. Elsewhere nothing is shown.

    Args:
        image_dir: the folder that the names in the map are relative to.
        duplicate_map: every file and its duplicates: names, (name, score), or ``Related`` entries.
        filename: the key of the map to draw.
        outfile: where to save the figure; the ending chooses the format (.png, .pdf, .svg). None or False for nowhere.
        metric: what scores in the map say: "hamming", "cosine" or "inliers". What ``find_duplicates`` returned knows it
            by itself; of another map it is guessed: whole numbers to 64 are distances, others from -1 to 1
            similarities, larger ones inliers.

    Returns:
        The figure, with one axes for each image.

    Raises:
        ValueError: if ``image_dir`` is no folder, ``filename`` no key of the map, ``outfile`` no file that a figure can
            be saved to, or ``metric`` another word.
        TypeError: if an argument has the wrong type, the file's duplicates are no list, or one of them is neither a
            name nor one of these.
    """
    folder, target = arguments.folder(image_dir, "image_dir"), _target(outfile)
    name, entries = _duplicates_of(filename, duplicate_map)
    said_by = _metric_of(metric) or getattr(duplicate_map, "metric", None) or _guessed(entries)
    duplicates = [_cell(name, entry, said_by) for entry in entries]
    cells = [_Cell(name, "original"), *duplicates[:MAX_DRAWN]]
    figure = _draw(folder, cells, _count(len(duplicates)))
    if target is not None:
        with warnings.catch_warnings():  # a letter that the font lacks is drawn as a box, which is warning enough
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(target, dpi=_SAVED_DPI)
    return figure


def _target(outfile: object) -> Path | None:
    target = arguments.output_file(outfile, "outfile")
    kinds = FigureCanvasBase.get_supported_filetypes()
    if target is not None and target.suffix and target.suffix[1:].lower() not in kinds:
        raise ValueError(
            f"outfile must end in {', '.join(f'.{kind}' for kind in sorted(kinds))}, not {target.suffix!r}"
        )
    return target


def _duplicates_of(filename: object, duplicate_map: object) -> tuple[str, Sequence[Any]]:
    """Return the key of the map to draw, and its entries."""
    if not isinstance(duplicate_map, Mapping):
        given = type(duplicate_map).__name__
        raise TypeError(f"duplicate_map must be a dictionary of lists, as find_duplicates returns, not {given}")
    name = os.fspath(filename) if isinstance(filename, (str, os.PathLike)) else None
    if not isinstance(name, str):
        raise TypeError(f"filename must be a key of duplicate_map, not {arguments.shown(filename)}")
    if name not in duplicate_map:
        raise ValueError(f"filename {arguments.shown(name)} is no key of duplicate_map{_meant(name, duplicate_map)}")
    entries = duplicate_map[name]
    if not isinstance(entries, Sequence) or isinstance(entries, (str, bytes)):
        raise TypeError(f"duplicate_map[{arguments.shown(name)}] must be a list, not {type(entries).__name__}")
    return name, entries


def _meant(name: str, duplicate_map: Mapping[Any, Any]) -> str:
    """Return what a name that is no key may stand for: the usual slip is one without its folder, or with one more."""
    keys = [key for key in duplicate_map if isinstance(key, str)]
    if same_file := [key for key in keys if Path(key).name == Path(name).name]:
        return f": did you mean {' or '.join(map(arguments.shown, same_file[:3]))}?"
    more = f" and {len(keys) - 3:,} more" if len(keys) > 3 else ""
    return f", which holds {', '.join(map(arguments.shown, keys[:3]))}{more}" if keys else ", which is empty"


def _cell(key: str, entry: object, metric: Metric | None) -> _Cell:
    if isinstance(entry, str):
        return _Cell(entry, "")
    if isinstance(entry, Sequence) and (name := name_of(entry)) is not None:
        return _Cell(name, _note(entry, metric))
    holder = f"duplicate_map[{arguments.shown(key)}]"
    raise TypeError(f"{holder} holds {arguments.shown(entry)}, which is neither a name nor (name, score)")


def _note(entry: Sequence[Any], metric: Metric | None) -> str:
    """Return what is drawn of a duplicate beside its name: its score, or the verdict where a map tells that alone."""
    if len(entry) == len(Related._fields) and not isinstance(entry[-1], Mapping):
        related = Related(*entry)
        return f"{INLIERS.scored(str(related.score))}, {related.said}"
    if isinstance(entry[1], str):
        return entry[1]
    score = entry[1]
    number = str(score) if isinstance(score, Integral) else f"{float(score):.4f}".rstrip("0").rstrip(".")
    return f"score {number}" if metric is None else metric.scored(number)


def _metric_of(metric: object) -> Metric | None:
    """Return a metric that is named; None where none is."""
    if metric is None or isinstance(metric, Metric):
        return metric
    return _METRICS[arguments.choice(metric, "metric", tuple(_METRICS))]


def _guessed(entries: Sequence[Any]) -> Metric | None:
    """Return what scores say of which nothing is known but the numbers."""
    told = [entry[1] for entry in entries if not isinstance(entry, str) and name_of(entry) is not None]
    scores = [score for score in told if not isinstance(score, str)]
    are_whole = [isinstance(score, Integral) for score in scores]
    if not all(are_whole) and all(COSINE.farthest <= score <= COSINE.closest for score in scores):
        return COSINE
    if not all(is_whole or float(score).is_integer() for is_whole, score in zip(are_whole, scores, strict=True)):
        return None
    return INLIERS if any(score > HAMMING.farthest for score in scores) else HAMMING


def _count(n_duplicates: int) -> str:
    counted = {0: "no duplicates", 1: "1 duplicate"}.get(n_duplicates, f"{n_duplicates:,} duplicates")
    return f"{counted}, the first {MAX_DRAWN} drawn" if n_duplicates > MAX_DRAWN else counted


def _draw(folder: Path, cells: Sequence[_Cell], count: str) -> Figure:
    """Lay the cells out row by row: every image in a square of one size, so that they compare at a glance."""
    n_rows = math.ceil(len(cells) / _MAX_COLUMNS)
    n_columns = math.ceil(len(cells) / n_rows)
    pitch, row_height = _IMAGE + _GAP, _IMAGE + _CAPTION
    width = 2 * _MARGIN + max(n_columns, 2) * pitch - _GAP  # the heading needs the room of two images
    height = _HEADING + n_rows * row_height
    figure = _window_or_figure(width, height)
    _write_heading(figure, cells[0].name, count)
    for index, cell in enumerate(cells):
        row, column = divmod(index, n_columns)
        left, bottom = _MARGIN + column * pitch, height - _HEADING - row * row_height - _IMAGE
        axes = figure.add_axes((left / width, bottom / height, _IMAGE / width, _IMAGE / height))
        _draw_cell(axes, _load(folder, cell.name), cell)
    _frame(figure.axes[0])
    return figure


def _write_heading(figure: Figure, name: str, count: str) -> None:
    width, height = figure.get_size_inches()
    room = int((width - 2 * _MARGIN) * _HEADING_CHARACTERS_PER_INCH)
    left = _MARGIN / width
    heading = {"x": left, "ha": "left", "va": "top", "parse_math": False}
    figure.text(y=1 - 0.14 / height, s=_elide(name, room), color=INK, **_HEADING_FONT, **heading)
    figure.text(y=1 - 0.37 / height, s=count, size=9, color=FAINT, **heading)


def _draw_cell(axes: Axes, image: np.ndarray | Failure, cell: _Cell) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.set_facecolor(_MAT)
    axes.spines[:].set_visible(False)
    if isinstance(image, Failure):
        reason = f"{image.reason.replace('_', ' ')}\n\n{textwrap.fill(_printable(image.message)[:120], 26)}"
        axes.text(0.5, 0.5, reason, ha="center", va="center", size=8, color=FAINT, parse_math=False)
    else:
        height, width = np.array(image.shape[:2]) / max(image.shape[:2])
        axes.imshow(image, extent=((1 - width) / 2, (1 + width) / 2, (1 - height) / 2, (1 + height) / 2))
        axes.set(xlim=(0, 1), ylim=(0, 1))  # imshow has shrunk the view to the image
    caption = "\n".join(filter(None, [_two_lines(cell.name), cell.note]))
    axes.set_title(caption, y=-0.03, pad=0, va="top", color=INK, parse_math=False, **_CAPTION_FONT)


def _frame(axes: Axes) -> None:
    axes.spines[:].set(visible=True, color=BLUE, linewidth=2.5)
    axes.title.set_color(BLUE)


def _load(folder: Path, name: str) -> np.ndarray | Failure:
    """Return uint8 (height, width, 3), decoded small, or why there is none."""
    plain, unescaped = str(folder / name), os.path.join(folder, os.fsdecode(on_disk(name)))
    data = read(plain if os.path.lexists(plain) else unescaped, _MAX_BYTES)
    return data if isinstance(data, Failure) else thumbnail(data, _THUMBNAIL_PIXELS)


def _two_lines(name: str) -> str:
    """Return the name on one line, or on two that part where its words do, as wide as an image."""
    shown = _elide(name, 2 * _CAPTION_CHARACTERS)
    if len(shown) <= _CAPTION_CHARACTERS:
        return shown
    cuts = range(len(shown) - _CAPTION_CHARACTERS, _CAPTION_CHARACTERS + 1)
    cut = max((cut for cut in cuts if shown[cut - 1] in "/_- ."), default=_CAPTION_CHARACTERS)
    return f"{shown[:cut]}\n{shown[cut:]}"


def _elide(name: str, room: int) -> str:
    """Shorten a name in the middle: the end, which tells copies apart, stays."""
    shown = _printable(name)
    if len(shown) <= room:
        return shown
    end = room * 2 // 3
    return f"{shown[: room - end - 1]}…{shown[-end:]}"


def _printable(text: str) -> str:
    """Escape what would break a line, turn its direction, or can't be drawn at all (half a surrogate pair)."""
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter)[0] in "CZ" and letter != " "
        else letter
        for letter in text
    )


def _window_or_figure(width: float, height: float) -> Figure:
    """Return a figure that pyplot shows in a window, where the session is one of windows; else a plain one."""
    if matplotlib.is_interactive() and not in_notebook():
        from matplotlib import pyplot  # chooses a backend for the whole process: only where windows are wanted

        return pyplot.figure(figsize=(width, height))
    return plain_figure(width, height)
