"""Settings in layers: default < configuration file < option, and what to say of one that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from dedup_core.config import JobSettings
from dedup_core.errors import SettingsError, nearest

SettingsType = TypeVar("SettingsType", bound=JobSettings)


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
    from_file = _read(config_file) if config_file else {}
    merged = {name: value for name, value in from_file.items() if name in kind.model_fields} | dict(options)
    try:
        return kind(**merged)
    except ValidationError as error:
        origins = {name: f"{name} in {config_file}" for name in from_file} | {name: option(name) for name in options}
        raise SettingsError("; ".join(_explain(problem, origins) for problem in error.errors())) from error


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
    try:
        content = yaml.safe_load(Path(config_file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(
            f"can't read the configuration file {config_file}: {' '.join(str(error).split())}"
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"the configuration file {config_file} must hold 'name: value' lines")
    for name in content:
        if name not in known_settings():
            raise SettingsError(f"unknown setting {name!r} in {config_file}: {nearest(str(name), known_settings())}")
    return content


def _explain(problem: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    name = str(problem["loc"][0])
    where = origins.get(name, option(name))
    if problem["type"] == "missing":
        return f"{where} is required"
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{where}: {message} (got {problem['input']!r})"
