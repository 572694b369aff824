"""Settings of the jobs: frozen, and validated before Spark starts.

Every setting is declared once, here. Its option on the command line, its line in ``conf/dedup.yaml`` and its
place in the run record follow from the declaration.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from dedup_core.encoders.encoder import Decoding, Mode
from dedup_core.encoders.registry import (
    COMBINED,
    ENCODERS,
    LOCAL_METHOD,
    check_method,
    encoders_of,
    is_judged,
    methods,
    metric_of,
    proposers_of,
)
from dedup_core.errors import SettingsError, nearest
from dedup_core.images.picture import Orientation, Transparency
from dedup_core.local.defaults import MAX_CODE_DISTANCE, MAX_IMAGES_PER_CODE, MIN_INLIERS, MIN_VOTES
from dedup_core.metric import COSINE, HAMMING, INLIERS, VOTES
from dedup_core.policy import DEFAULT_KEEP, PATH_ORDER, Criterion, parse
from dedup_core.relations import RELATIONS, option_name, parsed
from dedup_core.settings.embeddings import EmbeddingSettings, GivenNames, made_of, with_given_methods
from dedup_core.settings.limits import LimitSettings
from dedup_core.settings.networks import NetworkSettings
from dedup_core.settings.tables import TableSettings
from dedup_core.settings.values import Count, Location, Names, Real

MAX_CELLS = 8192  # of a clustered search, which fits them to as many embeddings
MOST_COPIES = 1000  # half a million pairs: of more copies of one picture nobody reads every two


class JobSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What every job takes."""

    output: Location = Field(description="Folder of the tables; any path that Spark can write.")
    overwrite: bool = Field(False, description="Replace tables that were made from another input.")
    verbose: bool = Field(False, description="Show Spark's own log, and the traceback of an error.")


class MethodSettings(JobSettings, frozen=True):
    """What every job takes that works on features."""

    embeddings_name: GivenNames = Field(
        ("embeddings",), description="What embeddings that you give are called, as a method (comma-separated)."
    )
    method: Names = Field(
        ("phash",), description=f"How to compare images, one or several of: {', '.join(methods())} (comma-separated)."
    )

    @model_validator(mode="before")
    @classmethod
    def _embeddings_are_a_method(cls, stated: Any) -> Any:
        return with_given_methods(stated, encodes="input" in cls.model_fields)

    @field_validator("method")
    @classmethod
    def _known_methods(cls, names: tuple[str, ...], stated: ValidationInfo) -> tuple[str, ...]:
        if not names:
            raise ValueError(f"name at least one of: {', '.join(methods())}")
        for name in names:
            check_method(name, stated.data.get("embeddings_name", ()))
        return tuple(dict.fromkeys(names))

    @property
    def encoded(self) -> tuple[str, ...]:
        """The methods whose features the named ones need."""
        return encoders_of(self.method)


class EncodeSettings(LimitSettings, NetworkSettings, TableSettings, MethodSettings, frozen=True):
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
    transparency: Transparency = Field(
        "drop",
        description="'drop' hashes the pixels beneath transparency, as imagededup does; 'grey' what is seen on grey.",
    )
    decode: Mode = Field(
        "exact",
        description="'exact' decodes every pixel; 'fast' of JPEGs only what the methods need: other, nearby features.",
    )
    orientations: bool = Field(
        False, description="Hashes: find turned and mirrored copies too, by the least distance over the eight ways."
    )
    max_failed_share: Real = Field(
        1.0, ge=0.0, le=1.0, description="Stop with exit code 3 when a larger share of the images can't be encoded."
    )
    images_per_task: Count = Field(128, ge=1, description="How many images a Spark task encodes; more of cheap ones.")
    checkpoint_seconds: Real = Field(
        60.0, gt=0, description="Save progress about this often: what a crashed run had saved is not encoded again."
    )

    @field_validator("orientations")
    @classmethod
    def _orientations_are_of_hashes(cls, orientations: bool, stated: ValidationInfo) -> bool:
        methods = stated.data.get("method", ())
        if orientations and methods and not any(metric_of(name) is HAMMING for name in encoders_of(methods)):
            hashes = [name for name, method in ENCODERS.items() if method.metric is HAMMING]
            raise ValueError(f"needs a hash ({', '.join(hashes)}): {', '.join(methods)} has no turns to compare")
        return orientations

    @property
    def decoding(self) -> Decoding:
        """How files become pictures."""
        return Decoding(self.max_pixels, self.orientation, self.transparency, self.decode)

    @property
    def made(self) -> tuple[str, ...]:
        """The methods that the images are encoded by: a hash, where all that are named are embeddings given.

        Raises:
            SettingsError: if one of them is embeddings that nobody gives.
        """
        return made_of(self.encoded, getattr(self, "embeddings", None))


