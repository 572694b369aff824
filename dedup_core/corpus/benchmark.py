"""A benchmark of one's own: photographs, edited copies of them, and the truth in every form that is read."""

from __future__ import annotations

import csv
import functools
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import installed_photographs, make_corpus, refuse_repeated_names
from dedup_core.errors import InputError, SettingsError, nearest
from dedup_core.workers import map_in_processes, n_cores

ALL = "all"
IMAGES, AS_MAP, AS_PAIRS, AS_LABELS = (
    "images", "ground_truth.json", "ground_truth_pairs.parquet", "ground_truth_labels.csv"
)  # fmt: skip

_PAIRS = pa.schema([("path_a", pa.string()), ("path_b", pa.string())])
_ROW_GROUP = 1 << 20
_ASIDE = ".unfinished-benchmark"


@dataclass(frozen=True)
class Benchmark:
    """What was made: the folder, how many photographs, by which edits, and how many images and true pairs."""

    folder: Path
    photographs: int
    edits: tuple[str, ...]
    images: int
    pairs: int


def make_benchmark(
    photographs: Path | None, folder: Path, edits: Sequence[str] = (ALL,), seed: int = 0, overwrite: bool = False
) -> Benchmark:
    """Write the images, and the ground truth as a duplicate map, as pairs and as labels.

    ``images/`` holds the photographs and their copies. Beside it lie ``ground_truth.json`` (imagededup's form),
    ``ground_truth_pairs.parquet`` (path_a, path_b) and ``ground_truth_labels.csv`` (path, label, edit): the label is
    the photograph that an image was made from, ``edit`` what was done to it. All of it appears at the end: a run that
    fails leaves the folder as it was.

    Args:
        photographs: a folder of images that show different things; None for those of installed packages.
        folder: where all of it goes.
        edits: names of the edits to make, or "all".
        seed: decides what is random in an edit. The same seed gives the same files.
        overwrite: whether to replace a benchmark that ``folder`` already holds.

    Raises:
        SettingsError: if an edit is unknown, a photograph can't be decoded, two have one name, or the folder is in
            use.
        InputError: if there are no photographs.
    """
    names = _chosen(edits)
    files = installed_photographs() if photographs is None else _files(photographs)
    # Each photograph is made into files in a process of its own, and none of them sees the names of the others.
    refuse_repeated_names(files)
    _check_room(folder, overwrite)
    aside = folder / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)  # of a run that was killed
    try:
        truth = _make(files, names, aside, seed)
        _move(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Benchmark(folder, len(files), names, len(truth), sum(map(len, truth.values())) // 2)


def edit_of(path: str) -> str:
    """Return what was done to an image of the benchmark: an edit's name, "exact" for a copy, else "original"."""
    parts = PurePosixPath(path).parts
    return parts[1] if parts[0] == "copies" else "original"


def _chosen(edits: Sequence[str]) -> tuple[str, ...]:
    for name in edits:
        if name not in EDITS and name != ALL:
            raise SettingsError(f"unknown edit {name!r}: {nearest(name, [*EDITS, ALL])}")
    return tuple(EDITS) if ALL in edits else tuple(dict.fromkeys(edits))


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


def _make(photographs: Sequence[Path], edits: Sequence[str], aside: Path, seed: int) -> dict[str, list[str]]:
    """Write images and truth to an empty place, and return the truth as a map."""
    family = functools.partial(_family, edits, aside / IMAGES, seed)
    truth: dict[str, list[str]] = {}
    for part in map_in_processes(family, photographs, min(n_cores(), len(photographs))):
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


def _family(edits: Sequence[str], images: Path, seed: int, photograph: Path) -> dict[str, list[str]]:
    return make_corpus([photograph], [EDITS[name] for name in edits], images, seed)


def _write_labels(path: Path, truth: Mapping[str, Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "edit"))
        # The original sorts before its copies: album/ comes before copies/.
        writer.writerows((name, min([name, *others]), edit_of(name)) for name, others in truth.items())


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
