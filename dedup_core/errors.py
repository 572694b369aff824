"""Errors for the person who must act: each says what is wrong and what to do, and carries its exit code."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping


class DedupError(Exception):
    """A run failed while it was working."""

    exit_code = 1


class SettingsError(DedupError, ValueError):
    """An argument, an option or a setting is wrong. Nothing was read or written."""

    exit_code = 2


class InputError(DedupError):
    """The input can't be used: it is missing, empty, or too much of it failed."""

    exit_code = 3


class InUseError(DedupError):
    """Another run works in the output folder."""


class LimitError(DedupError):
    """A limit or a quality gate that the user set was not met."""

    exit_code = 4


def to_install(extra: str) -> str:
    """Return what to do to have the packages of an extra, here and through ``spark-submit.sh``."""
    extras = ",".join(dict.fromkeys(["spark", "report", "demo", extra]))
    return f"pip install 'dedup-core[{extra}]', or DEDUP_EXTRAS={extras} ./spark-submit.sh ..."


def last_cause(text: str) -> str | None:
    """Return what the last of a chain of Java's errors says, which all others follow from; None where there is none."""
    causes = re.findall(r"Caused by: [\w.$]+: (.*)", text)
    return causes[-1] if causes else None


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line, without the inner life of a library; its name where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def tally(counts: Mapping[str, int]) -> str:
    """Return how many there are of each, by names with underscores: "2 too large, 1 empty"."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the known name closest to ``name``, or lists them all where none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
