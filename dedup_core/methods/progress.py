"""A progress bar that is loaded and shown only where there is something to wait for."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

_QUIET_SECONDS = 1.0  # a bar that is over before it can be read only flickers, and its library takes time to load


class Bar:
    """Counts what is done, in sight after a second.

    Args:
        what: is being done ("Encoding").
        total: how much there is to do.
        unit: of what is counted ("images").
        silent: whether it never shows.
    """

    def __init__(self, what: str, total: int, unit: str, silent: bool) -> None:
        self._shown: Any = None  # a tqdm
        self._look = {"desc": what, "total": total, "unit": f" {unit}"}
        self._silent, self._done, self._started = silent, 0, time.monotonic()

    def __enter__(self) -> Bar:
        """Begin to wait."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it stands, if there is one."""
        if self._shown is not None:
            self._shown.close()

    def add(self, done: int) -> None:
        """Count so many more as done."""
        self._done += done
        if self._shown is not None:
            self._shown.update(done)
        elif not self._silent and time.monotonic() - self._started > _QUIET_SECONDS:
            from tqdm import tqdm

            self._shown = tqdm(initial=self._done, **self._look)
