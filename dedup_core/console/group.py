"""The command ``dedup``: every job, in local mode, from an installed package."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from dedup_core.console.registry import JOBS, Job, job_called
from dedup_core.errors import SettingsError, nearest
from dedup_core.settings.command import WIDE, job_command, run_command
from dedup_core.spark.local_mode import configuration_folder, started_with

_TEXT = "Find exact and near duplicate images in folders and data lakes. Nothing here deletes an image."


def run_dedup(arguments: Sequence[str]) -> NoReturn:
    """Run the command ``dedup``, and leave with its exit code."""
    run_command(_Jobs, arguments, "dedup")


class _Jobs(click.Group):
    """A command a job, each loaded when it is asked for."""

    def __init__(self, verbose: list[bool]) -> None:
        shared = {"is_flag": True, "expose_value": False, "is_eager": True}
        show = click.Option(["--show-settings"], callback=_show_settings, help=_SHOW, **shared)
        version = click.Option(["--version"], callback=_show_version, help="Show the version and exit.", **shared)
        super().__init__(
            "dedup", help=_TEXT, params=[version, show], invoke_without_command=True, callback=_help,
            context_settings=WIDE, subcommand_metavar="COMMAND [OPTIONS]",
        )  # fmt: skip
        self._verbose = verbose

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """Return the jobs in the order of their list."""
        return [job.command for job in JOBS.values()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as click calls it
        """Return the command of a job, also by the name of its script."""
        job = job_called(cmd_name)
        if job is None:
            return None
        run = _in_local_mode(job)
        return job_command(job.settings, run, job.text, self._verbose, name=job.command, short_help=job.line)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and of an option that it lacks say which commands have it."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            if not (takers := [f"dedup {job.command}" for job in JOBS.values() if job.takes(error.option_name)]):
                raise
            told = f"{' and '.join(takers)} {'has' if len(takers) == 1 else 'have'} it"
            raise SettingsError(f"dedup {ctx.invoked_subcommand} has no option {error.option_name}: {told}") from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the command, and of one that is misspelt say which is near."""
        if not ctx.resilient_parsing and not args[0].startswith("-") and job_called(args[0]) is None:
            known = [*self.list_commands(ctx), *(parameter.opts[-1] for parameter in self.get_params(ctx))]
            raise SettingsError(f"unknown command {args[0]!r}: {nearest(args[0], known)}")
        return super().resolve_command(ctx, args)


_SHOW = "Show every setting of every job with its default, as a file for --config, and exit."


def _help(**_options: Any) -> None:
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _show_version(ctx: click.Context, _option: click.Parameter, is_given: bool) -> None:
    if is_given and not ctx.resilient_parsing:
        click.echo(f"dedup-core {importlib.metadata.version('dedup-core')}")
        ctx.exit()


def _show_settings(ctx: click.Context, _option: click.Parameter, is_given: bool) -> None:
    if is_given and not ctx.resilient_parsing:
        click.echo((configuration_folder() / "dedup.yaml").read_text(encoding="utf-8"), nl=False)
        ctx.exit()


def _in_local_mode(job: Job) -> Any:
    def run(settings: Any) -> None:
        os.environ.update(started_with(os.environ, settings.verbose))
        job.run(settings)

    return run
