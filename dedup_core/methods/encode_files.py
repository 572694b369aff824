"""A folder's images, encoded with every method over one decode each, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from dedup_core.encoders.encoder import Decoding, Encoded, Encoder, Looked, encode_looked, look_at
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
_Sent = tuple[Result, Looked | Failure]
"""What a worker sends of a file: the features that it made, and the pixels that other encoders want."""


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
    light = [encoder for encoder in encoders if encoder.batch_size is None]
    heavy = [encoder for encoder in encoders if encoder.batch_size is not None]
    work = partial(_encode_here, light=light, heavy=[_unopened(encoder) for encoder in heavy], decoding=decoding)
    n_useful = min(n_cores() if n_workers is None else n_workers, len(chunks))
    if not n_useful:
        results: Iterator[list[_Sent]] = map(work, chunks)
    elif n_workers is None and not _is_much(files):
        results = map_in_threads(work, chunks, n_useful)
    else:
        results = _in_processes(work, chunks, n_useful)
    for chunk, sent in zip(chunks, results, strict=True):
        yield from zip(chunk, _finished(sent, heavy), strict=True)


def _is_much(files: Sequence[ImageFile]) -> bool:
    return sum((file.size or 0) + _BYTES_A_FILE for file in files) > _FEW_BYTES


def _in_processes(
    work: Callable[[Sequence[ImageFile]], list[_Sent]], chunks: Iterable[Sequence[ImageFile]], n_workers: int
) -> Iterator[list[_Sent]]:
    from concurrent.futures.process import BrokenProcessPool  # loads multiprocessing

    try:
        yield from map_in_processes(work, chunks, n_workers)
    except BrokenProcessPool as error:
        raise DedupError(
            "an encoding process died, maybe for want of memory: num_enc_workers=0 encodes in this process"
        ) from error


def _encode_here(
    files: Sequence[ImageFile], light: Sequence[Encoder], heavy: Sequence[Encoder], decoding: Decoding
) -> list[_Sent]:
    """Encode in a worker what that core can do, and send the pixels that the others want."""
    contents = (file.failure or read(file.path, MAX_FILE_BYTES) for file in files)
    looked = look_at(contents, [*light, *heavy], decoding)
    pixels = [look if isinstance(look, Failure) else _of_encoders(look, heavy) for look in looked]
    return list(zip(encode_looked(looked, light), pixels, strict=True))


def _of_encoders(look: Looked, encoders: Sequence[Encoder]) -> Looked:
    return replace(look, pixels={encoder.name: look.pixels[encoder.name] for encoder in encoders})


def _finished(sent: Sequence[_Sent], heavy: Sequence[Encoder]) -> list[Result]:
    """Run the networks, in this thread, over the pixels that a worker prepared for them."""
    more = encode_looked([looked for _, looked in sent], heavy)
    return [_joined(encoded, other) for (encoded, _), other in zip(sent, more, strict=True)]


def _joined(one: Result, other: Result) -> Result:
    if isinstance(one, Failure) or isinstance(other, Failure):
        return one if isinstance(one, Failure) else other
    return replace(one, features=one.features | other.features)


def _unopened(encoder: Encoder) -> Encoder:
    """Return an encoder that can be sent to a process: what it wants of a picture, without its network."""
    return replace(encoder, encode=_unchanged)


def _unchanged(pixels: np.ndarray) -> np.ndarray:
    return pixels
