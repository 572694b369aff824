"""Settings of the demo."""

from __future__ import annotations

from pydantic import Field

from dedup_core.settings.settings import JobSettings


class DemoSettings(JobSettings, frozen=True):
    """Where the demo goes."""

    output: str = Field("dedup-demo", description="Folder for the demo's images and tables, which it makes again.")
