"""What the HTML report shows, as plain values: the Spark side fills them in, the page side draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dedup_core.metric import Metric

_SMALLEST_AREA = 1e-9  # that a pixel of one picture may have in the other


@dataclass(frozen=True)
class PageImage:
    """What is known of an image on the page.

    Attributes:
        width: width in pixels.
        height: height in pixels.
        format: what the content is ("JPEG").
        size: bytes of the file.
        thumbnail: a small WebP or JPEG file, or None where there is no picture to show.
        turn: how it was turned from the pixels that features were made of, as EXIF numbers it: 1 for not at all.
        missing: why there is none.
        frames: how many the file holds, where known.
        caution: why a hash may say little of it, by name.
    """

    width: int | None = None
    height: int | None = None
    format: str | None = None
    size: int | None = None
    thumbnail: bytes | None = None
    turn: int = 1
    missing: str = ""
    frames: int | None = None
    caution: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What a verdict on two pictures rests on.

    Attributes:
        verdict: "same" or "similar".
        difference: the largest difference between them, in levels of 0 to 255; None if they were not compared.
        level: pixels of the longer side at which they were compared; 32 for small looks; None if they were not.
        tile: left, top, right and bottom of what differs most, as shares of width and height, where known.
    """

    verdict: str
    difference: float | None = None
    level: int | None = None
    tile: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Alignment:
    """How geometry lays one picture, a, onto another one, b.

    Attributes:
        relation: one of `dedup_core.relations.RELATIONS`.
        inliers: how many details of both the transform explains; None of equal files, where nothing was matched.
        overlap: the share of a that lies on b, and that of b that lies on a.
        likeness: the share of the overlap's tiles that agree, 0 to 1.
        worst_tile: by how much the worst of them differs, in levels of 0 to 255.
        derived: "a" or "b", which of them was made from the other; None where neither was.
        degrees: b is a turned by so much, counterclockwise, after it was mirrored if it was.
        is_mirrored: whether one is the other mirrored.
        transform: 6 numbers, row by row, that take pixels of a to pixels of b, as they were encoded; None where they
            are not known.
    """

    relation: str
    inliers: int | None
    overlap: tuple[float, float]
    likeness: float
    worst_tile: float
    derived: str | None = None
    degrees: float = 0.0
    is_mirrored: bool = False
    transform: tuple[float, ...] | None = None

    def flipped(self) -> Alignment:
        """Return the same for the two the other way round; a transform that can't be undone is left out."""
        return replace(
            self,
            overlap=self.overlap[::-1],
            derived={"a": "b", "b": "a"}.get(self.derived or ""),
            degrees=self.degrees if self.is_mirrored else -self.degrees,
            transform=None if self.transform is None else _undone(self.transform),
        )


def _undone(transform: tuple[float, ...]) -> tuple[float, ...] | None:
    """Return what takes pixels back; None if the transform folds them onto each other or is not finite."""
    a, b, x, c, d, y = transform
    area = a * d - b * c
    if not math.isfinite(area) or abs(area) < _SMALLEST_AREA:
        return None
    back = (d / area, -b / area, (b * y - d * x) / area, -c / area, a / area, (c * x - a * y) / area)
    return back if all(map(math.isfinite, back)) else None


@dataclass(frozen=True)
class Member:
    """An image of a group.

    Attributes:
        path: the image.
        keep: whether it stays.
        score: its score with ``other``, where they are a pair.
        other: what it is compared with: the image that stays in its place, or for one that stays the group's first;
            None for the first.
        evidence: of the verdict on the two, where there is one.
        reason: why the other one stays.
        alignment: of the image, b, on the other one, a, where geometry laid them on each other.
    """

    path: str
    keep: bool
    score: float | None = None
    other: str | None = None
    evidence: Evidence | None = None
    reason: str = ""
    alignment: Alignment | None = None


@dataclass(frozen=True)
class Group:
    """Images that duplicates connect.

    Attributes:
        method: how the images were compared.
        size: how many images are in the group; ``members`` may be fewer.
        removals: how many of them could be removed.
        closest: the best score of a pair in it.
        loosest: the worst one.
        members: the images to show, each kept image followed by those that it stands for.
        at_random: False if the group is here for its size, True if it was drawn from the rest.
        same: how many of its pairs are the same picture; None where that is not known.
    """

    method: str
    size: int
    removals: int
    closest: float | None
    loosest: float | None
    members: tuple[Member, ...]
    at_random: bool = False
    same: int | None = None


@dataclass(frozen=True)
class PairExample:
    """A pair drawn at random from those of about one score, its ``level``; where geometry laid it, how."""

    method: str
    level: float
    path_a: str
    path_b: str
    score: float
    evidence: Evidence | None = None
    alignment: Alignment | None = None


@dataclass(frozen=True)
class Hub:
    """A group so large that a person should look at it first.

    Attributes:
        path: the image that it is named after.
        images: how many images are in it.
        removals: how many of them could be removed.
        reason: what its images likely share.
    """

    path: str
    images: int
    removals: int
    reason: str


