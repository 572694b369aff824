"""Settings of embeddings that were made elsewhere and are given as a table: a method like another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationInfo, field_validator

from dedup_core.encoders.registry import ENCODERS, PROPOSERS, methods
from dedup_core.errors import SettingsError
from dedup_core.settings.values import Location, split

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_DEFAULT_NAME = "embeddings"


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse names that a method of ours has, or that make no folder's name everywhere."""
    if not names:
        raise ValueError("name at least one, such as sscd")
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} must be a lower-case letter, and up to 39 more of a-z, 0-9, _ and -")
        if name in methods():
            raise ValueError(f"{name!r} is a method already: choose another name, such as my_{name}")
    return tuple(dict.fromkeys(names))


def embeddings_named(name: str) -> str:
    """Return the name that one gives embeddings of one's own.

    Raises:
        ValueError: if a method has it, or it makes no folder's name everywhere.
    """
    return _checked((name,))[0]


GivenNames = Annotated[tuple[str, ...], BeforeValidator(split), AfterValidator(_checked)]


class EmbeddingSettings(BaseModel, frozen=True):
    """What a search takes that compares embeddings of one's own."""

    embeddings: Location | None = Field(
        None, description="Parquet table of paths and vectors made elsewhere, to be compared as --embeddings-name."
    )
    column: Location = Field("embedding", description="Embeddings: the column with the vectors.")
    embeddings_path_column: Location = Field("path", description="Embeddings: the column with the images' paths.")

    @field_validator("embeddings")
    @classmethod
    def _one_table_has_one_name(cls, location: str | None, stated: ValidationInfo) -> str | None:
        names = stated.data.get("embeddings_name", (_DEFAULT_NAME,))
        if location is not None and len(names) != 1:
            raise ValueError(f"a table is one method: name one by --embeddings-name, not {', '.join(names)}")
        return location


def with_given_methods(stated: Any, encodes: bool) -> Any:
    """Return what is stated of a job, with the embeddings that it gives among its methods.

    A table that is given is compared beside the methods that are named, and alone where none is. A job that reads what
    is stored takes names of embeddings for its methods, where no method is named.

    Args:
        stated: of the settings.
        encodes: whether the job makes features from images.
    """
    if not isinstance(stated, dict):
        return stated
    named = split(stated.get("embeddings_name", _DEFAULT_NAME))
    if "method" not in stated:
        is_meant = stated.get("embeddings") is not None or ("embeddings_name" in stated and not encodes)
        return stated | {"method": named} if is_meant else stated
    method = split(stated["method"])
    is_whole = isinstance(method, (list, tuple)) and isinstance(named, (list, tuple))
    if stated.get("embeddings") is None or not is_whole:
        return stated
    return stated | {"method": [*method, *named]}  # type: ignore[misc]  # which are lists


def made_of(encoded: Sequence[str], embeddings: str | None) -> tuple[str, ...]:
    """Return the methods that images are encoded by: a hash, where all that are needed are embeddings given.

    Args:
        encoded: methods whose features are needed.
        embeddings: the table of those that no encoder makes, if one is given.

    Raises:
        SettingsError: if one of them is embeddings that nobody gives.
    """
    made = tuple(name for name in encoded if name in ENCODERS)
    if embeddings is None and (given := [name for name in encoded if name not in ENCODERS]):
        raise SettingsError(f"nothing makes {given[0]} features from images: give their table by --embeddings")
    return made or PROPOSERS[:1]
