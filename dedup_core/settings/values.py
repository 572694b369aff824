"""The kinds of values that settings have."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field


def split(value: object) -> object:
    """Accept ``phash,dhash`` from a command line where a file would hold a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(split)]


def _no_boolean(value: object) -> object:
    """Refuse ``true`` where a number is meant: Python would count it as 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


Number = BeforeValidator(_no_boolean)
Count = Annotated[int, Number, Field(le=2**63 - 1)]
Real = Annotated[float, Number]
Location = Annotated[str, Field(min_length=1)]