@dataclass(frozen=True)
class MethodResult:
    """What one method found, counted over the whole tables.

    Attributes:
        name: the method.
        metric: how its scores are to be read.
        threshold: the one that the pairs were searched with, where known.
        images: how many images were compared.
        pairs: how many pairs were found.
        groups: how many groups they form.
        in_groups: how many images are in a group.
        removals: how many images could be removed.
        scores: score level to number of pairs.
        sizes: largest group size of a bin to number of groups; the bins are 2, 3, 4, 5 to 8, 9 to 16 and so on.
        earlier: score level to number of images whose closest duplicate among the paths before theirs has it.
        lists_pairs: False if the pairs were counted and not listed, so that nothing is known of each.
        is_exact: False if the search may have missed pairs.
        recall: of such a search, measured on a sample, where known.
        same: how many pairs are the same picture; None where there are no verdicts.
        similar: how many are only similar.
        unseen: how many of these could not be compared, as images could not be read again.
        same_scores: score level to number of pairs that are the same picture.
        going: score level to number of images that can be removed, by their score with what stays; empty as ``same``.
        hubs: the largest groups, where a person should look at them first.
        rule: what can be removed: "same" or "similar", where known.
        run_id: the run that found all this, where known.
    """

    name: str
    metric: Metric
    threshold: float | None
    images: int
    pairs: int = 0
    groups: int = 0
    in_groups: int = 0
    removals: int = 0
    scores: Mapping[float, int] = field(default_factory=dict)
    sizes: Mapping[int, int] = field(default_factory=dict)
    earlier: Mapping[float, int] = field(default_factory=dict)
    lists_pairs: bool = True
    is_exact: bool = True
    recall: float | None = None
    same: int | None = None
    similar: int | None = None
    unseen: int = 0
    same_scores: Mapping[float, int] = field(default_factory=dict)
    going: Mapping[float, int] = field(default_factory=dict)
    hubs: tuple[Hub, ...] = ()
    rule: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class SweepRow:
    """What one threshold finds, as an evaluation counted it.

    Attributes:
        threshold: a score, as its method's metric has them.
        pairs: how many pairs are within it.
        rates: precision, recall and F1; None where no truth was given.
        removed_share: the share of the images that it would remove; None where that was not counted.
    """

    threshold: float
    pairs: int
    rates: tuple[float, float, float] | None = None
    removed_share: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation says of one method.

    Attributes:
        method: the method.
        metric: how its thresholds are to be read.
        rows: strict before loose; the last is the threshold of the search.
        metrics: those at that threshold, by name, with one number each: that of the pairs that are duplicates.
        chosen: the thresholds that stand out, as the evaluation's thresholds.json names them.
        is_current: False if the tables have changed since.
    """

    method: str
    metric: Metric
    rows: tuple[SweepRow, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    is_current: bool = True

    @property
    def has_truth(self) -> bool:
        """Whether it was held against a ground truth."""
        return bool(self.metrics)


@dataclass(frozen=True)
class FailureKind:
    """Images that failed for one reason: how many, and examples as (path, message)."""

    reason: str
    count: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunFacts:
    """The record of a run that made the tables."""

    run_id: str
    source: str
    settings: Mapping[str, object]
    versions: Mapping[str, str]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class ReportData:
    """Everything on the page.

    Attributes:
        source: what the tables were made from.
        methods: what each method found.
        groups: the groups to show, most wanted first: those at the end are left out if the page grows too large.
        files: path to what is known of the image, for every path in ``groups`` and ``pairs``.
        pairs: examples of pairs at each score, from the threshold towards the best.
        failures: what could not be encoded, by reason.
        runs: the runs that made the tables, newest first.
        evaluations: what an evaluation of them says; none where there was no evaluation.
        left_out: methods that the tables hold and the registry lacks, so that nobody knows how to read their scores.
        caution: name to number of images of which a hash may say little.
        stale: which tables don't belong together, a sentence each.
    """

    source: str
    methods: tuple[MethodResult, ...]
    groups: tuple[Group, ...] = ()
    files: Mapping[str, PageImage] = field(default_factory=dict)
    pairs: tuple[PairExample, ...] = ()
    failures: tuple[FailureKind, ...] = ()
    runs: tuple[RunFacts, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    left_out: tuple[str, ...] = ()
    caution: Mapping[str, int] = field(default_factory=dict)
    stale: tuple[str, ...] = ()

    @property
    def encoded(self) -> int:
        """Images that have features; methods of one run share them."""
        return max((method.images for method in self.methods), default=0)

    @property
    def has_alignments(self) -> bool:
        """Whether geometry has laid any two of the images on the page on each other."""
        members = (member.alignment for group in self.groups for member in group.members)
        return any(alignment is not None for alignment in (*members, *(pair.alignment for pair in self.pairs)))

    @property
    def failed(self) -> int:
        """Images that have none."""
        return sum(kind.count for kind in self.failures)
