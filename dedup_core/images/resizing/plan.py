"""What one pass over pictures of one shape has to do: kept, for most collections have few shapes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np

from dedup_core.images.resizing.layout import CHANNELS, GROUP, GROUP_BYTES, LANES, PAIRS, ROWS, SEGMENT
from dedup_core.images.resizing.native import address
from dedup_core.images.resizing.pillow import factors_of, is_lowered_first
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
        across: int32 (n, WINDOW): the windows of the columns that are made, size after size.
        down: int32 (m, WINDOW + 3): the windows of the rows that are made; then their first lane, how many, and where
            the sums lie.
        taps: int32 (k,): the weights of both.
        sizes: int64 (14,), as `entries.passed` takes it: how many rows are passed over, and the picture's width; how
            many windows are across and down, and how many taps; how many lanes have weights (those after them are
            sums), and how many the picture's own columns take, after all others; the number of the first row; then
            where each array to work in ends, all in one room.
        made: of each wanted size.
    """

    across: np.ndarray
    down: np.ndarray
    taps: np.ndarray
    sizes: np.ndarray
    made: tuple[Made, ...]

    @property
    def nbytes(self) -> int:
        """What it takes to keep."""
        return self.across.nbytes + self.down.nbytes + self.taps.nbytes

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """Where the arrays lie, in the order in which `entries.passed` takes them."""
        return tuple(map(address, (self.across, self.down, self.taps, self.sizes)))

    def sizes_of(self, first: int, n_rows: int) -> np.ndarray:
        """Return `sizes` for a pass over some rows of the picture alone."""
        sizes = self.sizes.copy()
        sizes[0], sizes[7] = n_rows, first
        return sizes

    @property
    def first_sum(self) -> int:
        """Where in a room the sums begin."""
        return int(self.sizes[-4])

    def room(self) -> np.ndarray:
        """Return an int32 array to work in, on a line of the cache: it holds until this thread asks again."""
        return _room(int(self.sizes[-1]))


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


def _planned(shape: tuple[int, int], wanted: Sequence[Wanted], span: tuple[float, float] | None) -> Plan:
    steps = [_step(shape, each, span) for each in wanted]
    order = sorted(range(len(steps)), key=lambda k: OUTCOMES.index(steps[k].made.outcome))
    across = np.zeros((sum(_lanes_across(step) for step in steps) // CHANNELS, WINDOW), np.int32)
    down = np.empty((sum(len(step.down.rows) for step in steps), WINDOW + 3), np.int32)
    taps, made = [], {}
    lane = row = n_sums = n_taps = n_weighted = 0
    for k in order:
        of_columns, of_rows, entry = steps[k]
        if of_columns is not None:
            _enter(of_columns, across[lane // CHANNELS :], n_taps)
            taps.append(of_columns.taps)
            n_taps += len(of_columns.taps)
        n = len(of_rows.rows)
        _enter(of_rows, down[row:], n_taps)
        down[row : row + n, WINDOW : WINDOW + 2] = lane, entry.lanes
        down[row : row + n, WINDOW + 2] = range(n_sums, n_sums + n * entry.lanes, entry.lanes)
        taps.append(of_rows.taps)
        made[k] = entry._replace(start=n_sums)
        row, n_taps, n_sums = row + n, n_taps + len(of_rows.taps), n_sums + n * entry.lanes
        lane += _lanes_across(steps[k])
        n_weighted = lane if entry.outcome == "resized" else n_weighted
    n_woven = max((entry.lanes for entry in made.values() if entry.outcome == "lowered"), default=0)
    n_columns = -(-min(shape[0], SEGMENT) // GROUP) * GROUP if lane else 0
    rooms = (n_columns // 2 * LANES, lane * ROWS, (lane + n_woven) * PAIRS, n_sums, 2 * ROWS,
             ROWS * GROUP_BYTES // 4)  # fmt: skip
    ends = np.cumsum([-(-size // 16) * 16 for size in rooms])
    sizes = np.array([shape[1], shape[0], len(across), len(down), n_taps, n_weighted, n_woven, 0, *ends], np.int64)
    return Plan(across, down, np.concatenate(taps), sizes, tuple(made[k] for k in range(len(wanted))))


def _lanes_across(step: Step) -> int:
    return 0 if step.across is None else step.made.lanes


def _enter(axis: Axis, windows: np.ndarray, n_taps: int) -> None:
    """Enter an axis's windows among those of a plan, whose weights lie behind so many others."""
    mine = windows[: len(axis.rows), :WINDOW]
    mine[:] = axis.rows
    mine[:, 2 :: WINDOW // 2] += n_taps


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
