"""Settings of the jobs: frozen, validated before Spark starts, layered default < configuration file < option.

Every setting is declared once, here. Its option on the command line, its line in ``conf/dedup.yaml`` and its
place in the run record follow from the declaration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator

from dedup_core.encoders import ENCODERS, Decoding, Encoder, encoder
from dedup_core.errors import SettingsError, nearest
from dedup_core.picture import MAX_PIXELS, Orientation


def _split(value: object) -> object:
    """Accept ``phash,dhash`` from a command line where a file would hold a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


def _no_boolean(value: object) -> object:
    """Refuse ``true`` where a number is meant: Python would count it as 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


Number = BeforeValidator(_no_boolean)
Count = Annotated[int, Number]
Real = Annotated[float, Number]
Location = Annotated[str, Field(min_length=1)]


class JobSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What every job takes."""

    output: Location = Field(description="Folder of the tables; any path that Spark can write.")
    overwrite: bool = Field(False, description="Replace tables that were made from another input.")
    verbose: bool = Field(False, description="Show Spark's own log, and the traceback of an error.")

    def fingerprint(self) -> str:
        """Return a short digest of all settings that say what to compute, to tell one piece of work from another."""
        stated = self.model_dump(mode="json", exclude={"verbose", "overwrite"})
        return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:12]


class MethodSettings(JobSettings, frozen=True):
    """What every job takes that works on features."""

    method: Names = Field(
        ("phash",), description=f"How to compare images, one or several of: {', '.join(ENCODERS)} (comma-separated)."
    )

    @field_validator("method")
    @classmethod
    def _known_methods(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError(f"name at least one of: {', '.join(ENCODERS)}")
        for name in names:
            encoder(name)
        return tuple(dict.fromkeys(names))

    @property
    def encoders(self) -> list[Encoder]:
        """The encoders of the methods, in the order given."""
        return [encoder(name) for name in self.method]


class EncodeSettings(MethodSettings, frozen=True):
    """Images to features."""

    input: Location = Field(description="Folder, glob, single image or manifest; any path that Spark can read.")
    input_format: Literal["auto", "images", "text", "csv", "parquet"] = Field(
        "auto", description="'images', or the format of a manifest with one path a row. 'auto' goes by the ending."
    )
    path_column: str = Field("path", description="Manifest: the column with the paths (CSV, Parquet).")
    content_column: str = Field("content", description="Manifest: the column with the files' bytes, if it has one.")
    recursive: bool = Field(True, description="Search the folders inside the input folder too.")
    reuse: bool = Field(True, description="Keep the features of images that have not changed since an earlier run.")
    orientation: Orientation = Field(
        "stored",
        description="'stored' hashes the pixels as they lie in the file; 'exif' turns them as the camera says.",
    )
    max_pixels: Count = Field(MAX_PIXELS, ge=1, description="Refuse an image that declares more pixels than this.")
    max_file_bytes: Count = Field(256 * 2**20, ge=1, description="Refuse a file larger than this many bytes.")
    max_failed_share: Real = Field(
        1.0, ge=0.0, le=1.0, description="Stop with exit code 3 when a larger share of the images can't be encoded."
    )
    images_per_task: Count = Field(128, ge=1, description="How many images a Spark task encodes.")
    checkpoint_seconds: Real = Field(
        60.0, gt=0, description="Save progress about this often: what a crashed run had saved is not encoded again."
    )

    @property
    def decoding(self) -> Decoding:
        """How files become pictures."""
        return Decoding(self.max_pixels, self.orientation)


class FindSettings(MethodSettings, frozen=True):
    """Features to pairs, duplicates, groups and removals."""

    features: Location | None = Field(
        None, description="Features table to search, if not the one under the output folder."
    )
    max_distance_threshold: Count = Field(
        10, ge=0, le=64, description="Hashes: the largest Hamming distance of a pair."
    )
    min_similarity_threshold: Real = Field(
        0.9, ge=-1.0, le=1.0, description="CNN: the smallest cosine similarity of a pair."
    )
    max_pairs: Count = Field(
        100_000_000, ge=0, description="Stop with exit code 4 before a search that would find more pairs than this."
    )
    chunk_codes: Count = Field(
        4_000_000, ge=1, description="How many distinct hashes a search task compares with as many others."
    )
    export_json: bool = Field(True, description="Write duplicates.json and to_remove.json, in imagededup's form.")
    scores: bool = Field(False, description="Give the score of each duplicate in duplicates.json.")
    max_export_images: Count = Field(
        1_000_000, ge=0, description="Above this many images, leave the JSON files out: the tables hold the same."
    )


class PipelineSettings(EncodeSettings, FindSettings, frozen=True):
    """Images to every table, in one run."""


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
