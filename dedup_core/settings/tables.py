"""Settings of how tables are published."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

AUTO: Literal["auto"] = "auto"


class TableSettings(BaseModel, frozen=True):
    """What a job takes that publishes tables of rows."""

    table_format: Literal["auto", "parquet", "delta"] = Field(
        AUTO,
        description="Publish tables as plain 'parquet', or as 'delta' tables, which change at one stroke on object "
        "stores too. 'auto' is delta there and parquet elsewhere, or what the output folder holds.",
    )
