"""Settings in layers: default < configuration file < option, and what to say of one that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from dedup_core.errors import SettingsError, nearest
from dedup_core.settings.file import read_settings_file, shortened
from dedup_core.settings.settings import JobSettings

SettingsType = TypeVar("SettingsType", bound=JobSettings)

_MOST_TOLD = 4  # problems in one message


def resolve(kind: type[SettingsType], options: Mapping[str, Any], config_file: str | None = None) -> SettingsType:
    """Lay the options over the configuration file over the defaults, and check the result.

    Args:
        kind: the settings of the job.
        options: settings by name, as given on the command line.
        config_file: a YAML file with settings by name. One file may serve all jobs: what belongs to another job
            is passed over.

    Raises:
        SettingsError: names the setting, where it comes from, what is wrong with it and what would be right.
    """
    from_file = {} if config_file is None else _read(config_file)
    merged = {name: value for name, value in from_file.items() if name in kind.model_fields} | dict(options)
    origins = {name: f"{name} in {config_file}" for name in from_file} | {name: option(name) for name in options}
    return _checked(kind, merged, origins)


def of_arguments(
    kind: type[SettingsType],
    given: Mapping[str, Any],
    fixed: Mapping[str, Any],
    known: Iterable[str],
    called: Mapping[str, str] | None = None,
) -> SettingsType:
    """Return settings that are given as arguments of a function, and are called by these names where they are wrong.

    Args:
        kind: the settings of the job that does the same.
        given: by name.
        fixed: those that no caller chooses.
        known: the names of those that callers may choose.
        called: what settings are called as arguments, where that is something else.

    Raises:
        TypeError: names an argument that there is not, as a function with so many arguments would.
        SettingsError: says what is wrong with one, and what would be right.
    """
    known = set(known)
    if strange := [name for name in given if name not in known]:
        raise TypeError(f"unexpected argument {strange[0]!r}: {nearest(strange[0], known)}")
    return _checked(kind, {**given, **fixed}, {name: name for name in kind.model_fields} | dict(called or {}))


def _checked(kind: type[SettingsType], merged: Mapping[str, Any], origins: Mapping[str, str]) -> SettingsType:
    try:
        return kind(**merged)
    except ValidationError as error:
        told = [_explain(problem, origins) for problem in error.errors()[:_MOST_TOLD]]
        if rest := error.error_count() - len(told):
            told.append(f"and {rest:,} more")
        raise SettingsError("; ".join(told)) from error


_PLAIN = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
}
"""What is said of a value by the name of what is wrong with it, where the validator's words speak of its own work."""


def option(name: str) -> str:
    """Return the command-line option of a setting."""
    return "--" + name.replace("_", "-")


def known_settings() -> set[str]:
    """Return the names of all settings of all jobs."""
    return {name for kind in _subclasses(JobSettings) for name in kind.model_fields}


def _subclasses(kind: type[JobSettings]) -> Iterable[type[JobSettings]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _subclasses(child)


def _read(config_file: str) -> dict[str, Any]:
    content = read_settings_file(config_file)
    for name in content:
        if name not in known_settings():
            near = nearest(shortened(str(name)), known_settings())
            raise SettingsError(f"unknown setting {shortened(repr(name))} in {config_file}: {near}")
    return content


def _explain(problem: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    name = str(problem["loc"][0])
    where = origins.get(name, option(name))
    if problem["type"] == "missing":
        return f"{where} is required"
    message = _PLAIN.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    message, given = shortened(message.replace("Input should be", "must be")), shortened(repr(problem["input"]))
    is_told = isinstance(problem["input"], str) and given in message
    return f"{where}: {message}" if is_told else f"{where}: {message} (got {given})"
