"""Pictures that are compared with several others: each is decoded once, and held as long as there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Generic, TypeVar

from dedup_core.images.picture import Failure, Picture
from dedup_core.verify.verdict import UNSEEN, Verdict, verdict_by_pixels
from dedup_core.verify.views import View

HELD_BYTES = 256 * 2**20

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Held(Generic[Key, Value]):
    """What was made of keys, as long as there is room: two are held in any case. Threads may share it.

    Args:
        make: makes what belongs to a key.
        size: how many bytes it takes.
        most_bytes: how many bytes to hold.
    """

    def __init__(self, make: Callable[[Key], Value], size: Callable[[Value], int], most_bytes: int) -> None:
        self._make, self._size, self._most_bytes = make, size, most_bytes
        self._held: OrderedDict[Key, Value] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def at(self, key: Key) -> Value:
        """Return what belongs to a key."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = self._make(key)
        with self._lock:
            if key not in self._held:  # another thread may have been as fast
                self._held[key] = made
                self._bytes += self._size(made)
            while self._bytes > self._most_bytes and len(self._held) > 2:
                self._bytes -= self._size(self._held.popitem(last=False)[1])
        return made


class HeldViews(Generic[Key]):
    """Pictures by their keys.

    Args:
        frames: decodes all frames of a file, the first one first.
        most_bytes: how many bytes of pixels to hold; two pictures are held in any case.
    """

    def __init__(self, frames: Callable[[Key], Iterator[Picture | Failure]], most_bytes: int = HELD_BYTES) -> None:
        self._frames = frames
        self._views: Held[Key, View | Failure] = Held(self._view, _size, most_bytes)

    def verdict(self, one: Key, other: Key) -> Verdict:
        """Compare two pictures, all frames of them."""
        frames = partial(self._frames, one), partial(self._frames, other)
        try:
            return verdict_by_pixels(self._views.at(one), self._views.at(other), frames)
        except Exception:  # noqa: BLE001 - whatever two pictures do, they may not end a run: a person may look at them
            return UNSEEN

    def larger(self, one: Key, other: Key) -> Key:
        """Return which of two pictures has more pixels."""
        views = {key: view for key in (one, other) if isinstance(view := self._views.at(key), View)}
        return max(views, key=lambda key: views[key].width * views[key].height, default=one)

    def _view(self, key: Key) -> View | Failure:
        first = next(iter(self._frames(key)))
        return first if isinstance(first, Failure) else View.of(first)


def _size(view: View | Failure) -> int:
    return 0 if isinstance(view, Failure) else view.image.width * view.image.height * 4
