"""From a command line to settings, and from an error to one line and an exit code: what all jobs share."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Literal, NoReturn, get_args, get_origin

import click

from dedup_core.config import JobSettings
from dedup_core.config_layers import SettingsType, option, resolve
from dedup_core.errors import DedupError


def run_job(kind: type[SettingsType], job: Callable[[SettingsType], None], arguments: Sequence[str]) -> NoReturn:
    """Parse the arguments, run the job, and leave with its exit code.

    Exit codes: 0 done; 1 failed while running; 2 bad arguments or settings; 3 input unusable; 4 a limit or a
    quality gate of the user's was not met.
    """
    verbose = ["--verbose" in arguments]  # until the settings are known, which a file may have a say in
    try:
        _command(kind, job, verbose).main(list(arguments), standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except _InterruptedJobError:
        _fail("interrupted: run the same command again to go on from the last checkpoint", 1, verbose[0])
    except click.ClickException as error:
        _fail(f"{error.format_message()} (--help lists the options)", 2, verbose[0])
    except DedupError as error:
        _fail(str(error), error.exit_code, verbose[0])
    except Exception as error:  # noqa: BLE001 - the outermost frame: every error must end in one line and a code
        first_line = next(iter(str(error).strip().splitlines()), "")
        _fail(f"{type(error).__name__}: {first_line} (--verbose shows the traceback)", 1, verbose[0])
    sys.exit(0)


class _InterruptedJobError(Exception):
    """Ctrl-C, kept from click, which would print a line of its own."""


def _fail(message: str, exit_code: int, verbose: bool) -> NoReturn:
    if verbose and sys.exc_info()[0] is not None:
        traceback.print_exc()
    click.secho(f"error: {' '.join(message.split())}", fg="red", err=True)
    sys.exit(exit_code)


def _command(kind: type[SettingsType], job: Callable[[SettingsType], None], verbose: list[bool]) -> click.Command:
    def callback(config: str | None, **given: Any) -> None:
        options = {name: _joined(value) for name, value in given.items() if value not in (None, ())}
        settings = resolve(kind, options, config)
        verbose[0] = settings.verbose
        try:
            job(settings)
        except KeyboardInterrupt as interrupt:
            raise _InterruptedJobError from interrupt

    config = click.Option(["--config"], metavar="FILE", help="YAML file with settings; options win over it.")
    options: list[click.Parameter] = [config, *(_option(kind, name) for name in kind.model_fields)]
    wide = {"max_content_width": 110}
    return click.Command(name=None, callback=callback, params=options, help=job.__doc__, context_settings=wide)


def _option(kind: type[JobSettings], name: str) -> click.Option:
    field = kind.model_fields[name]
    text = f"{field.description} [{'required' if field.is_required() else f'default: {_plain(field.default)}'}]"
    if field.annotation is bool:
        flag = option(name) if name == "verbose" else f"{option(name)}/{option('no_' + name)}"
        return click.Option([flag], default=None, is_flag=True, help=text)
    takes_several = get_origin(field.annotation) is tuple
    return click.Option([option(name)], metavar=_metavar(field.annotation), help=text, multiple=takes_several)


def _joined(value: Any) -> Any:
    """Make of an option that was given several times what it is when given once with commas."""
    return ",".join(value) if isinstance(value, tuple) else value


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    return {int: "N", float: "X"}.get(annotation, "TEXT")


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
