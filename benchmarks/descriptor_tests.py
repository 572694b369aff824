"""Choose the tests of brightness that make a descriptor: the table of ``dedup_core/local/pattern.py``.

    python benchmarks/descriptor_tests.py [--photographs FOLDER] [--candidates 4000]

Tests are drawn at random in a disc about a keypoint, and asked of the keypoints of photographs, whole and in quarters,
upright and turned. Those are taken first that half of the keypoints pass, if they say something else than all that
were taken before, and than the mirrored ones of these: their correlation stays below a limit, the smallest one that
leaves enough. Of the chosen ones those come first that say the most different things: they make the code that is
searched. With the photographs of installed packages it is the table as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dedup_core.corpus.photographs import installed_photographs
from dedup_core.images.decoding import decode
from dedup_core.images.picture import Failure
from dedup_core.local.describe import HALF
from dedup_core.local.features import FRAME, descriptors_of, fitted, keypoints_of, opencv
from dedup_core.local.pattern import TESTS

COUNT = len(TESTS)
RADIUS, SPREAD, LEAST_APART = 13.5, 6.5, 3
LIMITS, CODE_LIMITS = (0.15, 0.9, 0.03), (0.05, 0.02)
A_ROW = 8


@dataclass(frozen=True)
class Answers:
    """What keypoints answer to tests, each standardized: float32 (m keypoints, n tests).

    Attributes:
        straight: the answers.
        mirrored: those to the mirrored tests.
        off: (n,), how far the share of those who pass is from one half.
        own: (n,), how far an answer and its mirrored one say the same.
    """

    straight: np.ndarray
    mirrored: np.ndarray
    off: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, bits: np.ndarray) -> Answers:
        """Return the answers from descriptors' bits, 0 or 1: (m, words, 64)."""
        straight, mirrored = (
            np.ascontiguousarray(half.reshape(len(bits), -1), np.float32)
            for half in (bits[:, :, :HALF], bits[:, :, HALF:])
        )
        off = np.abs(straight.mean(axis=0) - 0.5)
        straight, mirrored = _standardized(straight), _standardized(mirrored)
        return cls(straight, mirrored, off, np.abs((straight * mirrored).mean(axis=0)))


def _standardized(answers: np.ndarray) -> np.ndarray:
    return (answers - answers.mean(axis=0)) / (answers.std(axis=0) + 1e-6)


def candidates(count: int, seed: int = 0) -> np.ndarray:
    """Return tests drawn at random, whole words of them: int8 (n, 4), n at most ``count``."""
    random = np.random.default_rng(seed)

    def in_disc() -> np.ndarray:
        places = random.normal(0, SPREAD, (4 * count, 2)).round()
        return places[(places**2).sum(axis=1) <= RADIUS**2][:count]

    tests = np.concatenate([in_disc(), in_disc()], axis=1)
    tests = tests[np.abs(tests[:, :2] - tests[:, 2:]).sum(axis=1) >= LEAST_APART].astype(np.int8)
    return tests[: len(tests) // COUNT * COUNT]


def views(photographs: Iterable[Path]) -> Iterator[np.ndarray]:
    """Yield of each photograph the whole and two quarters, upright and turned, as grey frames."""
    cv2 = opencv()
    for path in photographs:
        picture = decode(path.read_bytes())
        if isinstance(picture, Failure):
            raise ValueError(f"{path} can't be decoded: {picture.message}")
        pixels = picture.pixels
        high, wide = pixels.shape[0] // 2, pixels.shape[1] // 2
        for turns in (0, 1):
            for part in (pixels, pixels[:high, :wide], pixels[high:, wide:]):
                turned = np.ascontiguousarray(np.rot90(part, turns))
                yield cv2.cvtColor(fitted(turned, FRAME), cv2.COLOR_RGB2GRAY)


def answers_to(tests: np.ndarray, frames: Iterable[np.ndarray]) -> Answers:
    """Return what every other keypoint of the frames answers to tests."""
    words = np.concatenate([_words(frame, tests) for frame in frames])
    bits = np.unpackbits(words.view(np.uint8).reshape(len(words), -1, 8), axis=2, bitorder="little")
    return Answers.of(bits)


def _words(frame: np.ndarray, tests: np.ndarray) -> np.ndarray:
    keypoints = keypoints_of(frame)[::2]
    parts = [descriptors_of(frame, keypoints, tests[start : start + COUNT]) for start in range(0, len(tests), COUNT)]
    return np.concatenate(parts, axis=1)


def chosen(answers: Answers, order: Sequence[int], count: int, limit: float) -> list[int]:
    """Return the first tests in an order that say something else than those before: at most so many."""
    size = len(answers.straight)
    taken: list[int] = []
    said = np.zeros((size, 0), np.float32)
    for test in order:
        if answers.own[test] > limit or (taken and np.abs(answers.straight[:, test] @ said / size).max() > limit):
            continue
        taken.append(int(test))
        said = np.concatenate([said, answers.straight[:, [test]], answers.mirrored[:, [test]]], axis=1)
        if len(taken) == count:
            break
    return taken


def best(answers: Answers, order: Sequence[int], count: int, limits: Iterable[float]) -> tuple[list[int], float]:
    """Return so many tests, and the smallest limit that leaves them.

    Raises:
        ValueError: if no limit does.
    """
    for limit in limits:
        taken = chosen(answers, order, count, limit)
        if len(taken) == count:
            return taken, limit
    raise ValueError(f"there are no {count} tests that differ enough: draw more --candidates, or give more photographs")


def table(tests: np.ndarray) -> Iterator[str]:
    """Yield the lines of the table."""
    for start in range(0, len(tests), A_ROW):
        yield "    " + "  ".join(" ".join(map(str, test)) for test in tests[start : start + A_ROW].tolist())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="folder of photographs (default: those of installed packages)")
    parser.add_argument("--candidates", type=int, default=4000, help="how many tests to draw")
    given = parser.parse_args(arguments)
    photographs = sorted(given.photographs.iterdir()) if given.photographs else installed_photographs()
    tests = candidates(given.candidates)
    answers = answers_to(tests, views(photographs))
    every, limit = best(answers, np.argsort(answers.off).tolist(), COUNT, np.arange(*LIMITS))
    first, code_limit = best(answers, every, HALF, [*np.arange(CODE_LIMITS[0], limit, CODE_LIMITS[1]), limit])
    made = tests[first + [test for test in every if test not in first]]
    print("\n".join(table(made)))
    print(f"\n{len(answers.straight):,} keypoints, {len(tests):,} candidates; correlations up to {limit:.2f}, of the")
    print(f"code up to {code_limit:.2f}; shares up to {answers.off[every].max():.2f} from one half")
    print("the table is as it was" if np.array_equal(made, TESTS) else "the table is another one")


if __name__ == "__main__":
    main()
