"""From a command line to settings, and from an error to one line and an exit code: what all jobs share."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Literal, NoReturn, get_args, get_origin

import click

from dedup_core.errors import DedupError, SettingsError, last_cause
from dedup_core.settings.file import shortened
from dedup_core.settings.layers import SettingsType, option, resolve
from dedup_core.settings.sections import SECTIONS
from dedup_core.settings.settings import JobSettings

WIDE = {"max_content_width": 110, "help_option_names": ["-h", "--help"]}
"""How wide a help may be, in characters, and what asks for it."""

_WITHOUT_HEADINGS = 20  # options can be looked through


def run_job(
    kind: type[SettingsType],
    job: Callable[[SettingsType], None],
    arguments: Sequence[str],
    text: str | None = None,
) -> NoReturn:
    """Parse the arguments, run the job, and leave with its exit code; its help is ``text``, or the job's docstring."""
    run_command(lambda verbose: job_command(kind, job, text or job.__doc__, verbose), arguments)


def run_command(
    command: Callable[[list[bool]], click.Command], arguments: Sequence[str], name: str | None = None
) -> NoReturn:
    """Make a command, run it, and leave with its exit code; an error is one line.

    Args:
        command: makes it, given a list with one boolean, whether tracebacks are shown, which it sets when it knows.
        arguments: what follows the name on the command line.
        name: what the help calls it, if not what the program is called.

    Exit codes: 0 done; 1 failed while running; 2 bad arguments or settings; 3 input unusable; 4 a limit or a
    quality gate of the user's was not met.
    """
    verbose = ["--verbose" in arguments]  # until the settings are known, which a file may have a say in
    try:
        command(verbose).main(list(arguments), prog_name=name, standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except _InterruptedJobError:
        _fail("interrupted: run the same command again to go on from the last checkpoint", 1, verbose[0])
    except click.ClickException as error:
        _fail(f"{error.format_message()} (--help lists the options)", 2, verbose[0])
    except DedupError as error:
        _fail(str(error), error.exit_code, verbose[0])
    except Exception as error:  # noqa: BLE001 - the outermost frame: every error must end in one line and a code
        reason = last_cause(str(error)) or next(iter(str(error).strip().splitlines()), "")
        _fail(f"{type(error).__name__}: {reason} (--verbose shows the traceback)", 1, verbose[0])
    sys.exit(0)


class _InterruptedJobError(Exception):
    """Ctrl-C, kept from click, which would print a line of its own."""


def _fail(message: str, exit_code: int, verbose: bool) -> NoReturn:
    if verbose and sys.exc_info()[0] is not None:
        traceback.print_exc()
    click.secho(f"error: {' '.join(message.split())}", fg="red", err=True)
    sys.exit(exit_code)


def job_command(
    kind: type[SettingsType],
    job: Callable[[SettingsType], None],
    text: str | None,
    verbose: list[bool],
    **described: Any,
) -> click.Command:
    """Return the command that takes a job's settings as options and runs it; ``text`` is what its help says."""

    def callback(**given: Any) -> None:
        options = {name: _joined(value) for name, value in given.items() if value not in (None, ())}
        config = options.pop("config", None)
        settings = resolve(kind, options, config)
        verbose[0] = settings.verbose
        try:
            job(settings)
        except KeyboardInterrupt as interrupt:
            raise _InterruptedJobError from interrupt

    over = "YAML file with settings; options win over it."
    config = click.Option(["--config"], metavar="FILE", help=over, multiple=True)
    # What must be given comes first.
    names = sorted(kind.model_fields, key=lambda name: not kind.model_fields[name].is_required())
    options: list[click.Parameter] = [*(_option(kind, name) for name in names), config]
    several = [name for name, field in kind.model_fields.items() if _takes_several(field.annotation)]
    return _Command(several, callback=callback, params=options, help=text, context_settings=WIDE, **described)


class _Command(click.Command):
    """A command that takes no option twice but those that take several names: click would use the last in silence."""

    def __init__(self, several: Collection[str], **described: Any) -> None:
        super().__init__(**{"name": None} | described)
        self._several = several

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and refuse what is given twice."""
        rest = super().parse_args(ctx, list(args))
        if ctx.resilient_parsing:  # a shell asks what could come next
            return rest
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        for parameter in dict.fromkeys(order):
            times = order.count(parameter)
            if times > 1 and parameter.name not in self._several:
                spellings = {*parameter.opts, *parameter.secondary_opts}
                values = ctx.params[str(parameter.name)]
                given = values if isinstance(values, tuple) else [text for text in args if text in spellings]
                raise SettingsError(_given_again(parameter.opts[0], times, given))
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings; what a job has few of needs none."""
        records = {str(parameter.name): parameter.get_help_record(ctx) for parameter in self.get_params(ctx)}
        sections = SECTIONS if len(records) > _WITHOUT_HEADINGS else {}
        finer = {name for names in sections.values() for name in names}
        first = {"Options": [name for name in records if name not in finer]}
        for heading, names in {**first, **sections}.items():
            if rows := [row for name in names if (row := records.get(name))]:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def _given_again(name: str, times: int, given: Sequence[str]) -> str:
    plain = (value if value.strip() == value != "" and value.isprintable() else repr(value) for value in given)
    often = "twice" if times == 2 else f"{times} times"
    return f"{name} is given {often} ({', '.join(map(shortened, plain))}): give it once"


def _option(kind: type[JobSettings], name: str) -> click.Option:
    field = kind.model_fields[name]
    text = f"{field.description} [{'required' if field.is_required() else f'default: {_plain(field.default)}'}]"
    if field.annotation is bool:
        flag = option(name) if name == "verbose" else f"{option(name)}/{option('no_' + name)}"
        return click.Option([flag], default=None, is_flag=True, help=text)
    # Each takes several values here, so that one that must be given once can show what was given.
    return click.Option([option(name)], metavar=_metavar(field.annotation), help=text, multiple=True)


def _takes_several(annotation: Any) -> bool:
    """Return whether a setting is a tuple, or may be one."""
    return any(get_origin(part) is tuple for part in _kinds(annotation))


def _joined(value: Any) -> Any:
    """Make of an option that was given several times what it is when given once with commas."""
    return ",".join(value) if isinstance(value, tuple) else value


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    kinds = set(_kinds(annotation))
    return "N" if int in kinds else "X" if float in kinds else "TEXT"


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield what an annotation is made of: of ``Annotated[float, ...] | None`` float and None."""
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
