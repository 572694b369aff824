"""What one pass over pictures of one shape has to do: kept, for most collections have few shapes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np

from dedup_core.images.resizing.lanes import CHANNELS, GROUP, LANES, PAIRS, ROWS
from dedup_core.images.resizing.passes import SEGMENT
from dedup_core.images.resizing.pillow import lowers_first
from dedup_core.images.resizing.wanted import Wanted
from dedup_core.images.resizing.weights import MOST_SUMMED, WINDOW, Axis, averaged_axis, resized_axis

MOST_KEPT_BYTES = 32 * 2**20
"""Of plans and of weights, in one process."""

MOST_ROOM_BYTES = 16 * 2**20
"""Of what a thread keeps to work in."""


Outcome = Literal["resized", "averaged", "lowered"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class Made(NamedTuple):
    """What a pass leaves of a picture for a size that is wanted, and where in the sums it lies.

    Attributes:
        outcome: resized both ways; averaged, in cells of several pixels; or lowered, resized in height alone.
        size: width and height.
        lanes: how far apart its rows lie.
        factors: of what is averaged the pixels of a cell each way.
        start: of the first sum.
    """

    outcome: Outcome
    size: tuple[int, int]
    lanes: int
    factors: tuple[int, int] = (1, 1)
    start: int = 0


class Step(NamedTuple):
    """The weights of what is made for one size; those across are None where only the height is resized."""

    across: Axis | None
    down: Axis
    made: Made


@dataclass(frozen=True)
class Plan:
    """A pass over pictures of one shape.

    Attributes:
        across: int64 (n, WINDOW): the windows of the columns that are made, size after size.
        down: int64 (m, WINDOW + 3): the windows of the rows that are made; then their first lane, how many, and where
            the sums lie.
        taps: int32 (k,): the weights of both.
        n_weighted: how many lanes have weights; those after them are sums.
        n_woven: how many lanes the picture's own columns take, after all others: 0 if nothing is made of them.
        made: of each wanted size.
        n_columns: of the picture, that are laid across at a time.
        n_sums: that the pass leaves.
    """

    across: np.ndarray
    down: np.ndarray
    taps: np.ndarray
    n_weighted: int
    n_woven: int
    made: tuple[Made, ...]
    n_columns: int
    n_sums: int

    @property
    def nbytes(self) -> int:
        """What it takes to keep."""
        return self.across.nbytes + self.down.nbytes + self.taps.nbytes

    @cached_property
    def _edges(self) -> list[int]:
        lanes = len(self.across) * CHANNELS
        sizes = (self.n_columns // 2 * LANES, lanes * ROWS, (lanes + self.n_woven) * PAIRS, self.n_sums)
        return np.cumsum([0, *(-(-size // 16) * 16 for size in sizes)]).tolist()

    def rooms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return arrays to work in, each on a line of the cache: they hold until this thread asks again."""
        first, second, third, fourth, end = self._edges
        room = _room(end)
        return room[first:second], room[second:third], room[third:fourth], room[fourth:end]


