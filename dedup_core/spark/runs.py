"""One run of a job over an output folder: its stages with their times, its counts, and the record that closes it."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import SparkSession

from dedup_core.config import JobSettings
from dedup_core.errors import SettingsError
from dedup_core.spark.store import Store

_LIBRARIES = ("dedup-core", "pyspark", "numpy", "Pillow", "scipy", "PyWavelets", "pyarrow", "numba", "tensorflow")


def _new_run_id() -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@dataclass
class Run:
    """What a run knows of itself while it works.

    Attributes:
        spark: the session.
        store: the output folder.
        settings: the job's settings.
        say: takes a line for the person who watches.
        replaces_all: whether the tables of another input make room for this run's.
        source: what the tables are made from: the input, or another features table.
        run_id: when it started, and a few random characters.
        counts: what came of it, by name; a count that differs by method is a mapping.
        seconds: how long each stage took.
    """

    spark: SparkSession
    store: Store
    settings: JobSettings
    say: Callable[[str], None]
    source: str
    replaces_all: bool = False
    run_id: str = field(default_factory=_new_run_id)
    counts: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def check_output(self) -> None:
        """Refuse a folder that can't be written, or that holds tables made from something else.

        Raises:
            SettingsError: says which, and what to do.
        """
        self.store.check_writable()
        earlier = self.store.newest_record()
        if earlier and earlier.get("source") != self.source:
            self.replaces_all = self.settings.overwrite
            if not self.replaces_all:
                raise SettingsError(
                    f"the output folder {self.store.url} already holds the tables of run {earlier.get('run_id')}, made "
                    f"from {earlier.get('source')}: choose another folder, or replace them by --overwrite"
                )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; the same name again adds to it."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 3)

    def record(self) -> None:
        """Write ``runs/RUN_ID.json``. It comes last: a run that has a record is complete."""
        content = {
            "run_id": self.run_id,
            "source": self.source,
            "settings": self.settings.model_dump(mode="json"),
            "versions": _versions(self.spark),
            "counts": self.counts,
            "seconds": self.seconds,
        }
        self.store.write_text(f"runs/{self.run_id}.json", json.dumps(content, indent=2) + "\n")


def _versions(spark: SparkSession) -> dict[str, str]:
    found = {"python": platform.python_version(), "spark": spark.version}
    for library in _LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    return found
