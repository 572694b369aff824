"""A benchmark of one's own: photographs, drawn pictures, copies of both, and the truth in every form that is read."""

from __future__ import annotations

import csv
import functools
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from dedup_core.corpus.drawn import draw_family
from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.kinds import KINDS, MAX_PICTURES
from dedup_core.corpus.photographs import installed_photographs, make_corpus, refuse_repeated_names
from dedup_core.corpus.plain_copies import PLAIN_COPIES
from dedup_core.errors import InputError, SettingsError, nearest
from dedup_core.workers import map_in_processes, n_cores

ALL, PLAIN, DRAWN, PHOTOGRAPHS = "all", "plain", "drawn", "photographs"
IMAGES, AS_MAP, AS_PAIRS, AS_LABELS = (
    "images", "ground_truth.json", "ground_truth_pairs.parquet", "ground_truth_labels.csv"
)  # fmt: skip

_PAIRS = pa.schema([("path_a", pa.string()), ("path_b", pa.string())])
_ROW_GROUP = 1 << 20
_ASIDE = ".unfinished-benchmark"
_EXACT = "exact"

Family = Callable[[], dict[str, list[str]]]
"""Writes a picture and its copies, and returns the truth about them as a map."""


@dataclass(frozen=True)
class Shown:
    """What a benchmark shows: kinds of pictures by their names, and how many pictures of each kind that is drawn."""

    kinds: Sequence[str] = (PHOTOGRAPHS,)
    pictures: int = 60


@dataclass(frozen=True)
class Benchmark:
    """What was made.

    Attributes:
        folder: where it lies.
        photographs: how many there are.
        edits: the copies made of each photograph, besides an exact one.
        images: how many files there are.
        pairs: how many true pairs they make.
        kinds: the kinds of drawn pictures.
        pictures: how many pictures there are of each such kind.
        copies: the copies made of each drawn picture.
    """

    folder: Path
    photographs: int
    edits: tuple[str, ...]
    images: int
    pairs: int
    kinds: tuple[str, ...] = ()
    pictures: int = 0
    copies: tuple[str, ...] = ()


