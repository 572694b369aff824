"""What hashes of turned pictures cost, and what they find: the ratio of encoding times, recall by turn, precision.

    python benchmarks/orientations.py [--photographs FOLDER] [--count 200] [--distance 10] [--rounds 3]

Without a folder it takes the photographs of installed packages. Each is saved as a JPEG as it lies, at half its size,
and in its seven other ways. Recall is the share of these copies within the distance of their photograph. Precision is
that of all pairs of all these images, beside that of the same images without the turned ones, compared as they lie.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dedup_core import hamming
from dedup_core.corpus.photographs import installed_photographs
from dedup_core.encoders.encoder import Encoder, encode_batch
from dedup_core.encoders.registry import ENCODERS, Standard
from dedup_core.hamming.turned import TurnedCodes, closest_turns, turned_self_join_blocks
from dedup_core.images.decoding import decode
from dedup_core.images.picture import Picture
from dedup_core.metric import HAMMING
from dedup_core.turns import TURNS, turned

QUALITY = 90
HALF = "half size"
HASHES = [name for name, method in ENCODERS.items() if method.metric is HAMMING]


@dataclass(frozen=True)
class Row:
    """One hash: what its turns cost, recall by copy, and precision with turns and without."""

    ratio: float
    recall: dict[str, float]
    precision: tuple[float, float]


def copies_of(picture: Picture) -> Iterator[tuple[str, bytes]]:
    """Yield a photograph as JPEGs: as it lies, at half its size, and turned."""
    pixels = picture.pixels
    yield TURNS[0], _jpeg(pixels)
    half = picture.image.resize((max(1, picture.width // 2), max(1, picture.height // 2)))
    yield HALF, _jpeg(np.asarray(half))
    for turn in range(1, len(TURNS)):
        channels = [turned(pixels[None, :, :, channel], turn)[0] for channel in range(3)]
        yield TURNS[turn], _jpeg(np.stack(channels, axis=2))


def measured(name: str, contents: dict[str, list[bytes]], distance: int, rounds: int) -> Row:
    """Return the row of a hash.

    Args:
        name: of the hash.
        contents: for each kind of copy one file a photograph.
        distance: the largest of a pair.
        rounds: how often encoding is timed; the fastest counts.
    """
    plain, turning = (ENCODERS[name].encoder(Standard(orientations=chosen)) for chosen in (False, True))
    seconds = [[_seconds(encoder, contents[TURNS[0]]) for encoder in (plain, turning)] for _ in range(rounds)]
    fastest = np.min(seconds, axis=0)
    hashes = {kind: _hashes(turning, files) for kind, files in contents.items()}
    original = hashes.pop(TURNS[0])
    recall = {kind: float((closest_turns(original, copy)[0] <= distance).mean()) for kind, copy in hashes.items()}
    everyone, lying = np.concatenate([original, *hashes.values()]), np.concatenate([original, hashes[HALF]])
    blocks = turned_self_join_blocks(TurnedCodes(np.arange(len(everyone)), everyone), distance)
    ends = [(block.pairs.left, block.pairs.right) for block in blocks]
    upright = hamming.self_join(np.ascontiguousarray(lying[:, 0]), distance)
    precision = _precision(ends, len(original)), _precision([(upright.left, upright.right)], len(original))
    return Row(float(fastest[1] / fastest[0]), recall, precision)


def table(rows: dict[str, Row]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| | " + " | ".join(rows) + " |"
    yield "|---|" + "---:|" * len(rows)
    yield (
        "| encoding with turns, times that without | " + " | ".join(f"{row.ratio:.2f}" for row in rows.values()) + " |"
    )
    for kind in next(iter(rows.values())).recall:
        yield f"| {kind}: recall | " + " | ".join(f"{row.recall[kind]:.1%}" for row in rows.values()) + " |"
    for at, called in enumerate(("precision with turns", "precision as they lie, without the turned copies")):
        yield f"| **{called}** | " + " | ".join(f"{row.precision[at]:.1%}" for row in rows.values()) + " |"


def _precision(ends: Sequence[tuple[np.ndarray, np.ndarray]], photographs: int) -> float:
    hits = sum(int((left % photographs == right % photographs).sum()) for left, right in ends)
    return hits / max(1, sum(len(left) for left, _ in ends))


def _hashes(encoder: Encoder, files: Sequence[bytes]) -> np.ndarray:
    return np.array([encoded.features[encoder.name] for encoded in encode_batch(files, [encoder])], np.uint64)


def _seconds(encoder: Encoder, files: Sequence[bytes]) -> float:
    started = time.process_time()
    encode_batch(files, [encoder])
    return time.process_time() - started


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="folder of photographs of different things")
    parser.add_argument("--count", type=int, default=200, help="the most photographs to take")
    parser.add_argument("--distance", type=int, default=10, help="the largest distance of a pair")
    parser.add_argument("--rounds", type=int, default=3, help="how often encoding is timed; the fastest counts")
    given = parser.parse_args(arguments)
    files = installed_photographs() if given.photographs is None else sorted(given.photographs.iterdir())
    pictures = [decode(file.read_bytes()) for file in files[: given.count]]
    contents: dict[str, list[bytes]] = {}
    for picture in pictures:
        if isinstance(picture, Picture):
            for kind, content in copies_of(picture):
                contents.setdefault(kind, []).append(content)
    print(f"{len(contents[HALF]):,} photographs, distance {given.distance}\n")
    print("\n".join(table({name: measured(name, contents, given.distance, given.rounds) for name in HASHES})))


if __name__ == "__main__":
    main()
