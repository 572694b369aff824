"""A YAML file with settings, from whoever wrote it: read within bounds, and refused in one line where it is wrong."""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable
from typing import Any

import yaml

from dedup_core.errors import SettingsError

_MOST_BYTES = 65_536
_DEEPEST = 10
_LONGEST_NUMBER = 100
_LONGEST_SHOWN = 200
_TAGS = "tag:yaml.org,2002:"


def read_settings_file(config_file: str) -> dict[Any, Any]:
    """Read a configuration file: names with what is set. Which names there are is for the caller to know.

    Raises:
        SettingsError: if the file can't be read, is no YAML, says one thing twice, or holds what no setting is.
    """
    try:
        content = yaml.load(_text(config_file), _Loader)  # noqa: S506 - a SafeLoader that takes less
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise SettingsError(f"can't read the configuration file {config_file}: {_told(error)}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"the configuration file {config_file} must hold 'name: value' lines")
    return content


def shortened(text: str) -> str:
    """Return a text as it is shown in a message: of one that is long, the beginning."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]} ..."


def _text(config_file: str) -> str:
    kind = os.stat(config_file).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):  # a pipe or a device may never end
        raise ValueError("it is no regular file")
    with open(config_file, "rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than the {_MOST_BYTES:,} bytes that settings may take")
    return content.decode("utf-8-sig")


def _told(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1:,} is no UTF-8: save it as UTF-8"
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.position + 1:,} is {chr(error.character)!r}, which no YAML file may hold"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        what = ": ".join(part for part in (error.context, error.problem) if part)
        return f"{what}, in line {error.problem_mark.line + 1:,}"
    return " ".join(str(error).split())


class _Loader(yaml.SafeLoader):
    """Plain values, lists and mappings: what settings are made of, and nothing that grows when it is read."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _wrong(event, f"found *{event.anchor}: an alias is not taken, write the value out")
        if event.tag is not None:
            tag = event.tag.replace(_TAGS, "!!")
            raise _wrong(event, f"found {shortened(tag)}: a tag is not taken, write the value alone")
        if self.depth == _DEEPEST:
            raise _wrong(event, "the value is nested too deep")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise _wrong(node, f"{shortened(repr(node.value))} can't be read: {error}") from error

    def construct_scalar(self, node: Any) -> str:
        value = _whole(super().construct_scalar(node))
        if node.tag != f"{_TAGS}str" and len(value) > _LONGEST_NUMBER:
            raise _wrong(node, f"{shortened(value)} is too long for a number")
        if not _is_text(value):
            raise _wrong(node, f"{shortened(repr(value))} holds a character that no text may hold")
        return value

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _wrong(key_node, f"{shortened(repr(key))} stands there twice")
            seen.add(key)
        return mapping

    def flatten_mapping(self, node: Any) -> None:
        """Leave << what it is, a name: what it would merge hides what is set twice."""


for _name in ("merge", "value"):  # the plain scalars << and =, which YAML gives a meaning of their own
    _Loader.add_constructor(f"{_TAGS}{_name}", _Loader.construct_yaml_str)


def _wrong(where: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def _whole(text: str) -> str:
    """Join the halves of a character that JSON writes one by one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
