"""A folder's images, encoded with every method over one decode each, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial

import numpy as np

from dedup_core.encoders.registry import ENCODERS, Decoding, Encoded, Encoder, encode_batch
from dedup_core.errors import DedupError
from dedup_core.images.files import ImageFile
from dedup_core.images.picture import Failure, read
from dedup_core.workers import map_in_processes, map_in_threads, n_cores

MAX_FILE_BYTES = 256 * 2**20
"""Larger files are not read: 200 million pixels fit in far fewer bytes."""

_CHUNK_FILES = 32
_BYTES_A_FILE = 16 * 1024  # an image costs about as much as so many bytes of JPEG, however small it is
_FEW_BYTES = 48 * 2**20  # about two seconds of work for one core, and so long do processes take to start

Result = Encoded | Failure


def encode_files(
    files: Sequence[ImageFile],
    encoders: Sequence[Encoder],
    decoding: Decoding,
    n_workers: int | None = None,
) -> Iterator[tuple[ImageFile, Result]]:
    """Yield every file, in order, with its features or why it has none.

    Args:
        files: what to read.
        encoders: what to make of each picture, which is decoded once for all of them.
        decoding: how files become pictures.
        n_workers: how many processes to start. 0 encodes right here; None takes one a core, and threads instead
            where there is too little work for processes to pay.

    Raises:
        DedupError: if a process dies.
    """
    chunks = [files[start : start + _CHUNK_FILES] for start in range(0, len(files), _CHUNK_FILES)]
    work = partial(_encode_sent, sent=[_sendable(encoder) for encoder in encoders], decoding=decoding)
    n_useful = min(n_cores() if n_workers is None else n_workers, len(chunks))
    if not n_useful:
        results: Iterator[list[Result]] = map(work, chunks)
    elif n_workers is None and not _is_much(files):
        results = map_in_threads(work, chunks, n_useful)
    else:
        results = _in_processes(work, chunks, n_useful)
    for chunk, encoded in zip(chunks, results, strict=True):
        yield from zip(chunk, _finished(encoded, encoders), strict=True)


def _is_much(files: Sequence[ImageFile]) -> bool:
    return sum((file.size or 0) + _BYTES_A_FILE for file in files) > _FEW_BYTES


def _in_processes(
    work: Callable[[Sequence[ImageFile]], list[Result]], chunks: Iterable[Sequence[ImageFile]], n_workers: int
) -> Iterator[list[Result]]:
    try:
        yield from map_in_processes(work, chunks, n_workers)
    except BrokenProcessPool as error:
        raise DedupError(
            "an encoding process died, maybe for want of memory: num_enc_workers=0 encodes in this process"
        ) from error


def _sendable(encoder: Encoder) -> str | Encoder:
    """Return what a worker gets: a name of the registry, or an encoder that stops short of its network."""
    return encoder.name if ENCODERS.get(encoder.name) is encoder else replace(encoder, encode=_unchanged)


def _encode_sent(files: Sequence[ImageFile], sent: Sequence[str | Encoder], decoding: Decoding) -> list[Result]:
    encoders = [ENCODERS[each] if isinstance(each, str) else each for each in sent]
    return encode_batch((file.failure or read(file.path, MAX_FILE_BYTES) for file in files), encoders, decoding)


def _finished(results: list[Result], encoders: Sequence[Encoder]) -> list[Result]:
    """Run the networks, in this thread, over the pixels that a worker prepared for them."""
    good = [result for result in results if isinstance(result, Encoded)]
    for encoder in encoders if good else ():
        if isinstance(_sendable(encoder), Encoder):
            features = encoder.encode(np.stack([result.features[encoder.name] for result in good]))
            for result, feature in zip(good, features, strict=True):
                result.features[encoder.name] = feature
    return results


def _unchanged(pixels: np.ndarray) -> np.ndarray:
    return pixels
