"""A folder's images, encoded with every method over one decode each, on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from dedup_core.encoders.encoder import Decoding, Encoded, Encoder, Looked, encode_looked, look_at
from dedup_core.errors import DedupError
from dedup_core.images.files import ImageFile
from dedup_core.images.picture import Failure, read
from dedup_core.images.resizing.small import expect
from dedup_core.workers import map_in_processes, map_in_threads, n_cores

MAX_FILE_BYTES = 256 * 2**20
"""Larger files are not read: 200 million pixels fit in far fewer bytes."""

_CHUNK_FILES, _CHUNK_BYTES = 32, 8 * 2**20
_BYTES_A_FILE = 16 * 1024  # an image costs about as much as so many bytes of JPEG, however small it is
_BYTES_A_START = 24 * 2**20  # about a second of work, and so long does a process take to start
_MOST_THREADS = 8  # decoders and resizes leave Python, which has less than a tenth of the work

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
        n_workers: how many processes to start. 0 encodes right here; None takes up to eight threads, or a process a
            core where there are more cores, and enough work for processes to pay.

    Raises:
        DedupError: if a process that was started dies, as of a file that crashes a decoder. Threads, and 0, have none:
            what crashes a decoder there ends this process.
    """
    n_wanted = n_cores() if n_workers is None else n_workers
    light = [encoder for encoder in encoders if encoder.batch_size is None]
    heavy = [encoder for encoder in encoders if encoder.batch_size is not None]
    work = partial(_encode_here, light=light, heavy=[_unopened(encoder) for encoder in heavy], decoding=decoding)
    chunks = list(_batches(files) if heavy else _chunks(files, n_wanted))
    n_useful = min(n_wanted, len(chunks))
    if not n_useful:
        _load_beside(len(files), encoders)
        results: Iterator[list[_Sent]] = map(work, chunks)
    elif n_workers is None and not _pay_processes(files, n_useful):
        _load_beside(len(files), encoders)
        results = map_in_threads(work, chunks, min(n_useful, _MOST_THREADS))
    else:
        results = _in_processes(work, chunks, n_useful)
    for chunk, sent in zip(chunks, results, strict=True):
        yield from zip(chunk, _finished(sent, heavy), strict=True)


def _load_beside(n_files: int, encoders: Sequence[Encoder]) -> None:
    """Have kernels loaded, if they pay, in a thread while Pillow makes a start; no interrupt waits for it."""
    sizes = dict.fromkeys(size for encoder in encoders for size in encoder.sizes)
    threading.Thread(target=expect, args=[n_files, sizes], daemon=True).start()


def _batches(files: Sequence[ImageFile]) -> Iterator[Sequence[ImageFile]]:
    """Yield as many files at a time as a network is to take."""
    return (files[start : start + _CHUNK_FILES] for start in range(0, len(files), _CHUNK_FILES))


def _chunks(files: Sequence[ImageFile], n_workers: int) -> Iterator[Sequence[ImageFile]]:
    """Yield what a worker takes at a time: few files are shared by all, and large ones don't hold up an interrupt."""
    most = max(1, min(_CHUNK_FILES, -(-len(files) // max(1, 2 * n_workers))))
    start = size = 0
    for end, file in enumerate(files, 1):
        size += file.size or 0
        if end - start == most or size > _CHUNK_BYTES or end == len(files):
            yield files[start:end]
            start, size = end, 0


def _pay_processes(files: Sequence[ImageFile], n_workers: int) -> bool:
    """Return whether so many processes, which have to start, would be done before the threads that there can be."""
    work = sum((file.size or 0) + _BYTES_A_FILE for file in files)
    return work / min(n_workers, _MOST_THREADS) > work / n_workers + _BYTES_A_START


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
