"""Labelled collections: distinct photographs, edited copies of them, and which belongs to which."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from dedup_core.corpus.edits import EDITS, Edit
from dedup_core.corpus.originals import Copy, Original, seeded
from dedup_core.corpus.plain_copies import PlainCopy
from dedup_core.errors import SettingsError
from dedup_core.images.decoding import decode
from dedup_core.images.picture import Failure

_SCIKIT_IMAGE_PHOTOGRAPHS = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "grass.png",
    "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png", "retina.jpg",
    "rocket.jpg", "text.png",
)  # fmt: skip
_MATPLOTLIB_PHOTOGRAPH = "mpl-data/sample_data/grace_hopper.jpg"


def installed_photographs() -> list[Path]:
    """Return the photographs that ship inside scikit-image and matplotlib.

    Raises:
        SettingsError: if scikit-image is not installed.
    """
    folder = _package_folder("skimage", "scikit-image") / "data"
    photographs = [folder / name for name in _SCIKIT_IMAGE_PHOTOGRAPHS]
    photographs.append(_package_folder("matplotlib", "matplotlib") / _MATPLOTLIB_PHOTOGRAPH)
    return [path for path in photographs if path.exists()]


def make_corpus(
    photographs: Sequence[Path], edits: Iterable[Edit | PlainCopy], folder: Path, seed: int = 0
) -> dict[str, list[str]]:
    """Write an exact copy of each photograph, one edited copy an edit, and the photograph itself.

    Args:
        photographs: image files that show different things.
        edits: the edits and plain copies to make.
        folder: where the images go: ``album/`` for the photographs, ``copies/`` with a folder an edit.
        seed: decides what is random in an edit. The same seed gives the same files.

    Returns:
        The ground truth: each file, relative to ``folder``, with the other files made from the same photograph.

    Raises:
        SettingsError: if a photograph can't be decoded, or two have one name: their copies would be one file.
    """
    truth: dict[str, list[str]] = {}
    edits = list(edits)
    refuse_repeated_names(photographs)
    for photograph in sorted(photographs):
        family = [_copy(photograph, folder / kind) for kind in ("album", "copies/exact")]
        content = photograph.read_bytes()
        picture = decode(content)
        if isinstance(picture, Failure):
            raise SettingsError(f"{photograph} can't be decoded: {picture.message}")
        original = Original.photographed(photograph.name, content, picture.image)
        copies = ((edit.name, edit.copy_of(original, seed)) for edit in edits)
        family += [write_copy(original, name, copy, folder) for name, copy in copies if copy is not None]
        names = sorted(path.relative_to(folder).as_posix() for path in family)
        truth |= {name: [other for other in names if other != name] for name in names}
    return dict(sorted(truth.items()))


def write_copy(original: Original, edit: str, copy: Copy, folder: Path) -> Path:
    """Write a copy to ``copies/`` in the folder, and return where it lies."""
    path = folder / "copies" / edit / f"{original.stem}{copy.ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(copy.content)
    return path


def add_broken_files(folder: Path) -> None:
    """Write two files that look like images by their names: one cut short, and one that is none."""
    picture = decode(min((folder / "album").iterdir()).read_bytes())
    if isinstance(picture, Failure):
        raise SettingsError(f"the album in {folder} holds a file that can't be decoded: {picture.message}")
    content = EDITS["recompressed"].apply(picture.image, seeded(0))
    broken = folder / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "cut-short.jpg").write_bytes(content[: len(content) // 2])
    (broken / "not-an-image.png").write_text("This is a note that somebody gave the wrong ending.\n", encoding="utf-8")


def refuse_repeated_names(photographs: Sequence[Path]) -> None:
    """Refuse photographs whose copies would be one file.

    Raises:
        SettingsError: names the first two.
    """
    first: dict[str, Path] = {}
    for photograph in photographs:
        if first.setdefault(photograph.stem, photograph) != photograph:
            raise SettingsError(f"{first[photograph.stem]} and {photograph} have one name: rename one of them")


def _copy(photograph: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(photograph, folder / photograph.name))


def _package_folder(module: str, distribution: str) -> Path:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise SettingsError(f"the demo's photographs ship with {distribution}: pip install {distribution}")
    return Path(found.origin).parent
