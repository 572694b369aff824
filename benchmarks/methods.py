"""What each method finds: recall by edit, and precision, on a labelled corpus. Prints the tables of docs/methods.md.

    python benchmarks/methods.py --corpus FOLDER [--figure heat.svg] [--weights FILE.weights.h5] [--cnn-photographs 40]
        [--decode fast]

FOLDER is one that ``jobs/make_benchmark.py`` made. Recall by edit is the share of copies whose distance to their
photograph is within the threshold. Precision and F1 are those of all pairs of the corpus. The CNN takes most of the
time: it looks at the copies of the first so many photographs alone, and its precision is that of these.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow.csv

from dedup_core import hamming
from dedup_core.corpus.benchmark import AS_LABELS, IMAGES
from dedup_core.encoders.encoder import Decoding, Mode, encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.evaluation.metrics import Sweep
from dedup_core.metric import HAMMING
from dedup_core.workers import n_cores

DISTANCES = (0, 4, 10)
SIMILARITY = 0.9
BATCH = 64
HASHES = [name for name, method in ENCODERS.items() if method.metric is HAMMING]


@dataclass(frozen=True)
class Corpus:
    """The images, the position of the photograph that each was made from, and what was done to it."""

    files: list[Path]
    original: np.ndarray
    edit: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> Corpus:
        """Read the labels of a corpus."""
        table = pyarrow.csv.read_csv(folder / AS_LABELS).to_pydict()
        position = {path: index for index, path in enumerate(table["path"])}
        original = np.array([position[path] for path in table["label"]])
        return cls([folder / IMAGES / path for path in table["path"]], original, np.array(table["edit"]))

    def of_photographs(self, count: int) -> np.ndarray:
        """Return the positions of the images made from the first so many photographs."""
        return np.flatnonzero(np.isin(self.original, np.unique(self.original)[:count]))


@dataclass(frozen=True)
class Column:
    """One method at one threshold: recall by edit, and pairs found, true and existing."""

    name: str
    recall: dict[str, float]
    sweep: Sweep


def encode(paths: Sequence[Path], decoding: Decoding) -> np.ndarray:
    encoders = [ENCODERS[name].encoder() for name in HASHES]
    encoded = encode_batch((path.read_bytes() for path in paths), encoders, decoding)
    return np.array([[one.features[name] for name in HASHES] for one in encoded], np.uint64)


def hash_columns(corpus: Corpus, decoding: Decoding) -> Iterator[Column]:
    batches = [corpus.files[start : start + BATCH] for start in range(0, len(corpus.files), BATCH)]
    with ProcessPoolExecutor(n_cores()) as pool:
        codes = np.concatenate(list(pool.map(partial(encode, decoding=decoding), batches)))
    everyone = np.arange(len(corpus.files))
    for method, column in zip(HASHES, codes.T.copy(), strict=True):
        found = hamming.self_join(column, max(DISTANCES))
        difference = (column ^ column[corpus.original])[:, None].view(np.uint8)
        apart = np.unpackbits(difference, axis=1).sum(axis=1)
        for distance in DISTANCES:
            pairs = found.left[found.score <= distance], found.right[found.score <= distance]
            yield _column(f"{method} ≤ {distance}", corpus, everyone, apart <= distance, pairs)


def cnn_column(corpus: Corpus, weights: str, count: int) -> Column:
    from dedup_core.encoders.network import Embedder
    from dedup_core.images.decoding import decode

    images = corpus.of_photographs(count)
    embedder = Embedder(weights, threads=n_cores())
    vectors = []
    for start in range(0, len(images), BATCH):
        batch = (decode(corpus.files[index].read_bytes()) for index in images[start : start + BATCH])
        vectors.append(embedder.embed(np.stack([picture.rgb(embedder.size) for picture in batch])))
    units = np.concatenate(vectors).astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    of_original = units[np.searchsorted(images, corpus.original[images])]
    within = (units * of_original).sum(axis=1) >= SIMILARITY
    left, right = np.nonzero(np.triu(units @ units.T >= SIMILARITY, 1))
    return _column(f"cnn ≥ {SIMILARITY}", corpus, images, within, (images[left], images[right]))


def _column(
    name: str, corpus: Corpus, images: np.ndarray, within: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]
) -> Column:
    edit, original = corpus.edit[images], corpus.original[images]
    recall = {kind: float(within[edit == kind].mean()) for kind in np.unique(edit) if kind != "original"}
    _, sizes = np.unique(original, return_counts=True)
    hits = int((corpus.original[pairs[0]] == corpus.original[pairs[1]]).sum())
    n_true = int((sizes * (sizes - 1) // 2).sum())
    return Column(name, recall, Sweep(np.zeros(1), np.array([len(pairs[0])]), np.array([hits]), n_true))


def table(columns: Sequence[Column], edits: Sequence[str]) -> Iterator[str]:
    yield "| | " + " | ".join(column.name for column in columns) + " |"
    yield "|---|" + "---:|" * len(columns)
    for edit in edits:
        yield f"| {readable(edit)} | " + " | ".join(f"{column.recall[edit]:.0%}" for column in columns) + " |"
    figures: dict[str, Callable[[Sweep], float]] = {
        "all pairs: precision": lambda sweep: sweep.precision[0],
        "all pairs: recall": lambda sweep: sweep.recall[0],
        "all pairs: F1": lambda sweep: sweep.f1[0],
    }
    for name, figure in figures.items():
        yield f"| **{name}** | " + " | ".join(f"{figure(column.sweep):.1%}" for column in columns) + " |"
    yield "| **pairs found** | " + " | ".join(f"{column.sweep.pairs[0]:,}" for column in columns) + " |"


def readable(edit: str) -> str:
    return edit.replace("_", " ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="folder that jobs/make_benchmark.py made")
    parser.add_argument("--figure", type=Path, help="where to draw the heat map (.png, .svg)")
    parser.add_argument("--weights", help="MobileNet's weights: adds the CNN")
    parser.add_argument("--cnn-photographs", type=int, default=40, help="photographs that the CNN looks at")
    parser.add_argument("--decode", choices=get_args(Mode), default="exact", help="as the setting, for the hashes")
    given = parser.parse_args()
    corpus = Corpus.read(given.corpus)
    columns = list(hash_columns(corpus, Decoding(mode=given.decode)))
    if given.weights:
        columns.append(cnn_column(corpus, given.weights, given.cnn_photographs))
    # The easiest first: rows that fade from dark to light are read at a glance.
    ease = {edit: np.mean([column.recall[edit] for column in columns]) for edit in columns[0].recall}
    edits = sorted(ease, key=lambda edit: (-ease[edit], edit))
    photographs = len(np.unique(corpus.original))
    print(f"{photographs} photographs, {len(corpus.files):,} images, {columns[0].sweep.n_true:,} true pairs\n")
    print("\n".join(table(columns, edits)))
    if given.figure:
        from dedup_core.plotting.thresholds import recall_heat_map

        rows = {readable(edit): {column.name: column.recall[edit] for column in columns} for edit in edits}
        recall_heat_map(rows).savefig(given.figure, dpi=150)


if __name__ == "__main__":
    main()