def make_benchmark(
    photographs: Path | None,
    folder: Path,
    edits: Sequence[str] = (ALL,),
    seed: int = 0,
    overwrite: bool = False,
    shown: Shown = Shown(),
) -> Benchmark:
    """Write the images, and the ground truth as a duplicate map, as pairs and as labels.

    ``images/`` holds the photographs and their copies, and a folder for each kind of drawn pictures with theirs.
    Beside it lie ``ground_truth.json`` (imagededup's form), ``ground_truth_pairs.parquet`` (path_a, path_b) and
    ``ground_truth_labels.csv`` (path, label, edit, kind): the label is the picture that an image was made from,
    ``edit`` what was done to it. A copy that has lost what a picture of its kind shows is labelled by itself. All of
    it appears at the end: a run that fails leaves the folder as it was.

    Args:
        photographs: a folder of images that show different things; None for those of installed packages.
        folder: where all of it goes.
        edits: names of edits and plain copies to make, "all" for every edit, "plain" for every plain copy. Drawn
            pictures get plain copies alone: every one, unless some are named.
        seed: decides what is random in a picture and in an edit. The same seed gives the same files.
        overwrite: whether to replace a benchmark that ``folder`` already holds.
        shown: the kinds of pictures; "drawn" for all but photographs, "all" for all.

    Raises:
        SettingsError: if an edit or a kind is unknown, something was given that no picture takes, a photograph can't
            be decoded, two have one name, or the folder is in use.
        InputError: if there are no photographs.
    """
    plan = _plan(photographs, edits, seed, shown)
    _check_room(folder, overwrite)
    aside = folder / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)  # of a run that was killed
    try:
        truth = _make(list(plan.families(aside / IMAGES)), aside)
        _move(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    pairs = sum(map(len, truth.values())) // 2
    counts = len(plan.photographs), plan.edits, len(truth), pairs
    return Benchmark(folder, *counts, plan.kinds, plan.pictures, plan.copies)


def edit_of(path: str) -> str:
    """Return what was done to an image of the benchmark: an edit's name, "exact" for a copy, else "original"."""
    *folders, edit, _ = PurePosixPath(path).parts
    return edit if folders[-1:] == ["copies"] else "original"


def kind_of(path: str) -> str:
    """Return the kind of an image of the benchmark."""
    first = PurePosixPath(path).parts[0]
    return first if first in KINDS else PHOTOGRAPHS


@dataclass(frozen=True)
class _Plan:
    """What to make: of each photograph the edits, of each kind so many pictures and the plain copies of them."""

    photographs: Sequence[Path]
    edits: tuple[str, ...]
    kinds: tuple[str, ...]
    pictures: int
    copies: tuple[str, ...]
    seed: int

    def families(self, images: Path) -> Iterator[Family]:
        """Yield what makes a family under that folder, for each photograph and each drawn picture."""
        for photograph in self.photographs:
            yield functools.partial(_photographed, photograph, self.edits, images, self.seed)
        for kind, number in itertools.product(self.kinds, range(self.pictures)):
            yield functools.partial(draw_family, kind, number, self.copies, images, self.seed)


def _plan(photographs: Path | None, edits: Sequence[str], seed: int, shown: Shown) -> _Plan:
    names, kinds = _chosen_edits(edits), _chosen_kinds(shown)
    files: list[Path] = []
    if PHOTOGRAPHS in kinds:
        files = installed_photographs() if photographs is None else _files(photographs)
        # Each photograph is made into files in a process of its own, and none of them sees the names of the others.
        refuse_repeated_names(files)
    else:
        _refuse_idle(photographs, edits)
    drawn = tuple(kind for kind in kinds if kind in KINDS)
    copies = tuple(name for name in names if name in PLAIN_COPIES) or tuple(PLAIN_COPIES)
    # An exact copy is made of each photograph in any case.
    return _Plan(files, tuple(name for name in names if name != _EXACT), drawn, shown.pictures, copies, seed)


def _chosen_edits(edits: Sequence[str]) -> tuple[str, ...]:
    groups = {ALL: tuple(EDITS), PLAIN: tuple(PLAIN_COPIES)}
    return _chosen("edit", edits, [*EDITS, *PLAIN_COPIES], groups)


def _chosen_kinds(shown: Shown) -> tuple[str, ...]:
    if not shown.kinds:
        raise SettingsError(f"no kind of pictures: name some, such as {PHOTOGRAPHS}, or {ALL}")
    if not 1 <= shown.pictures <= MAX_PICTURES:
        raise SettingsError(f"{shown.pictures:,} pictures a kind: from 1 to {MAX_PICTURES:,} can be drawn")
    known = [PHOTOGRAPHS, *KINDS]
    return _chosen("kind", shown.kinds, known, {ALL: tuple(known), DRAWN: tuple(KINDS)})


def _chosen(
    what: str, given: Sequence[str], known: Sequence[str], groups: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Return the names that were given, each once, those of a group in its place."""
    for name in given:
        if name not in known and name not in groups:
            raise SettingsError(f"unknown {what} {name!r}: {nearest(name, [*known, *groups])}")
    return tuple(dict.fromkeys(one for name in given for one in groups.get(name, (name,))))


def _refuse_idle(photographs: Path | None, edits: Sequence[str]) -> None:
    """Refuse what only photographs take, where there are none."""
    if photographs is not None:
        raise SettingsError(f"photographs are given, but no kind takes them: add {PHOTOGRAPHS} to the kinds")
    if idle := [name for name in edits if name in EDITS]:
        raise SettingsError(
            f"the edit {idle[0]!r} is for photographs: name plain copies ({', '.join(PLAIN_COPIES)}), or add "
            f"{PHOTOGRAPHS} to the kinds"
        )


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"there is no folder of photographs at {folder}")
    found = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not found:
        raise InputError(f"no photographs in {folder} (folders inside it are not searched)")
    return found


def _check_room(folder: Path, overwrite: bool) -> None:
    """Refuse a folder of images, unless an earlier benchmark wrote them and they may go."""
    images = folder / IMAGES
    if images.is_symlink() or (images.exists() and not images.is_dir()):
        raise SettingsError(f"{images} is no folder of its own: choose another folder")
    if not images.is_dir() or not any(images.iterdir()):
        taken = [name for name in (AS_LABELS, AS_MAP, AS_PAIRS) if (folder / name).exists()]
        if taken and not overwrite:
            raise SettingsError(f"{folder / taken[0]} is there already: choose another folder, or give --overwrite")
        return
    if not overwrite:
        raise SettingsError(f"{images} already holds files: choose another folder, or replace them by --overwrite")
    there = {path.relative_to(images).as_posix() for path in images.rglob("*") if not path.is_dir()}
    foreign = sorted(there - _made(folder))
    if foreign:
        raise SettingsError(
            f"{images} holds files that no benchmark has made, such as {foreign[0]}: move them away, or choose another "
            "folder"
        )


def _made(folder: Path) -> set[str]:
    """Return the images that an earlier benchmark made, as its labels say; none if there are no such labels."""
    try:
        with (folder / AS_LABELS).open(encoding="utf-8", newline="") as file:
            return {row["path"] for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, KeyError, csv.Error):
        return set()


def _make(families: Sequence[Family], aside: Path) -> dict[str, list[str]]:
    """Write images and truth to an empty place, and return the truth as a map."""
    truth: dict[str, list[str]] = {}
    for part in map_in_processes(_called, families, min(n_cores(), len(families))):
        truth |= part
    truth = dict(sorted(truth.items()))
    (aside / AS_MAP).write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    _write_labels(aside / AS_LABELS, truth)
    _write_pairs(aside / AS_PAIRS, truth)
    return truth


def _move(aside: Path, folder: Path) -> None:
    """Put a finished benchmark in the place of the one before.

    The images go first and come last: images without labels would be taken for somebody else's.
    """
    if (folder / IMAGES).is_dir():
        (folder / IMAGES).replace(aside / "before")  # and is deleted with what lies aside
    for name in (AS_LABELS, AS_MAP, AS_PAIRS, IMAGES):
        (aside / name).replace(folder / name)


def _called(family: Family) -> dict[str, list[str]]:
    return family()


def _photographed(photograph: Path, edits: Sequence[str], images: Path, seed: int) -> dict[str, list[str]]:
    return make_corpus([photograph], [EDITS.get(name) or PLAIN_COPIES[name] for name in edits], images, seed)


def _write_labels(path: Path, truth: Mapping[str, Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "edit", "kind"))
        # The original sorts before its copies: album/ comes before copies/.
        writer.writerows((name, min([name, *others]), edit_of(name), kind_of(name)) for name, others in truth.items())


def _write_pairs(path: Path, truth: Mapping[str, Sequence[str]]) -> None:
    pairs = ((name, other) for name, others in truth.items() for other in others if name < other)
    with pq.ParquetWriter(path, _PAIRS) as writer:
        for rows in _batches(pairs):
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=_PAIRS))


def _batches(rows: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    rows = iter(rows)
    while batch := list(itertools.islice(rows, _ROW_GROUP)):
        yield batch