class _Kept:
    """The results of a function, as many as fit; the ones that were asked for last."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._entries: OrderedDict[Hashable, tuple[Plan | Axis, int]] = OrderedDict()
        self.n_bytes = 0
        self._lock = threading.Lock()

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self.n_bytes = 0

    def get(self, key: Hashable, make: Callable[[], Plan | Axis]) -> Plan | Axis:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key][0]
        made = make()
        size = made.nbytes if isinstance(made, Plan) else made.rows.nbytes + made.taps.nbytes
        with self._lock:
            if key not in self._entries and size <= self._most_bytes // 4:
                self._entries[key] = made, size
                self.n_bytes += size
            while self.n_bytes > self._most_bytes:
                self.n_bytes -= self._entries.popitem(last=False)[1][1]
        return made


_PLANS, _AXES = _Kept(MOST_KEPT_BYTES // 2), _Kept(MOST_KEPT_BYTES // 2)
_THREAD = threading.local()


def plan_of(shape: tuple[int, int], wanted: Sequence[Wanted], span: tuple[float, float] | None = None) -> Plan:
    """Return what a pass over a picture has to do.

    Args:
        shape: its width and height.
        wanted: the sizes.
        span: how much of the picture each way is spread over what is made; None for all of it.
    """
    key = shape, tuple(wanted), span
    return _PLANS.get(key, lambda: _planned(shape, wanted, span))  # type: ignore[return-value]


def factors_of(shape: tuple[int, int], wanted: Wanted) -> tuple[int, int]:
    """Return by how many pixels each way a picture is averaged before it is resized: (1, 1) for not at all."""
    if not wanted.gap:
        return 1, 1
    across, down = (int(side / size / wanted.gap) or 1 for side, size in zip(shape, wanted.size, strict=True))
    return across, down


def is_lowered_first(shape: tuple[int, int], size: tuple[int, int]) -> bool:
    """Return whether Pillow resizes the height before the width: from its version 13 on, where it shrinks far more."""
    width, height = shape[0] - size[0], shape[1] - size[1]
    return height > max(0, 2 * width) and lowers_first()


def _planned(shape: tuple[int, int], wanted: Sequence[Wanted], span: tuple[float, float] | None) -> Plan:
    steps = [_step(shape, each, span) for each in wanted]
    across, down, taps, made = [np.zeros((0, WINDOW), np.int64)], [], [], {}
    lane = n_sums = n_taps = n_weighted = 0
    for k in sorted(range(len(steps)), key=lambda k: OUTCOMES.index(steps[k].made.outcome)):
        rows_across, rows_down, entry = steps[k]
        if rows_across is not None:
            across.append(_padded(_moved(rows_across.rows, n_taps), entry.lanes // CHANNELS))
            taps.append(rows_across.taps)
            n_taps += len(rows_across.taps)
        n = len(rows_down.rows)
        places = np.column_stack([np.full((n, 2), (lane, entry.lanes)), n_sums + entry.lanes * np.arange(n)])
        down.append(np.column_stack([_moved(rows_down.rows, n_taps), places]))
        taps.append(rows_down.taps)
        made[k] = entry._replace(start=n_sums)
        n_taps, n_sums = n_taps + len(rows_down.taps), n_sums + n * entry.lanes
        lane += entry.lanes if rows_across is not None else 0
        n_weighted = lane if entry.outcome == "resized" else n_weighted
    n_woven = max((entry.lanes for entry in made.values() if entry.outcome == "lowered"), default=0)
    n_columns = -(-min(shape[0], SEGMENT) // GROUP) * GROUP if lane else 0
    return Plan(np.concatenate(across), np.concatenate(down), np.concatenate(taps), n_weighted, n_woven,
                tuple(made[k] for k in range(len(wanted))), n_columns, n_sums)  # fmt: skip


def _step(shape: tuple[int, int], wanted: Wanted, span: tuple[float, float] | None) -> Step:
    factors, spans = factors_of(shape, wanted), span or (None, None)
    if factors != (1, 1):
        across = averaged_axis(shape[0], factors[0], MOST_SUMMED)
        cells = -(-shape[0] // factors[0]), -(-shape[1] // factors[1])
        made = Made("averaged", cells, _lanes(len(across.rows)), factors)
        return Step(across, averaged_axis(shape[1], factors[1]), made)
    down = _axis(shape[1], wanted.size[1], wanted.reach, spans[1])
    if is_lowered_first(shape, wanted.size):
        return Step(None, down, Made("lowered", (shape[0], wanted.size[1]), _lanes(shape[0])))
    across = _axis(shape[0], wanted.size[0], wanted.reach, spans[0])
    return Step(across, down, Made("resized", wanted.size, _lanes(wanted.size[0])))


def _lanes(columns: int) -> int:
    return -(-columns * CHANNELS // LANES) * LANES


def _axis(n_in: int, n_out: int, reach: int, span: float | None) -> Axis:
    return _AXES.get((n_in, n_out, reach, span), lambda: resized_axis(n_in, n_out, reach, span))  # type: ignore[return-value]


def _moved(rows: np.ndarray, by: int) -> np.ndarray:
    return rows + np.array([0, 0, by, 0] * 2)


def _padded(rows: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([rows, np.zeros((length - len(rows), rows.shape[1]), rows.dtype)])


def _room(size: int) -> np.ndarray:
    """Return an int32 array that begins on a line of the cache; this thread's own, if that is large enough."""
    kept = getattr(_THREAD, "room", None)
    if kept is not None and len(kept) >= size:
        return kept
    raw = np.empty(size + 16, np.int32)
    begin = -raw.ctypes.data % 64 // 4
    room = raw[begin : begin + size]
    if room.nbytes <= MOST_ROOM_BYTES:
        _THREAD.room = room
    return room
