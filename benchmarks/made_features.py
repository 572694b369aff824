"""A features table as a lake gives it, made up: blank pictures, equal files, near copies, chains, and all the rest.

What is alike in a lake is not spread evenly. Of a million images here 100,000 are blank and share one hash and few
pixels; two are files that lie there 2,000 and 1,000 times; 50,000 are files that lie there twice; 60,000 are near
copies of others; 3,000 stand in chains, each like its neighbours alone; the codes of all others are uniform. Beyond a
million the table is made million by million: blank pictures grow to one crowd, all else to more groups.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dedup_core.encoders.registry import ENCODERS
from dedup_core.images.looks import LOOK_BYTES, SIDE

ROWS_A_PART = 1_000_000
"""What is made at a time, and lies in one file."""

BLANK_SHARE, BLANK_DIGESTS = 0.1, 7
COUPLED_SHARE = 0.05
NEAR_SHARE = 0.06
CROWDS = (2_000, 1_000)
"""How often a file lies there, of each million."""

NEAR_GROUPS = (2, 2, 2, 3, 3, 5, 8, 20)
"""The sizes of groups of near copies, again and again."""

CHAINS, CHAIN_LENGTH = 10, 300
"""How many chains, of each million, and of how many codes."""

PLANTED_WITHIN = 8
"""How many bits lie between the codes of planted pairs, at most."""

_ROWS_A_GROUP = 25_000
_NO_LOOK = -1
_BLANK, _SHARED, _NEARLY, _OTHER = range(
    4
)  # what an image shows: nothing, what its group shows, nearly so, or not at all
_DAYS = 7_300
_FIRST_DAY = datetime.date(2004, 1, 1)
_EVENTS = ("summer-holiday", "family", "project-documentation", "product-photographs", "archive-scans")


@dataclass(frozen=True)
class Made:
    """What a table holds.

    Attributes:
        images: its rows.
        blank: how many of them are blank.
        pairs: pairs of images that a search within `PLANTED_WITHIN` bits finds, at least: equal files, near copies,
            neighbours in chains, and blank pictures of equal pixels.
    """

    images: int
    blank: int
    pairs: int


@dataclass(frozen=True)
class _Group:
    """Images that are alike, as arrays of n: the code of each, which file it is, and the look that it shares."""

    codes: np.ndarray
    files: np.ndarray
    looks: np.ndarray
    shows: np.ndarray
    pairs: int


def write_features(table: Path, images: int, method: str = "phash", seed: int = 0, all_looks: bool = False) -> Made:
    """Write a features table as the encoding job would, by parts of a million rows.

    Args:
        table: a folder that is not there yet.
        images: how many rows.
        method: a hash.
        seed: the same one gives the same table.
        all_looks: whether every image has a look, which takes 4 GB a million; else those have one that are near copies
            of others, or stand in chains.
    """
    folder = table / f"method={method}"
    folder.mkdir(parents=True)
    pairs, of_digest = 0, np.zeros(BLANK_DIGESTS, np.int64)
    for start in range(0, images, ROWS_A_PART):
        random = np.random.default_rng([seed, start])
        part = _part(min(ROWS_A_PART, images - start), random)
        if all_looks:
            part = replace(part, looks=np.maximum(part.looks, 0))
        blank = np.where(part.shows == _BLANK, random.integers(0, BLANK_DIGESTS, len(part.codes)), -1)
        of_digest += np.bincount(blank[blank >= 0], minlength=BLANK_DIGESTS)
        pairs += part.pairs
        _write_part(folder / f"part-{start:09d}.parquet", part, blank, start, random)
    pairs += int((of_digest * (of_digest - 1) // 2).sum())
    return Made(images, int(of_digest.sum()), pairs)


def _part(count: int, random: np.random.Generator) -> _Group:
    """Make a part of a table, its rows in any order."""
    share = count / ROWS_A_PART
    made = [_blank(int(count * BLANK_SHARE)), *_crowds(share, random), _couples(int(count * COUPLED_SHARE / 2), random),
            _near_copies(int(count * NEAR_SHARE), random), *_chains(share, random)]  # fmt: skip
    made.append(_unlike(count - sum(len(group.codes) for group in made), random))
    order = random.permutation(count)
    files, looks = _numbered([group.files for group in made]), _numbered([group.looks for group in made])
    codes, shows = (np.concatenate([getattr(group, name) for group in made]) for name in ("codes", "shows"))
    return _Group(codes[order], files[order], looks[order], shows[order], sum(group.pairs for group in made))


def _numbered(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Chain columns of numbers that each begin at 0, so that no two have a number in common; -1 stays."""
    shifted, first = [], 0
    for column in columns:
        shifted.append(np.where(column >= 0, column + first, column))
        first += int(column.max(initial=-1)) + 1
    return np.concatenate(shifted)