class SearchSettings(EmbeddingSettings, TableSettings, MethodSettings, frozen=True):
    """Features to pairs, duplicates, groups and removals."""

    max_distance_threshold: Count = Field(
        10, ge=0, le=int(HAMMING.farthest), description="Hashes: the largest Hamming distance of a pair."
    )
    min_similarity_threshold: Real = Field(
        0.9,
        ge=COSINE.farthest,
        le=COSINE.closest,
        description="Embeddings: the smallest cosine similarity of a pair.",
    )
    max_pairs: Count = Field(
        100_000_000, ge=0, description="Stop with exit code 4 before a search that would find more pairs than this."
    )
    chunk_vectors: Count = Field(
        65_536, ge=1, description="How many distinct embeddings a search task compares with as many others."
    )
    chunk_codes: Count = Field(
        4_000_000, ge=1, description="How many distinct hashes a search task compares with as many others."
    )
    search: Literal["exact", "clustered"] = Field(
        "exact", description="CNN: 'clustered' compares like with like alone; it misses pairs and measures how many."
    )
    cells: Count | None = Field(
        None,
        ge=1,
        le=MAX_CELLS,
        description="Clustered search: into how many cells, if not the square root of the number of embeddings.",
    )
    margin: Real = Field(
        0.1, ge=0.0, le=2.0, description="Clustered search: by how much less like it may be, a cell is searched too."
    )
    verify: bool = Field(
        False, description="Have geometry judge the pairs of every method, by the features of orb; it names a relation."
    )
    max_judged_pairs: Count = Field(
        20_000_000, ge=0, description="Stop with exit code 4 before geometry would judge more pairs than this."
    )
    max_code_distance: Count = Field(
        MAX_CODE_DISTANCE, ge=0, le=16, description="ORB: in how many of 64 bits two keypoints may differ that match."
    )
    min_votes: Count = Field(
        MIN_VOTES,
        ge=1,
        le=int(VOTES.closest),
        description="ORB: how many keypoints of two images must match before geometry looks at the pair.",
    )
    max_images_per_code: Count = Field(
        MAX_IMAGES_PER_CODE,
        ge=1,
        description="ORB: what more images hold, as frames, captions and logos, says nothing of any two of them.",
    )
    min_inliers: Count = Field(
        MIN_INLIERS,
        ge=1,
        le=int(INLIERS.closest),
        description="ORB, combined, --verify: the fewest keypoints that one transform lays on each other.",
    )
    chunk_images: Count = Field(
        4096, ge=1, description="ORB: how many images a search task compares with as many others."
    )
    scenes: bool = Field(
        False, description="Geometry: report pairs too that show one scene, as the shots of a burst do."
    )
    removals: Names = Field(
        ("same",),
        description="What can be removed (comma-separated): 'same' for what pixels show to be the same; 'similar' for "
        "imagededup's rule, whatever is within the threshold, except in groups too large to be duplicates; and "
        f"relations that geometry names: {', '.join(map(option_name, RELATIONS))}. Of a crop, a frame or an overlay "
        "the picture that was made from the other one is removed, whatever the order of keep.",
    )
    keep: Names | None = Field(
        None,
        description="Which of several images stays, step by step: columns such as resolution, size, oldest, newest, "
        "path, or of the manifest, with :asc or :desc; path:GLOB; format:png>jpeg "
        f"(default {','.join(DEFAULT_KEEP)}; for 'similar' path).",
    )
    group_by: Literal["component", "star"] = Field(
        "component",
        description="Groups: all that chains of pairs connect, or an image that stays and those that it replaces.",
    )
    verdicts: bool = Field(False, description="Give the verdict on each duplicate in duplicates.json.")
    list_pairs: bool = Field(
        True, description="List every pair, in pairs and duplicates; without, groups and removals alone."
    )
    most_copies: Count = Field(
        MOST_COPIES,
        ge=1,
        description="List each two of equal images, if they are up to so many; of more, each with the first of them.",
    )
    export_json: bool = Field(True, description="Write duplicates.json and to_remove.json, in imagededup's form.")
    scores: bool = Field(False, description="Give the score of each duplicate in duplicates.json.")
    max_export_images: Count = Field(
        200_000, ge=0, description="Above this many images, leave the JSON files out: the tables hold the same."
    )
    max_export_pairs: Count = Field(
        5_000_000, ge=0, description="Above this many listed pairs, leave duplicates.json out."
    )

    @field_validator("keep")
    @classmethod
    def _keep_is_an_order(cls, keep: tuple[str, ...] | None) -> tuple[str, ...] | None:
        try:
            parse(keep or ())
        except SettingsError as error:
            raise ValueError(str(error)) from error
        return keep

    @field_validator("removals")
    @classmethod
    def _removals_are_known(cls, names: tuple[str, ...], stated: ValidationInfo) -> tuple[str, ...]:
        known = ["same", "similar", *map(option_name, RELATIONS)]
        named = tuple(dict.fromkeys(map(option_name, names)))
        if unknown := [name for name in named if name not in known]:
            raise ValueError(f"{unknown[0]!r} names nothing that can be removed: {nearest(unknown[0], known)}")
        if not named:
            raise ValueError(f"name at least one of: {', '.join(known)}")
        judged = stated.data.get("verify", False) or any(map(is_judged, stated.data.get("method", (COMBINED,))))
        if not judged and (relations := [name for name in named if name not in ("same", "similar")]):
            raise ValueError(f"{relations[0]!r} is what geometry says: add --verify, or --method combined")
        return named

    @property
    def encoded(self) -> tuple[str, ...]:
        """The methods whose features the search needs."""
        return encoders_of(self.method, self.verify)

    @property
    def stored(self) -> tuple[str, ...]:
        """Those of them that a features table has: all but embeddings that are given now."""
        given = () if self.embeddings is None else self.embeddings_name
        return tuple(name for name in self.encoded if name not in given)

    @property
    def encoded_together(self) -> tuple[str, ...]:
        """Those of them that need features of the same images: geometry judges what the others propose."""
        judged = [
            name for method in self.method if self.is_judged(method) for name in proposers_of(method, self.method)
        ]
        return tuple(dict.fromkeys([*judged, LOCAL_METHOD])) if judged else ()

    @property
    def removed_relations(self) -> tuple[str, ...]:
        """The relations of pairs of which one may go, as geometry names them."""
        return tuple(parsed(name) for name in self.removals if name not in ("same", "similar"))

    @property
    def order(self) -> tuple[Criterion, ...]:
        """In which images are kept."""
        of_rule = PATH_ORDER if "similar" in self.removals else DEFAULT_KEEP
        return parse(self.keep or of_rule)

    def is_judged(self, method: str) -> bool:
        """Return whether geometry judges the pairs of a method."""
        return self.verify or is_judged(method)

    @field_validator("search")
    @classmethod
    def _cells_are_of_embeddings(cls, search: str, stated: ValidationInfo) -> str:
        methods = stated.data.get("method", ())
        if methods and not any(search in metric_of(name).searches for name in encoders_of(methods)):
            fitting = " or ".join(name for name, method in ENCODERS.items() if search in method.metric.searches)
            raise ValueError(
                f"{search!r} needs the method {fitting} ({', '.join(methods)}: always searched exactly): "
                f"add {fitting} to --method, or take 'exact'"
            )
        return search


