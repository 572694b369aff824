"""Write llms.txt: the commands, tables and public functions on one page, for programs that read documentation.

    python docs/llms.py            # after a command, a table, a public name or llms.txt.jinja has changed
    python docs/llms.py --check    # ends with 1 where the page differs from what the code says

What is said by hand stands in llms.txt.jinja. The form is that of https://llmstxt.org: below a heading each line is a
link and what is to be known of it.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import jinja2

from dedup_core.console.registry import JOBS, Job
from dedup_core.settings.command import job_command
from dedup_core.spark.evaluate.given_duplicates import EVALUATED
from dedup_core.spark.tables import TABLES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "llms.txt"
TEMPLATE = ROOT / "docs" / "llms.txt.jinja"
PACKAGES = ("dedup_core.spark", "dedup_core.methods", "dedup_core.evaluation", "dedup_core.utils")
OTHERS = {
    "dedup_core.verify": ("verify_files", "Verdict"),
    "dedup_core.encoders": ("Decoding",),
    "dedup_core.errors": ("DedupError", "SettingsError", "InputError", "LimitError"),
}
"""Public names of packages that are not public as a whole: they share a page of the reference."""

CHIEF = (
    "input", "output", "method", "max_distance_threshold", "min_similarity_threshold", "min_inliers", "removals",
    "keep", "verify", "orientation", "orientations", "recursive", "cnn_weights", "onnx_model", "embeddings", "column",
    "embeddings_name", "search", "features", "max_pairs", "max_failed_share", "list_pairs", "export_json", "scores",
    "report", "reuse", "ground_truth", "duplicates", "target_precision", "min_precision", "min_recall", "min_f1",
    "report_method", "report_name", "max_groups", "images", "kind", "photographs", "edits", "pictures", "seed",
    "overwrite", "config",
)  # fmt: skip
"""The options that the page describes; ``--help`` has all."""


class Command(NamedTuple):
    """A command: how it is called, what its help says, the chief ones of its options as they are written."""

    name: str
    text: str
    options: list[str]


class Option(NamedTuple):
    """An option: how it is written, what its help says, and which commands take it."""

    name: str
    text: str
    commands: list[str]


class Public(NamedTuple):
    """A public name: how it is called, the first paragraph of its docstring, its page, what methods a class has."""

    name: str
    call: str
    text: str
    page: str
    methods: str


def page() -> str:
    """Return the page as the code and the template have it.

    Raises:
        jinja2.UndefinedError: if the template says nothing of a table.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    shown = {"commands": list(commands()), "options": options(), "public": list(public())}
    return template.render(shown, tables=TABLES, evaluated=EVALUATED) + "\n"


def commands() -> Iterator[Command]:
    """Yield every job as a command."""
    for job in JOBS.values():
        yield Command(f"dedup {job.command}", f"{job.line} {job.text}", [_written(option) for option in _chief(job)])


def options() -> list[Option]:
    """Return the chief options in the order of ``CHIEF``; one that means two things stands there twice."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in CHIEF:
        for job in JOBS.values():
            for option in _chief(job):
                if option.name == name:
                    found.setdefault((_written(option), str(option.help)), []).append(job.command)
    return [Option(*key, taken_by) for key, taken_by in found.items()]


def public_names() -> Iterator[tuple[str, str, Any]]:
    """Yield every public name: its package, how it is called there, what it is."""
    for package in [*PACKAGES, *OTHERS]:
        module = importlib.import_module(package)
        for name in OTHERS.get(package, ()) or module.__all__:
            yield package, name, getattr(module, name)


def public() -> Iterator[Public]:
    """Yield what the page says of every public name; a class with the methods of an earlier one refers to it."""
    known: dict[tuple[Any, ...], str] = {}
    for package, name, what in public_names():
        own = _methods(what)
        like = known.setdefault(tuple(own.values()), name)
        told = [_call(method, function) for method, function in own.items()]
        has = "" if not own else f"`{'`, `'.join(told)}`" if like == name else f"those of `{like}`"
        yield Public(f"{package}.{name}", _call(name, what), _line(what), _reference(package), has)


def _chief(job: Job) -> list[click.Option]:
    command = job_command(job.settings, job.run, job.text, [False])
    taken = {option.name: option for option in command.params if isinstance(option, click.Option)}
    return [taken[name] for name in CHIEF if name in taken]


def _written(option: click.Option) -> str:
    names = "/".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar}"


def _reference(package: str) -> str:
    return f"docs/reference/{'others' if package in OTHERS else package.split('.')[-1]}.md"


def _line(what: object) -> str:
    return " ".join(str(inspect.getdoc(what)).split("\n\n")[0].split())


def _methods(what: Any) -> dict[str, Callable[..., Any]]:
    if not inspect.isclass(what):
        return {}
    functions = inspect.getmembers(what, inspect.isfunction)
    return {
        name: function
        for name, function in functions
        if not name.startswith("_") and function.__module__.startswith("dedup_core")
    }


def _call(name: str, what: Callable[..., Any]) -> str:
    """Return how something is called: its parameters and their defaults, without types."""
    if inspect.isclass(what) and issubclass(what, Exception):
        return name
    signature = inspect.signature(what)
    parameters = [
        parameter.replace(annotation=parameter.empty, default=_default(parameter.default))
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    return f"{name}{inspect.Signature(parameters)}"


class _Written(str):
    """Text that stands in a signature as it is."""

    __slots__ = ()
    __repr__ = str.__str__


def _default(value: Any) -> Any:
    """Return a default as it is written in code; of an object, its class."""
    if value is None or value is inspect.Parameter.empty or isinstance(value, str | int | float | tuple):
        return value
    return _Written(f"{type(value).__name__}()")


def main(arguments: list[str]) -> None:
    """Write the page, or with --check end with 1 where it differs."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit("llms.txt differs from what the code says: python docs/llms.py writes it")


if __name__ == "__main__":
    main(sys.argv[1:])