def _uniform(count: int, random: np.random.Generator) -> np.ndarray:
    return random.integers(0, 2**64, count, dtype=np.uint64)


def _constant(count: int, value: int) -> np.ndarray:
    return np.full(count, value, np.int64)


def _blank(count: int) -> _Group:
    nothing = _constant(count, _NO_LOOK)
    return _Group(np.zeros(count, np.uint64), np.arange(count), nothing, _constant(count, _BLANK), 0)


def _unlike(count: int, random: np.random.Generator) -> _Group:
    nothing = _constant(count, _NO_LOOK)
    return _Group(_uniform(count, random), np.arange(count), nothing, _constant(count, _OTHER), 0)


def _couples(count: int, random: np.random.Generator) -> _Group:
    """Files that lie there twice."""
    files = np.repeat(np.arange(count), 2)
    nothing = _constant(2 * count, _NO_LOOK)
    return _Group(_uniform(count, random)[files], files, nothing, _constant(2 * count, _OTHER), count)


def _crowds(share: float, random: np.random.Generator) -> Iterator[_Group]:
    """Files that lie there very often, and one near copy of each."""
    for size in (max(2, int(crowd * share)) for crowd in CROWDS):
        codes = np.repeat(_uniform(1, random), size + 1)
        codes[-1] ^= np.uint64(0b11)
        files = _constant(size + 1, 0)
        files[-1] = 1
        yield _Group(codes, files, np.zeros_like(files), np.where(files, _NEARLY, _SHARED), size * (size + 1) // 2)


def _near_copies(count: int, random: np.random.Generator) -> _Group:
    """Groups of codes within 3 bits of a centre; a third of them show something else all the same."""
    sizes = np.array(NEAR_GROUPS * max(1, count // sum(NEAR_GROUPS)), np.int64)
    group = np.repeat(np.arange(len(sizes)), sizes)
    flips = np.uint64(1) << random.integers(0, 64, (3, len(group)), dtype=np.uint64)
    codes = _uniform(len(sizes), random)[group] ^ np.bitwise_xor.reduce(flips, axis=0)
    shows = np.where(random.random(len(group)) < 1 / 3, _OTHER, _NEARLY)
    return _Group(codes, np.arange(len(group)), group, shows, int((sizes * (sizes - 1) // 2).sum()))


def _chains(share: float, random: np.random.Generator) -> Iterator[_Group]:
    """Codes in a row, each 8 bits from the next; each shows something else."""
    for _ in range(max(1, int(CHAINS * share))):
        length = max(2, min(CHAIN_LENGTH, int(CHAINS * CHAIN_LENGTH * share)))
        bits = np.argsort(random.random((length, 64)), axis=1)[:, :PLANTED_WITHIN].astype(np.uint64)
        codes = _uniform(1, random) ^ np.bitwise_xor.accumulate(np.bitwise_or.reduce(np.uint64(1) << bits, axis=1))
        own = np.arange(length)
        yield _Group(codes, own, _constant(length, 0), _constant(length, _OTHER), length - 1)


def _write_part(file: Path, part: _Group, blank: np.ndarray, first: int, random: np.random.Generator) -> None:
    """Write a file of ``method=NAME``: its folder tells the method."""
    fingerprint = ENCODERS[file.parent.name.partition("=")[2]].fingerprint
    shared = _random_looks(int(part.looks.max(initial=0)) + 1, random)
    facts = random.integers(0, 2**63, int(part.files.max()) + 1)  # of a file: its size, and its day
    names = random.bytes(16 * len(facts)).hex()
    writer = None
    for start in range(0, len(part.codes), _ROWS_A_GROUP):
        rows = slice(start, start + _ROWS_A_GROUP)
        files = part.files[rows]
        columns = {
            "path": pa.array(_paths(first + start, len(files))),
            "digest": pa.array(_digests(names, files, blank[rows])),
            "fingerprint": pa.array([fingerprint] * len(files)),
            "look": pa.array(_looks(part, rows, shared, random), pa.binary()),
        }
        table = pa.table(columns | _facts(part.codes[rows], facts[files], blank[rows] >= 0))
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def _facts(codes: np.ndarray, facts: np.ndarray, is_blank: np.ndarray) -> dict[str, pa.Array]:
    count = len(codes)
    seconds = (facts % (_DAYS * 86_400) + 1_072_915_200) * 1_000_000
    caution = pa.array([["flat"] if flat else [] for flat in is_blank.tolist()], pa.list_(pa.string()))
    return {
        "size": pa.array(np.where(is_blank, 20_000, 1_000_000) + facts % 3_000_000),
        "modified_at": pa.array(seconds, pa.timestamp("us", "UTC")),
        "identity": pa.array([f"1:{number}" for number in facts.tolist()]),
        "other_names": pa.nulls(count, pa.list_(pa.string())),
        "is_unseen": pa.array(np.zeros(count, bool)),
        "width": pa.array(np.full(count, 4032, np.int32)),
        "height": pa.array(np.full(count, 3024, np.int32)),
        "format": pa.array(["JPEG"] * count),
        "frames": pa.array(np.ones(count, np.int32)),
        "caution": caution,
        "hash": pa.array(codes.view(np.int64)),
        "embedding": pa.nulls(count, pa.list_(pa.float32())),
        "run_id": pa.array(["made-up"] * count),
    }


def _paths(first: int, count: int) -> list[str]:
    """Return paths of 60 to 80 bytes, no two of them equal, a hundred in a folder."""
    paths = []
    for number in range(first, first + count):
        folder = number // 100 * 7_919  # a prime: neighbours get days and numbers far from each other
        day = _FIRST_DAY + datetime.timedelta(folder % _DAYS)
        paths.append(
            f"library/{day:%Y/%m}/folder-{folder % 1_000_000:06d}-{_EVENTS[folder % len(_EVENTS)]}/"
            f"IMG_{day:%Y%m%d}_{number:09d}.jpg"
        )
    return paths


def _digests(names: str, files: np.ndarray, blank: np.ndarray) -> list[str]:
    return [
        f"file:{names[32 * file : 32 * file + 32]}" if of_blank < 0 else f"pixels:1:{of_blank:032x}"
        for file, of_blank in zip(files.tolist(), blank.tolist(), strict=True)
    ]


def _looks(part: _Group, rows: slice, shared: np.ndarray, random: np.random.Generator) -> list[bytes | None]:
    """Return looks: that of the group, the same but for a little noise, another one, or a blank one."""
    looks, shows = part.looks[rows], part.shows[rows]
    has_one = np.flatnonzero(looks != _NO_LOOK)
    cells = shared[looks[has_one]]
    is_near, is_other = shows[has_one] == _NEARLY, shows[has_one] == _OTHER
    cells[is_near] += random.integers(0, 9, (int(is_near.sum()), LOOK_BYTES), np.uint8) - np.uint8(4)
    cells[is_other] = _random_looks(int(is_other.sum()), random)  # also of copies: one of them is looked at
    cells[shows[has_one] == _BLANK] = 255
    cells.reshape(-1, SIDE, SIDE, 4)[..., 3] = 255
    found: list[bytes | None] = [None] * len(looks)
    for at, look in zip(has_one.tolist(), cells, strict=True):
        found[at] = look.tobytes()
    return found


def _random_looks(count: int, random: np.random.Generator) -> np.ndarray:
    return random.integers(8, 248, (count, LOOK_BYTES), np.uint8)