class EvaluateSettings(MethodSettings, frozen=True):
    """Tables, and the truth where there is one, to figures that say how good each threshold is."""

    ground_truth: Location | None = Field(
        None, description="The true duplicates: a JSON map, or CSV or Parquet with path_a and path_b, or with labels."
    )
    path_column: str = Field("path", description="Ground truth with labels: the column with the paths.")
    label_column: str = Field("label", description="Ground truth with labels: the column with each image's group.")
    duplicates: Location | None = Field(
        None, description="What was found, if not the tables under the output folder: another folder, or a JSON map."
    )
    target_precision: Real = Field(
        0.99, ge=0.0, le=1.0, description="Name the threshold of the highest recall at this precision or better."
    )
    min_precision: Real | None = Field(
        None, ge=0.0, le=1.0, description="Stop with exit code 4 when the precision of pairs is lower."
    )
    min_recall: Real | None = Field(
        None, ge=0.0, le=1.0, description="Stop with exit code 4 when the recall of pairs is lower."
    )
    min_f1: Real | None = Field(
        None, ge=0.0, le=1.0, description="Stop with exit code 4 when the F1 of pairs is lower."
    )
    max_sweep_pairs: Count = Field(
        5_000_000, ge=0, description="Above this many pairs, leave out groups and removals at each threshold."
    )
    samples_per_threshold: Count = Field(
        20, ge=0, description="How many pairs to draw at each threshold, for the eye to judge."
    )

    @field_validator("min_precision", "min_recall", "min_f1")
    @classmethod
    def _gate_needs_truth(cls, least: float | None, stated: ValidationInfo) -> float | None:
        # A gate that nothing is held against would pass in silence.
        if least is not None and stated.data.get("ground_truth", "") is None:
            raise ValueError("needs --ground-truth")
        return least


