"""Checks of what callers pass: each error names the argument, says what it must be, and shows what it was."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from dedup_core.errors import nearest

_SHOWN_CHARACTERS = 200


def shown(value: object) -> str:
    """Return a value as a message shows it: a long one is shortened in its middle."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - whatever a caller's class does, it may not hide the error that is told
        text = f"a {type(value).__name__}"
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    half = _SHOWN_CHARACTERS // 2
    return f"{text[:half]}…{text[-half:]} ({len(text):,} characters)"


def whole_number(value: object, name: str, least: int, most: int | None = None) -> int:
    """Return the value as int.

    Raises:
        TypeError: if it is no integer; True and False are none.
        ValueError: if it is out of range.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, not {shown(value)}")
    number = int(value)
    if number < least or (most is not None and number > most):
        allowed = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} must be {allowed}, not {shown(number)}")
    return number


def real_number(value: object, name: str, least: float, most: float) -> float:
    """Return the value as float.

    Raises:
        TypeError: if it is no real number; True and False are none.
        ValueError: if it is out of range or not a number at all (NaN).
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {shown(value)}")
    number: Any = value
    if not least <= number <= most:  # before it is a float: integers may have hundreds of digits
        raise ValueError(f"{name} must be {least} to {most}, not {shown(number)}")
    return float(number)


def flag(value: object, name: str) -> bool:
    """Return the value as bool.

    Raises:
        TypeError: if it is neither True nor False.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def choice(value: object, name: str, known: Sequence[str]) -> str:
    """Return the value, one of the known words.

    Raises:
        TypeError: if it is no string.
        ValueError: if it is another word.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be {_one_of(known)}, not {shown(value)}")
    if value not in known:
        hint = nearest(value[:_SHOWN_CHARACTERS], known)
        meant = f" ({hint})" if hint.startswith("did you mean") else ""
        raise ValueError(f"{name} must be {_one_of(known)}, not {shown(value)}{meant}")
    return value


def path(value: object, name: str) -> Path:
    """Return the value as Path.

    Raises:
        TypeError: if it is neither a string nor a path.
        ValueError: if no file can be called so: it is empty, too long, or can't be spelt.
    """
    try:
        text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    except TypeError:  # an object that says it is a path, and gives none
        text = None
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a path, not {shown(value)}")
    if not text:
        raise ValueError(f"{name} must be a path, not ''")
    if (problem := _unusable(text)) is not None:
        raise ValueError(f"{name} must be a path, and no file can be called {shown(text)}: {problem}")
    return Path(text)


def file(value: object, name: str, what: str = "a file") -> Path:
    """Return the value as the Path of a file.

    Raises:
        TypeError: if it is no path.
        ValueError: if there is no such file.
    """
    found = path(value, name)
    if not os.path.isfile(found):
        raise ValueError(f"{name} must be {what}, and there is no file {shown(str(found))}")
    return found


def folder(value: object, name: str) -> Path:
    """Return the value as the Path of a folder.

    Raises:
        TypeError: if it is no path.
        ValueError: if there is no such folder.
    """
    found = path(value, name)
    if not os.path.isdir(found):
        raise ValueError(f"{name} must be a folder, and {shown(str(found))} is none")
    return found


def output_file(value: object, name: str) -> Path | None:
    """Return the value as the Path of a file that can be created, or None for None and False.

    Raises:
        TypeError: if it is no path.
        ValueError: if its folder does not exist, or it is a folder itself.
    """
    if value is None or value is False:
        return None
    target = path(value, name)
    if os.path.isdir(target) or not os.path.isdir(target.parent):
        raise ValueError(f"{name} must be a file in an existing folder, and {shown(str(target))} is none")
    return target


def mapping(value: object, name: str) -> Mapping[str, Any]:
    """Return the value as a mapping with string keys.

    Raises:
        TypeError: if it is no mapping, or a key is no string.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dictionary of names and features, not {type(value).__name__}")
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"{name} must have file names as keys, not {shown(key)}")
    return value


def exactly_one(**given: object) -> str:
    """Return the name of the argument that is not None.

    Raises:
        ValueError: unless exactly one of them is given.
    """
    present = [name for name, value in given.items() if value is not None]
    if len(present) != 1:
        found = "both were" if present else "neither was"
        raise ValueError(f"give either {' or '.join(given)}: {found} given")
    return present[0]


def _one_of(known: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(map(repr, known[:-1])), repr(known[-1])]))


def _unusable(text: str) -> str | None:
    """Return why the system takes no file of that name, if it doesn't."""
    try:
        os.lstat(text)
    except UnicodeEncodeError:
        return "it holds half a character"
    except ValueError:
        return "it holds a zero byte"
    except OSError as error:
        return "it is too long" if error.errno == errno.ENAMETOOLONG else None
    return None
