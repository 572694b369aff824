"""Images that may not take their process with them, nor hold it up for ever.

What usually encodes pays for no more than a timer: the system ends a process that is too long over one image, as a
decoder's crash does. What then tries again has each image looked at in a process beside, whose death is the image's
failure.
"""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dedup_core.encoders.encoder import Decoding, Encoder, Looked, look_at
from dedup_core.images.picture import Failure

MAX_IMAGE_SECONDS = 120.0
"""A picture of as many pixels as are allowed takes a third of that in the slowest format, on a slow core."""

MAX_IMAGE_MEMORY = 4 << 30
"""Of bytes. A picture of as many pixels as are allowed takes less than half of that."""

_TRIES = 2  # what breaks the memory of a process need not be the image that it dies over
_STATM_DATA = 5  # the field of /proc/PID/statm

Look = Callable[[bytes], Looked | Failure]


@dataclass(frozen=True)
class ImageLimits:
    """What one image may take.

    Attributes:
        seconds: until its features' pixels are made.
        memory: bytes, beyond what a process holds that has done nothing yet; kept to in a process beside.
    """

    seconds: float = MAX_IMAGE_SECONDS
    memory: int = MAX_IMAGE_MEMORY


def in_time(contents: Iterable[bytes | Failure], seconds: float) -> Iterator[bytes | Failure]:
    """Yield contents. Where the caller is not done with one in so many seconds, the system ends this process."""
    for content in contents:
        _end_after(seconds)
        try:
            yield content
        finally:
            _end_after(0)


class Guard:
    """Looks at images in a process beside, one at a time, as `look_at` does.

    Args:
        encoders: what wants pixels.
        decoding: how files become pictures.
        limits: of an image.
        dumps: pickles the encoders.
    """

    def __init__(
        self, encoders: Sequence[Encoder], decoding: Decoding, limits: ImageLimits,
        dumps: Callable[[Any], bytes] = pickle.dumps,
    ) -> None:  # fmt: skip
        from dedup_core.processes import Beside  # loads multiprocessing, which the usual path does without

        wanted = dumps(([encoder.unopened() for encoder in encoders], decoding))
        self._beside: Beside[Looked | Failure] = Beside(partial(_opened, wanted, limits))
        self._limits = limits

    def __enter__(self) -> Guard:
        self._beside.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._beside.__exit__(*raised)

    def look(self, content: bytes | Failure) -> Looked | Failure:
        """Return what encoders want of an image, or why there is nothing: what ended the process each time."""
        from dedup_core.processes import ProcessDiedError

        if isinstance(content, Failure):
            return content
        end = ""
        for _ in range(_TRIES):
            try:
                return self._beside.ask(content)
            except ProcessDiedError as death:
                end = _told(death.code)
            if end == "SIGALRM":
                return Failure("crashed_decoder", f"not decoded in {self._limits.seconds:g} seconds")
        return Failure("crashed_decoder", f"whatever process decodes it dies ({end})")


def _told(code: int) -> str:
    """Return in words how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"{name}, maybe for want of memory" if name == "SIGKILL" else name


def _opened(wanted: bytes, limits: ImageLimits) -> Look:
    """Return, in a process of its own, what looks at images there and keeps to the limits."""
    encoders, decoding = pickle.loads(wanted)  # noqa: S301 - what a process of ours has sent
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _limit_memory(limits.memory)
    return partial(_look, encoders=encoders, decoding=decoding, seconds=limits.seconds)


def _look(content: bytes, encoders: Sequence[Encoder], decoding: Decoding, seconds: float) -> Looked | Failure:
    (looked,) = look_at(in_time([content], seconds), encoders, decoding)
    return looked


def _end_after(seconds: float) -> None:
    """Have the system end this process in so many seconds, whatever it is at then; never, if 0."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _limit_memory(more: int) -> None:
    """Let this process have so many bytes more than it has: what asks for more gets an error. On Linux alone."""
    try:
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[_STATM_DATA]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held + more if most == resource.RLIM_INFINITY else min(held + more, most)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))
