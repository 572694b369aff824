"""What to keep of images that are the same: a declared order over what is known of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from dedup_core.errors import SettingsError

DEFAULT_KEEP = ("resolution", "size", "path")
"""Of the jobs: most pixels, then most bytes, then the first path."""

PATH_ORDER = ("path",)
"""imagededup's: the first path."""

ASCENDING, DESCENDING = "asc", "desc"
_NAMED = {"oldest": ("modified_at", False), "newest": ("modified_at", True)}
_LARGEST_FIRST = ("resolution", "size", "frames")
KNOWN = ("resolution", "size", "width", "height", "frames", "format", "modified_at", "path")
_NUMBERS = ("resolution", "size", "width", "height", "frames", "modified_at")
_OTHERS = {"format": ", or formats, the best first: png>jpeg", "path": ", or a glob"}
_DERIVED = {"cropped": "it is a crop", "framed": "it has a frame", "overlaid": "it bears an overlay"}
_WORD = re.compile(r"\w[\w .-]*")


@dataclass(frozen=True)
class Criterion:
    """One step of an order: of two images the one that comes first by it is kept.

    Attributes:
        text: as it was given.
        column: what it compares: "resolution", or a column of ``features`` or of the manifest.
        is_descending: whether larger values come first.
        values: values in the order in which they come first, before all others; empty for any.
        pattern: a glob; what matches comes first.
    """

    text: str
    column: str
    is_descending: bool = False
    values: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def is_of_features(self) -> bool:
        """Whether every features table has what it compares."""
        return self.column in KNOWN

    def place(self, value: Any) -> Any:
        """Return what tells a value from others by this criterion alone."""
        if self.pattern:
            return 0 if value is not None and fnmatchcase(str(value), self.pattern) else 1
        if self.values:
            text = "" if value is None else str(value).lower()
            return self.values.index(text) if text in self.values else len(self.values)
        return value


def parse(keep: Iterable[str]) -> tuple[Criterion, ...]:
    """Return the order that a setting declares; the path is always its last step.

    Args:
        keep: such as ``resolution``, ``size:asc``, ``oldest``, ``path:archive/**``, ``format:png>jpeg``.

    Raises:
        SettingsError: says which step is none.
    """
    steps = [_criterion(text) for text in keep]
    if not steps or steps[-1].column != "path" or steps[-1].pattern or steps[-1].values:
        steps.append(Criterion("path", "path"))
    return tuple(steps)


def _criterion(text: str) -> Criterion:
    name, _, rest = text.partition(":")
    name, rest = name.strip(), rest.strip()
    if name in _NAMED and not rest:
        return Criterion(text, *_NAMED[name])
    if not _WORD.fullmatch(name) or name in _NAMED or ("," in text) or (":" in text and not rest):
        raise SettingsError(
            f"{text!r} is no step of an order: name a column (resolution, size, oldest, newest, format, path, or one "
            "of the manifest), and then if need be :asc or :desc, :VALUE>VALUE, or a glob such as path:archive/**"
        )
    if rest in ("", ASCENDING, DESCENDING):
        return Criterion(text, name, rest == DESCENDING or (not rest and name in _LARGEST_FIRST))
    if ">" in rest or name == "format":
        values = tuple(value.strip().lower() for value in rest.split(">"))
        if all(values):
            return Criterion(text, name, values=values)
    elif name not in _NUMBERS:
        return Criterion(text, name, pattern=rest)
    raise SettingsError(f"{text!r} is no step of an order: after {name}: comes asc, desc{_OTHERS.get(name, '')}")


def reason(keep: Iterable[Criterion], kept: Mapping[str, Any], removed: Mapping[str, Any]) -> str:
    """Say why one image is kept instead of another: by the first step of the order that tells them apart.

    What was made from another picture goes first, whatever the order: ``derived_as`` has the name of the relation.

    Args:
        keep: the order.
        kept: what is known of the one.
        removed: what is known of the other.
    """
    if removed.get("derived_as") and not kept.get("derived_as"):
        return _DERIVED[removed["derived_as"]]
    for step in keep:
        ours, theirs = kept.get(step.column), removed.get(step.column)
        if step.place(ours) != step.place(theirs) or (step.column == "resolution" and _is_enlarged(removed)):
            return _said(step, kept, removed)
    return "equal in all that the order looks at"


def _is_enlarged(image: Mapping[str, Any]) -> bool:
    return bool(image.get("is_enlarged"))


def _said(step: Criterion, kept: Mapping[str, Any], removed: Mapping[str, Any]) -> str:
    ours, theirs = (_plain(image.get(step.column)) for image in (kept, removed))
    if step.column == "resolution":
        ours, theirs = (f"{_plain(image.get('width'))} x {_plain(image.get('height'))}" for image in (kept, removed))
        if _is_enlarged(removed):
            return f"{ours}; {theirs} is a smaller picture, made larger"
        return f"{ours} instead of {theirs}"
    if step.pattern:
        return f"its {step.column} matches {step.pattern}"
    said = {
        "path": "its path comes first",
        "size": f"{ours} instead of {theirs} bytes",
        "modified_at": f"changed {ours} instead of {theirs}",
    }
    return said.get(step.column, f"{step.column} {ours} instead of {theirs}")


def _plain(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else str(value)
