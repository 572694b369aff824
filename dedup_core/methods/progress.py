"""A progress bar, whose library is loaded only where one is shown."""

from __future__ import annotations

from types import TracebackType
from typing import Any


class Bar:
    """Counts what is done, in sight from the first to the last.

    Args:
        what: is being done ("Encoding").
        total: how much there is to do.
        unit: of what is counted ("images").
        silent: whether it never shows; nor does it where there is nothing to do.
    """

    def __init__(self, what: str, total: int, unit: str, silent: bool) -> None:
        self._shown: Any = None  # a tqdm
        self._look = {"desc": what, "total": total, "unit": f" {unit}"}
        self._silent = silent or not total

    def __enter__(self) -> Bar:
        """Begin to wait."""
        if not self._silent:
            from tqdm import tqdm

            self._shown = tqdm(**self._look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it stands, if there is one."""
        if self._shown is not None:
            self._shown.close()

    def add(self, done: int) -> None:
        """Count so many more as done."""
        if self._shown is not None:
            self._shown.update(done)
