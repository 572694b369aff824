"""Local features, their votes and geometry: what they cost, which copies they find, and what they make of a paste.

    python benchmarks/local_features.py --corpus FOLDER [--rounds 3] [--pastes 50]

FOLDER is one that ``jobs/make_benchmark.py --kind all`` made. As in a run, images of equal bytes are one, a pair of
images is a candidate by its votes, and reported if geometry says so. Recall by edit is the share of true pairs with
such a copy on one side that are reported: beside the photograph itself, and beside all other copies of it. A paste is a
whole photograph laid on another one, so that it covers 45% of it. Features are timed against the exact decode of
the same photographs, judging by the pair, both in seconds of a core.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.csv
from PIL import Image

from dedup_core.corpus.benchmark import AS_LABELS, IMAGES, PHOTOGRAPHS
from dedup_core.geometry.judge import Geometry, judge, prepared
from dedup_core.images.decoding import decode
from dedup_core.images.picture import Failure
from dedup_core.local.defaults import MAX_CODE_DISTANCE, MAX_IMAGES_PER_CODE, MIN_INLIERS, MIN_VOTES
from dedup_core.local.features import LocalFeatures, local_features
from dedup_core.local.votes import CodedImages, Votes, are_common, cross_votes, self_votes
from dedup_core.workers import n_cores

BATCH, CHUNK = 32, 500
COVERED = 0.45
TIMED = 60


@dataclass(frozen=True)
class Corpus:
    """Images by their positions: the file, the position of the picture that it shows, what was done to it, its kind."""

    files: list[Path]
    shows: np.ndarray
    edit: np.ndarray
    kind: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> Corpus:
        """Read the labels of a corpus."""
        table = pyarrow.csv.read_csv(folder / AS_LABELS).to_pydict()
        position = {path: at for at, path in enumerate(table["path"])}
        shows = np.array([position[path] for path in table["label"]])
        files = [folder / IMAGES / path for path in table["path"]]
        return cls(files, shows, np.array(table["edit"]), np.array(table["kind"]))

    @property
    def originals(self) -> list[int]:
        """The photographs themselves."""
        return np.flatnonzero((self.edit == "original") & (self.kind == PHOTOGRAPHS)).tolist()

    def true_pairs(self) -> np.ndarray:
        """All pairs of images that show one picture: int64 (n, 2), the smaller position first."""
        families = (np.flatnonzero(self.shows == picture) for picture in np.unique(self.shows))
        pairs = (family[np.stack(np.triu_indices(len(family), 1), axis=1)] for family in families)
        return np.concatenate(list(pairs))


@dataclass(frozen=True)
class Described:
    """An image's local features, and its width and height in pixels."""

    features: LocalFeatures
    width: int
    height: int

    @property
    def stored_bytes(self) -> int:
        """Bytes of what is stored."""
        return self.features.keypoints.nbytes + self.features.descriptors.nbytes + len(self.features.picture)


def described(contents: Sequence[bytes]) -> list[Described]:
    """Return the local features of image files."""
    return [_described(content) for content in contents]


def _described(content: bytes) -> Described:
    pixels = pixels_of(content)
    return Described(local_features(pixels), pixels.shape[1], pixels.shape[0])


def pixels_of(content: bytes) -> np.ndarray:
    picture = decode(content)
    if isinstance(picture, Failure):
        raise ValueError(f"the corpus holds a file that can't be decoded: {picture.message}")
    return picture.pixels


def representatives(files: Sequence[Path]) -> np.ndarray:
    """Return for each file the position of the first one with the same bytes."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(hashlib.sha256(path.read_bytes()).digest(), at) for at, path in enumerate(files)])


def coded(images: Sequence[Described], numbers: Sequence[int]) -> CodedImages:
    """Return the codes of images, without those that say nothing."""
    owners = np.repeat(np.asarray(numbers), [len(image.features.codes) for image in images])
    every = CodedImages(np.concatenate([image.features.codes for image in images]), owners)
    kept = ~are_common(every, MAX_IMAGES_PER_CODE)
    return CodedImages(every.codes[kept], every.images[kept])


def geometries(
    candidates: Votes, lefts: dict[int, Described], rights: dict[int, Described], pool: ProcessPoolExecutor
) -> list[Geometry | None]:
    """Return what geometry says of each candidate."""
    pairs = list(zip(candidates.left.tolist(), candidates.right.tolist(), strict=True))
    parts = (pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK))
    tasks = (
        (part, {left: lefts[left] for left, _ in part}, {right: rights[right] for _, right in part}) for part in parts
    )
    return [geometry for judged in pool.map(_judged, tasks) for geometry in judged]


def _judged(
    task: tuple[list[tuple[int, int]], dict[int, Described], dict[int, Described]],
) -> list[Geometry | None]:
    pairs, *sides = task
    lefts, rights = (
        {number: prepared(image.features, image.width, image.height) for number, image in side.items()}
        for side in sides
    )
    return [judge(lefts[left], rights[right], MIN_INLIERS) for left, right in pairs]


# What it costs


def seconds(action: Callable[[], object], rounds: int) -> float:
    """Return seconds of a core, the median of some rounds, after one that isn't counted."""
    action()
    times = []
    for _ in range(rounds):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return statistics.median(times)