class BenchmarkSettings(JobSettings, frozen=True):
    """Photographs and drawn pictures to a labelled corpus."""

    kind: Names = Field(
        ("photographs",),
        description="What the pictures show (comma-separated): photographs, or a kind drawn by code that hashes find "
        "hard; 'drawn' for all of these, 'all' for all.",
    )
    pictures: Count = Field(60, ge=1, description="How many different pictures to draw of each kind.")
    photographs: Location | None = Field(
        None, description="Folder of images that show different things (default those of installed packages)."
    )
    edits: Names = Field(
        ("all",),
        description="The edits and plain copies to make (comma-separated), 'all' edits, or all 'plain' copies. Drawn "
        "pictures get plain copies alone.",
    )
    seed: Count = Field(
        0, ge=0, description="Decides what is random in a picture and in an edit: the same seed gives the same files."
    )


class FindSettings(SearchSettings, frozen=True):
    """Features that are already there to pairs, duplicates, groups and removals."""

    features: Location | None = Field(
        None, description="Features table to search, if not the one under the output folder."
    )
    images: Location | None = Field(
        None, description="Folder of the images, if they are no longer where they were encoded from."
    )


class PipelineSettings(EncodeSettings, SearchSettings, frozen=True):
    """Images to every table, in one run."""

    report: bool = Field(True, description="Write the report, a page with pictures, when the tables are there.")


class ReportSettings(JobSettings, frozen=True):
    """Tables to a page for people."""

    report_method: Names | None = Field(
        None, description="Methods to show (comma-separated), if not all that the tables hold."
    )
    report_name: str = Field(
        "index.html", pattern=r"^[\w-][\w .-]*\.html$", description="Name of the page in the folder report/."
    )
    images: Location | None = Field(
        None, description="Folder of the images, if they are no longer where they were encoded from."
    )
    max_groups: Count = Field(500, ge=1, description="How many groups the page shows; of more, a sample.")
    max_images_per_group: Count = Field(10, ge=2, description="How many images of a group the page shows.")
    thumbnail_pixels: Count = Field(176, ge=16, le=512, description="The longer side of the page's pictures.")
