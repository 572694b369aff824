"""Every job, once: what it is called, which settings it takes, what its help says."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from dedup_core.commands import command_of
from dedup_core.settings.command import run_job
from dedup_core.settings.demo import DemoSettings
from dedup_core.settings.layers import option
from dedup_core.settings.settings import (
    BenchmarkSettings,
    EncodeSettings,
    EvaluateSettings,
    FindSettings,
    JobSettings,
    PipelineSettings,
    ReportSettings,
)


@dataclass(frozen=True)
class Job:
    """A job: the name of its module and its script, its settings, its line in a list of jobs, what its help says."""

    name: str
    settings: type[JobSettings]
    line: str
    text: str

    @property
    def command(self) -> str:
        """What runs it on the command line, after ``dedup``."""
        return command_of(self.name)

    def takes(self, spelling: str) -> bool:
        """Return whether it has an option."""
        fields = self.settings.model_fields
        negated = {option(f"no_{name}") for name, field in fields.items() if field.annotation is bool}
        return spelling in negated.union(map(option, fields))

    def run(self, settings: Any) -> None:
        """Load the job, with Spark where it needs that, and run it."""
        importlib.import_module(f"dedup_core.jobs.{self.name}").run(settings)


JOBS = {
    job.name: job
    for job in (
        Job("pipeline", PipelineSettings, "Images to all tables and the report, in one run.",
            "Find the duplicate images under --input, and write every table to --output."),
        Job("encode", EncodeSettings, "Images to features and failures.",
            "Encode the images under --input, and write the features and failures tables to --output."),
        Job("find_duplicates", FindSettings, "Features to pairs, duplicates, groups and removals.",
            "Find the duplicates among the features under --output, and write the tables beside them."),
        Job("evaluate", EvaluateSettings, "Duplicates and the truth to metrics at every threshold.",
            "Evaluate what was found under --output (or --duplicates), and write evaluation/ there."),
        Job("report", ReportSettings, "Tables to a page with pictures.",
            "Show the tables under --output on one page with pictures, in their folder report/."),
        Job("make_benchmark", BenchmarkSettings, "Photographs and drawn pictures to a labelled corpus.",
            "Copy the images under --photographs, draw those of other kinds, and write both with the truth to "
            "--output."),
        Job("demo", DemoSettings, "The pipeline on photographs that are already here.",
            "Copy and edit the photographs that ship in scikit-image and matplotlib, and find the duplicates among "
            "them."),
    )
}  # fmt: skip
"""By name, in the order in which a list shows them."""


def job_called(command: str) -> Job | None:
    """Return the job of a command (``find``) or of a script's name (``find_duplicates``), if there is one."""
    asked = command.replace("-", "_")
    return next((job for job in JOBS.values() if asked in (job.name, job.command.replace("-", "_"))), None)


def run_script(name: str, arguments: Sequence[str]) -> NoReturn:
    """Run a job by its name, as its script in ``jobs/`` does, and leave with its exit code."""
    job = JOBS[name]
    run_job(job.settings, job.run, arguments, job.text)
