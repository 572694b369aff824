"""Checks of what callers pass: each error names the argument, says what it must be, and shows what it was."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np


def whole_number(value: object, name: str, least: int, most: int | None = None) -> int:
    """Return the value as int.

    Raises:
        TypeError: if it is no integer; True and False are none.
        ValueError: if it is out of range.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    number = int(value)
    if number < least or (most is not None and number > most):
        allowed = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} must be {allowed}, not {number}")
    return number


def real_number(value: object, name: str, least: float, most: float) -> float:
    """Return the value as float.

    Raises:
        TypeError: if it is no real number; True and False are none.
        ValueError: if it is out of range or not a number at all (NaN).
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    number = float(value)
    if not least <= number <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {number}")
    return number


def flag(value: object, name: str) -> bool:
    """Return the value as bool.

    Raises:
        TypeError: if it is neither True nor False.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def path(value: object, name: str) -> Path:
    """Return the value as Path.

    Raises:
        TypeError: if it is neither a string nor a path.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, not {value!r}")
    return Path(value)


def folder(value: object, name: str) -> Path:
    """Return the value as the Path of a folder.

    Raises:
        TypeError: if it is no path.
        ValueError: if there is no such folder.
    """
    found = path(value, name)
    if not found.is_dir():
        raise ValueError(f"{name} must be a folder, and {str(found)!r} is none")
    return found


def output_file(value: object, name: str) -> Path | None:
    """Return the value as the Path of a file that can be created, or None for None.

    Raises:
        TypeError: if it is no path.
        ValueError: if its folder does not exist, or it is a folder itself.
    """
    if value is None:
        return None
    target = path(value, name)
    if target.is_dir() or not target.parent.is_dir():
        raise ValueError(f"{name} must be a file in an existing folder, and {str(target)!r} is none")
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
            raise TypeError(f"{name} must have file names as keys, not {key!r}")
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
