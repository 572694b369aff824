"""A folder's images, encoded with every method over one decode each, on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from dedup_core.encoders.encoder import Decoding, Encoded, Encoder, Looked, encode_looked, look_at
from dedup_core.encoders.guarded import Guard, ImageLimits
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
            core where there are more cores, and enough work for processes to pay. Where one of them dies, the rest of
            the files are decoded one by one in processes beside, and what ends these is a failure, ``crashed_decoder``.
            Threads, and 0, start none: what crashes a decoder there ends this process.
    """
    n_wanted = n_cores() if n_workers is None else n_workers
    light = [encoder for encoder in encoders if encoder.batch_size is None]
    heavy = [encoder for encoder in encoders if encoder.batch_size is not None]
    closed = [encoder.unopened() for encoder in heavy]
    work = partial(_encode_here, light=light, heavy=closed, decoding=decoding)
    chunks = list(_batches(files) if heavy else _chunks(files, n_wanted))
    n_useful = min(n_wanted, len(chunks))
    if not n_useful:
        _load_beside(len(files), encoders)
        results: Iterator[list[_Sent]] = map(work, chunks)
    elif n_workers is None and not _pay_processes(files, n_useful):
        _load_beside(len(files), encoders)
        results = map_in_threads(work, chunks, min(n_useful, _MOST_THREADS))
    else:
        guarded = partial(_encode_beside, light=light, heavy=closed, decoding=decoding)
        results = _in_processes(work, guarded, chunks, n_useful)
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
    work: Callable[[Sequence[ImageFile]], list[_Sent]],
    guarded: Callable[[Sequence[ImageFile]], list[_Sent]],
    chunks: Sequence[Sequence[ImageFile]],
    n_workers: int,
) -> Iterator[list[_Sent]]:
    """Yield what the work makes of chunks; from when on a process has died, what the guarded work does."""
    from concurrent.futures.process import BrokenProcessPool  # loads multiprocessing

    n_done = 0
    try:
        for sent in map_in_processes(work, chunks, n_workers):
            yield sent
            n_done += 1
        return
    except BrokenProcessPool:
        pass
    yield from map_in_threads(guarded, chunks[n_done:], n_workers)


def _encode_here(
    files: Sequence[ImageFile], light: Sequence[Encoder], heavy: Sequence[Encoder], decoding: Decoding
) -> list[_Sent]:
    """Encode in a worker what that core can do, and send the pixels that the others want."""
    return _sent(look_at(_contents(files), [*light, *heavy], decoding), light, heavy)


def _encode_beside(
    files: Sequence[ImageFile], light: Sequence[Encoder], heavy: Sequence[Encoder], decoding: Decoding
) -> list[_Sent]:
    """Do the same, but decode in a process beside, whose death is the failure of the image that it dies over."""
    with Guard([*light, *heavy], decoding, ImageLimits()) as guard:
        return _sent([guard.look(content) for content in _contents(files)], light, heavy)


def _contents(files: Sequence[ImageFile]) -> Iterator[bytes | Failure]:
    return (file.failure or read(file.path, MAX_FILE_BYTES) for file in files)


def _sent(looked: list[Looked | Failure], light: Sequence[Encoder], heavy: Sequence[Encoder]) -> list[_Sent]:
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