def costs(contents: Sequence[bytes], rounds: int) -> Iterator[str]:
    """Yield what features of photographs cost, and their bytes."""
    pixels = [pixels_of(content) for content in contents]
    decoding = seconds(lambda: [pixels_of(content) for content in contents], rounds)
    describing = seconds(lambda: [local_features(each) for each in pixels], rounds)
    megapixels = statistics.median(each.shape[0] * each.shape[1] for each in pixels) / 1e6
    sizes = [image.stored_bytes for image in described(contents)]
    yield f"{len(contents)} photographs, the median one of {megapixels:.2f} MP, one core, median of {rounds} rounds:"
    yield f"  decode {1e3 * decoding / len(contents):.1f} ms, local features {1e3 * describing / len(contents):.1f} ms"
    yield f"  local features / decode = {describing / decoding:.2f}"
    yield f"  bytes an image: {statistics.mean(sizes):,.0f} on the average, {max(sizes):,} at most"


def judging_costs(images: dict[int, Described], true: np.ndarray, false: np.ndarray, rounds: int) -> Iterator[str]:
    """Yield milliseconds a pair."""
    ready = {number: prepared(image.features, image.width, image.height) for number, image in images.items()}
    for name, pairs in (("true", true), ("false", false)):
        chosen = pairs[:: max(1, len(pairs) // (4 * TIMED))][: 4 * TIMED].tolist()
        if chosen:
            took = seconds(lambda chosen=chosen: [judge(ready[a], ready[b], MIN_INLIERS) for a, b in chosen], rounds)
            yield f"  {1e3 * took / len(chosen):.2f} ms a {name} pair ({len(chosen)} of them)"


# What it finds


def by_edit(corpus: Corpus, true: np.ndarray, is_found: np.ndarray, named: dict[tuple[int, int], str]) -> Iterator[str]:
    """Yield the table of recall by edit, of photographs, with the relations that copies have to their photograph."""
    of_photographs = corpus.kind[true[:, 0]] == PHOTOGRAPHS
    true, is_found = true[of_photographs], is_found[of_photographs]
    edits = corpus.edit[true]
    is_own = (edits == "original").any(axis=1)
    rows = {}
    for edit in sorted(set(corpus.edit[corpus.kind == PHOTOGRAPHS]) - {"original"}):
        has = (edits == edit).any(axis=1)
        relations = Counter(named.get(tuple(pair), "not reported") for pair in true[has & is_own].tolist())
        rows[edit] = is_found[has & is_own].mean(), is_found[has].mean(), relations
    yield "| edit | beside the photograph | beside all other copies | is called |"
    yield "|---|---:|---:|---|"
    for edit, (own, every, relations) in sorted(rows.items(), key=lambda row: (-row[1][1], row[0])):
        said = ", ".join(f"{readable(name)} {count}" for name, count in relations.most_common(3))
        yield f"| {readable(edit)} | {own:.1%} | {every:.1%} | {said} |"


def by_kind(corpus: Corpus, true: np.ndarray, is_found: np.ndarray, reported: np.ndarray) -> Iterator[str]:
    """Yield the table of precision and recall by kind. A pair of two kinds counts for that of its first image."""
    yield "| kind | reported | wrong | precision | recall | F1 |"
    yield "|---|---:|---:|---:|---:|---:|"
    is_right = corpus.shows[reported[:, 0]] == corpus.shows[reported[:, 1]]
    for kind in [*sorted(set(corpus.kind)), "all"]:
        of_kind = (corpus.kind == kind) | (kind == "all")
        right, existing = is_right[of_kind[reported[:, 0]]], is_found[of_kind[true[:, 0]]]
        precision, recall = _mean(right), _mean(existing)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        counts = f"{len(right):,} | {int((~right).sum()):,}"
        yield f"| {readable(kind)} | {counts} | {precision:.2%} | {recall:.1%} | {f1:.1%} |"


def _mean(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else 1.0


def readable(name: str) -> str:
    return name.replace("_", " ")


def pasted(content: bytes, on: bytes) -> bytes:
    """Return a photograph laid whole on another one, in a corner, so that it covers its share of it."""
    upper, page = (Image.fromarray(pixels_of(one)) for one in (content, on))
    share = (COVERED * page.width * page.height / (upper.width * upper.height)) ** 0.5
    share = min(share, page.width / upper.width, page.height / upper.height)
    upper = upper.resize((max(1, round(upper.width * share)), max(1, round(upper.height * share))))
    page.paste(upper, (page.width - upper.width, page.height - upper.height))
    buffer = io.BytesIO()
    page.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def pastes(images: dict[int, Described], contents: dict[int, bytes], pool: ProcessPoolExecutor) -> Iterator[str]:
    """Yield what becomes of pastes: whether they are found beside each of their two photographs, and what it is called.

    Args:
        images: photographs, each pasted on the next one.
        contents: their files.
        pool: where the work is done.
    """
    numbers = list(images)
    below = dict(zip(numbers, numbers[1:] + numbers[:1], strict=True))
    made = described([pasted(contents[number], contents[on]) for number, on in below.items()])
    candidates = Votes.concatenate(
        cross_votes(coded(list(images.values()), numbers), coded(made, numbers), MAX_CODE_DISTANCE, MIN_VOTES)
    )
    judged = geometries(candidates, images, dict(zip(numbers, made, strict=True)), pool)
    relations = {
        (left, right): geometry.relation
        for left, right, geometry in zip(candidates.left.tolist(), candidates.right.tolist(), judged, strict=True)
        if geometry is not None and geometry.is_reported
    }
    yield f"{len(numbers)} pastes that cover up to {COVERED:.0%} of another photograph"
    for name, of in (("the pasted photograph", {one: one for one in numbers}), ("the one below", below)):
        said = [relations[photograph, paste] for paste, photograph in of.items() if (photograph, paste) in relations]
        called = ", ".join(f"{readable(relation)} {count}" for relation, count in Counter(said).most_common())
        yield f"  beside {name}: {len(said) / len(numbers):.1%} found ({called or 'none'})"
    wrong = [pair for pair in relations if pair[0] not in (pair[1], below[pair[1]])]
    yield f"  beside any other photograph: {len(wrong)}"


def found(
    first: np.ndarray, candidates: Votes, judged: Sequence[Geometry | None]
) -> tuple[np.ndarray, dict[tuple[int, int], str]]:
    """Return all pairs of images that are reported, int64 (n, 2), and the relation of each.

    Args:
        first: of each image the first one of the same bytes, which stands for all of them.
        candidates: pairs of the first ones.
        judged: what geometry says of each.
    """
    members: dict[int, list[int]] = {}
    for image, stands in enumerate(first.tolist()):
        members.setdefault(stands, []).append(image)
    named = {(a, b): "same_pixels" for images in members.values() for a in images for b in images if a < b}
    for left, right, geometry in zip(candidates.left.tolist(), candidates.right.tolist(), judged, strict=True):
        if geometry is not None and geometry.is_reported:
            ends = ((a, b) for a in members[left] for b in members[right])
            named |= {(min(pair), max(pair)): geometry.relation for pair in ends}
    return np.array(sorted(named), np.int64).reshape(-1, 2), named


def report(corpus: Corpus, pool: ProcessPoolExecutor, rounds: int, n_pastes: int) -> Iterator[str]:
    """Yield all lines."""
    first = representatives(corpus.files)
    chosen = np.unique(first).tolist()
    batches = [[corpus.files[at].read_bytes() for at in chosen[k : k + BATCH]] for k in range(0, len(chosen), BATCH)]
    started = time.perf_counter()
    images = dict(zip(chosen, [image for part in pool.map(described, batches) for image in part], strict=True))
    describing = time.perf_counter() - started
    every = coded(list(images.values()), chosen)
    started = time.perf_counter()
    candidates = Votes.concatenate(self_votes(every, MAX_CODE_DISTANCE, MIN_VOTES))
    voting = time.perf_counter() - started
    started = time.perf_counter()
    judged = geometries(candidates, images, images, pool)
    judging = time.perf_counter() - started
    true = corpus.true_pairs()
    reported, named = found(first, candidates, judged)
    is_found = np.array([tuple(pair) in named for pair in true.tolist()], bool)
    yield f"{len(corpus.files):,} images ({len(chosen):,} different files), {len(true):,} true pairs"
    took = f"features {describing:.0f} s, votes {voting:.0f} s, geometry {judging:.0f} s"
    yield f"{len(candidates):,} candidates; {took}\n"
    if corpus.originals:
        yield from by_edit(corpus, true, is_found, named)
    yield ""
    yield from by_kind(corpus, true, is_found, reported)
    yield ""
    originals = corpus.originals
    contents = {at: corpus.files[at].read_bytes() for at in originals}
    if originals:
        yield from costs(list(contents.values())[:TIMED], rounds)
    pairs = np.stack([candidates.left, candidates.right], axis=1)
    is_true = corpus.shows[pairs[:, 0]] == corpus.shows[pairs[:, 1]]
    yield from judging_costs(images, pairs[is_true], pairs[~is_true], rounds)
    if len(originals) > 1:
        some = originals[:n_pastes]
        yield from pastes({at: images[first[at]] for at in some}, contents, pool)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="folder that jobs/make_benchmark.py made")
    parser.add_argument("--rounds", type=int, default=3, help="of what is timed")
    parser.add_argument("--pastes", type=int, default=50, help="how many photographs are laid on others")
    given = parser.parse_args(arguments)
    with ProcessPoolExecutor(n_cores()) as pool:
        for line in report(Corpus.read(given.corpus), pool, given.rounds, given.pastes):
            print(line, flush=True)


if __name__ == "__main__":
    main()
