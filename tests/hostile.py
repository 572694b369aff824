"""Names that strangers choose, reports that hold them, and folders that can't be listed."""

import dataclasses
import io
import os

import numpy as np
from PIL import Image

from dedup_core.metric import COSINE, HAMMING
from dedup_core.report.model import (
    Evaluation,
    Evidence,
    FailureKind,
    Group,
    Hub,
    Member,
    MethodResult,
    PageImage,
    PairExample,
    ReportData,
    RunFacts,
    SweepRow,
)

NAMES = [
    "<script>window.hacked=1</script>.jpg",
    "</script><script>window.hacked=2</script>.jpg",
    "<!--<script>.jpg",
    '"><img src=x onerror="window.hacked=3">.jpg',
    "'-alert(1)-'.jpg",
    "{{ 7 * 7 }} {% raw %}.jpg",
    "line\nbreak\r\n\ttab.jpg",
    "\u202egnp.exe\u2066.jpg",
    "تصاویر/گربه.jpg",
    "👩‍👩‍👧‍👦 🐈.jpg",
    "half a surrogate \ud83d.jpg",
    "\u2028\u2029\x00\x1b[31m.jpg",
    "&lt;b&gt;&amp;.jpg",
    "__proto__",
    "a" * 4000 + ".jpg",
    "no/break/" * 200,
]


def picture(colour=(90, 140, 200), size=(120, 80), kind="WEBP"):
    """Return a small image file."""
    file = io.BytesIO()
    pixels = np.full((*size[::-1], 3), colour, np.uint8)
    pixels[size[1] // 4 : size[1] // 2, : size[0] // 2] = 255
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def image_file(number=0):
    colour = (40 + 37 * number % 200, 60 + 53 * number % 190, 80 + 71 * number % 170)
    return PageImage(640 + 4 * number, 480 + 3 * number, "JPEG", 1_000 + 997 * number, picture(colour))


def group(names, method="phash", scores=None, **others):
    """Return a group of those names that keeps the first."""
    scores = scores or [2.0] * (len(names) - 1)
    members = [Member(names[0], True), *(Member(name, False, s) for name, s in zip(names[1:], scores, strict=True))]
    plain = {"size": len(names), "removals": len(names) - 1, "closest": min(scores), "loosest": max(scores)}
    return Group(method, members=tuple(members), **plain | others)


SAME = Evidence("same", 1.94, 512, (0.25, 0.5, 0.265625, 0.515625))
LOOKS = Evidence("similar", 134.0, 32, (0.5, 0.25, 0.53125, 0.28125))


def judged(names, evidence, reason="its path comes first", **others):
    """Return a group of those names in which each is compared with the first, and goes if it is the same."""
    plain = group(names, **others)
    kept, *rest = plain.members
    members = [
        dataclasses.replace(member, keep=each.verdict != "same", other=kept.path, evidence=each,
                            reason=reason if each.verdict == "same" else "")
        for member, each in zip(rest, evidence, strict=True)
    ]  # fmt: skip
    removals = sum(not member.keep for member in members)
    same = sum(each.verdict == "same" for each in evidence)
    return dataclasses.replace(plain, members=(kept, *members), removals=removals, same=same)


def with_verdicts(content, **others):
    """Return a report whose methods gave verdicts: half of the pairs of each score are the same picture."""
    methods = []
    for result in content.methods:
        same = {level: count // 2 for level, count in result.scores.items()}
        n_same = sum(same.values())
        known = {"same": n_same, "similar": result.pairs - n_same, "same_scores": same, "going": result.earlier}
        methods.append(dataclasses.replace(result, **known | {"rule": "same"} | others))
    return dataclasses.replace(content, methods=tuple(methods))


def metric_of(method):
    """Return how a method compares; one whose name a stranger wrote counts distances."""
    return COSINE if method == "cnn" else HAMMING


def report(groups, **others):
    """Return a report of those groups, with a file for every name in it."""
    methods = dict.fromkeys(g.method for g in groups)
    results = tuple(
        MethodResult(
            name=method, metric=metric_of(method), threshold=10.0 if method != "cnn" else 0.9, images=1_000, pairs=120,
            groups=sum(g.method == method for g in groups), in_groups=50, removals=40,
            scores={0.0: 70, 4.0: 40, 10.0: 10} if method != "cnn" else {0.9: 30, 0.97: 90},
            sizes={2: 30, 3: 9, 8: 1}, earlier={0.0: 30, 4.0: 8, 10.0: 2} if method != "cnn" else {0.97: 35, 0.9: 5},
        )
        for method in methods
    )  # fmt: skip
    names = dict.fromkeys(member.path for g in groups for member in g.members)
    files = {} if "files" in others else {name: image_file(number) for number, name in enumerate(names)}
    plain = {"source": "/data/images", "methods": results, "groups": tuple(groups), "files": files}
    return ReportData(**plain | others)


def evaluation(method="phash", best=4.0, **others):
    """Return an evaluation at three thresholds, with a truth of 100 pairs."""
    rates = [(1.0, 0.5, 2 / 3), (1.0, 0.8, 1.6 / 1.8), (0.9, 0.9, 0.9)]
    thresholds = (1.0, 0.96, 0.9) if method == "cnn" else (0.0, 4.0, 10.0)
    rows = tuple(SweepRow(t, n, r, n / 1000) for t, n, r in zip(thresholds, (50, 80, 100), rates, strict=True))
    named = [dict(zip(("precision", "recall", "f1"), row.rates, strict=True), threshold=row.threshold) for row in rows]
    chosen = {
        "best_f1": next(at for at in named if at["threshold"] == best),
        "best_at_precision": {"target": 0.9, "reached": named[-1]},
    }
    metrics = {"map": 0.81, "ndcg": 0.99, "jaccard": 0.77, "support": 100}
    metrics |= dict(zip(("precision", "recall", "f1-score"), rates[-1], strict=True))
    return Evaluation(method, metric_of(method), rows, metrics, chosen, **others)


def hostile_report():
    """Return a report in which everything that a stranger may write is hostile."""
    groups = [judged([name, f"copy of {name}"], [SAME], reason=name) for name in NAMES]
    odd = Evidence("similar", float("nan"), 32, (float("inf"),) * 4)
    pairs = tuple(PairExample("phash", 10.0, name, f"copy of {name}", 10.0, odd) for name in NAMES)
    failures = tuple(FailureKind(name, 3, ((name, name),)) for name in NAMES)
    runs = (RunFacts(NAMES[0], NAMES[1], {NAMES[2]: NAMES[3]}, {NAMES[4]: NAMES[5]}, {NAMES[3]: 1.0}),)
    methods = [evaluation(name, is_current=False) for name in NAMES]
    others = {"source": NAMES[1], "evaluations": tuple(methods), "left_out": tuple(NAMES)}
    hubs = tuple(Hub(name, 60, 3, name) for name in NAMES)
    content = report(groups, pairs=pairs, failures=failures, runs=runs, caution=dict.fromkeys(NAMES, 3), **others)
    return with_verdicts(content, hubs=hubs)


def forbid(patch, ending):
    """Have the folders whose paths end so refuse to be listed: to root, modes forbid nothing."""
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith(ending):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    patch.setattr(os, "scandir", refuse)
