"""How many of the proposed pairs and removals are wrong, before and after verification, by kind of picture and method.

    python benchmarks/verification.py --corpus FOLDER [--transparency grey] [--distance 10] [--methods phash,dhash]

FOLDER is one that ``jobs/make_benchmark.py --kind all --edits plain`` made, or any folder with its labels. Before is
imagededup's rule; after is the same pass over the pairs that pixels show to be the same. A removal is wrong if the
image that stays in its place has another label. Found is the share of copies that are the same as their original. The
last line says how long verification took, beside encoding.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from dedup_core import hamming
from dedup_core.corpus.benchmark import AS_LABELS, IMAGES
from dedup_core.encoders.encoder import Decoding
from dedup_core.methods import AHash, DHash, PHash, WHash
from dedup_core.methods.encoding import encode_images_with
from dedup_core.methods.encodings import Encodings
from dedup_core.methods.verified import Files
from dedup_core.pairs import Pairs

METHODS = {method.name: method for method in (PHash, DHash, AHash, WHash)}


@dataclass(frozen=True)
class Labels:
    """What is true of each image: its picture, what was done to it, and its kind, as arrays in the order of names."""

    names: list[str]
    label: np.ndarray
    edit: np.ndarray
    kind: np.ndarray

    @classmethod
    def read(cls, corpus: Path) -> Labels:
        """Read the labels of a corpus."""
        with (corpus / AS_LABELS).open(encoding="utf-8", newline="") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: row["path"])
        columns = ([row.get(name) or "" for row in rows] for name in ("label", "edit", "kind"))
        return cls([row["path"] for row in rows], *(np.array(column, object) for column in columns))


@dataclass(frozen=True)
class Row:
    """One kind of pictures by one method: pairs and removals, and how many of them are true, before and after."""

    pairs: tuple[int, int]
    true_pairs: tuple[int, int]
    removals: tuple[int, int]
    wrong: tuple[int, int]
    copies: int
    found: int

    def __add__(self, other: Row) -> Row:
        """Return the sums."""
        both = [tuple(map(sum, zip(a, b, strict=True))) for a, b in zip(self._ends(), other._ends(), strict=True)]
        return Row(*both, self.copies + other.copies, self.found + other.found)  # type: ignore[arg-type]

    def _ends(self) -> list[tuple[int, int]]:
        return [self.pairs, self.true_pairs, self.removals, self.wrong]


def measured(encodings: Encodings[str], labels: Labels, distance: int, decoding: Decoding) -> dict[str, Row]:
    """Return the row of each kind, by one method; pairs across kinds count for the kind of their first image."""
    codes = np.array([int(encodings[name], 16) for name in labels.names], np.uint64)
    proposed = hamming.self_join(codes, distance).sorted()
    same = Files.of(encodings, labels.names, "encodings").same(proposed, decoding)
    rows = {}
    for kind in sorted(set(labels.kind)):
        of_kind = [_of_kind(pairs, labels, kind) for pairs in (proposed, same)]
        true = [int((labels.label[pairs.left] == labels.label[pairs.right]).sum()) for pairs in of_kind]
        gone = [list(_removed(pairs, len(codes))) for pairs in of_kind]
        wrong = [sum(labels.label[one] != labels.label[other] for one, other in removed) for removed in gone]
        copies, found = _found(same, labels, kind)
        counts = ([len(pairs) for pairs in of_kind], true, [len(removed) for removed in gone], wrong)
        rows[kind] = Row(*(tuple(count) for count in counts), copies, found)  # type: ignore[arg-type]
    return rows


def _of_kind(pairs: Pairs, labels: Labels, kind: str) -> Pairs:
    chosen = labels.kind[pairs.left] == kind
    return Pairs(pairs.left[chosen], pairs.right[chosen], pairs.score[chosen])


def _removed(pairs: Pairs, size: int) -> Iterator[tuple[int, int]]:
    """Yield (removed, keeper) by the greedy pass in the order of names."""
    removed = np.zeros(size, bool)
    bounds = np.flatnonzero(np.diff(pairs.left, prepend=-1, append=-1)).tolist()
    for start, end in pairwise(bounds):
        keeper = int(pairs.left[start])
        if not removed[keeper]:
            yield from ((int(one), keeper) for one in pairs.right[start:end] if not removed[one])
            removed[pairs.right[start:end]] = True


def _found(same: Pairs, labels: Labels, kind: str) -> tuple[int, int]:
    """Return how many copies of a kind there are, and how many of them are the same as their original."""
    position = {name: at for at, name in enumerate(labels.names)}
    is_copy = (labels.kind == kind) & (labels.label != np.array(labels.names, object))
    ends = ((int(at), position[labels.label[at]]) for at in np.flatnonzero(is_copy))
    of_copy = {(min(pair), max(pair)) for pair in ends}
    return len(of_copy), len(of_copy & set(zip(same.left.tolist(), same.right.tolist(), strict=True)))


def table(rows: dict[str, dict[str, Row]]) -> Iterator[str]:
    """Yield a table of kinds, a few columns for each method."""
    methods = list(rows)
    heads = ("pairs right", "removals wrong", "wrong after", "copies found")
    yield "| kind | " + " | ".join(f"{method}: {head}" for method in methods for head in heads) + " |"
    yield "|---|" + "---:|" * len(methods) * len(heads)
    for kind in rows[methods[0]]:
        yield f"| {kind.replace('_', ' ')} | " + " | ".join(" | ".join(_cells(rows[m][kind])) for m in methods) + " |"


def _cells(row: Row) -> Sequence[str]:
    return (
        _share(row.true_pairs[0], row.pairs[0]),
        f"{row.wrong[0]:,} of {row.removals[0]:,}",
        f"{row.wrong[1]:,} of {row.removals[1]:,}",
        _share(row.found, row.copies),
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="folder that jobs/make_benchmark.py made")
    parser.add_argument("--distance", type=int, default=10, help="largest Hamming distance of a pair")
    parser.add_argument("--methods", default="phash,dhash", help=f"of {', '.join(METHODS)}")
    parser.add_argument("--transparency", choices=("drop", "grey"), default="drop")
    given = parser.parse_args()
    decoding = Decoding(transparency=given.transparency)
    labels = Labels.read(given.corpus)
    methods = [METHODS[name](verbose=False, decoding=decoding) for name in given.methods.split(",")]
    started = time.perf_counter()
    encodings = encode_images_with(methods, given.corpus / IMAGES, recursive=True)
    encoding = time.perf_counter() - started
    rows, verifying = {}, {}
    for name, made in encodings.items():
        started = time.perf_counter()
        rows[name] = measured(made, labels, given.distance, decoding)
        verifying[name] = time.perf_counter() - started
    for name, of_kinds in rows.items():
        rows[name] = of_kinds | {"all": sum(list(of_kinds.values())[1:], start=next(iter(of_kinds.values())))}
    print(f"{len(labels.names):,} images, {len(set(labels.label)):,} pictures, distance up to {given.distance}\n")
    print("\n".join(table(rows)))
    took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in verifying.items())
    print(f"\nencoding {encoding:.1f} s; searching and verifying: {took}")


if __name__ == "__main__":
    main()
