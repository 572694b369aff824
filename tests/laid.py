"""Pictures that were made from each other by known transforms, and a report that shows them so."""

import io
import math
from dataclasses import replace

import numpy as np
from hostile import judged
from PIL import Image, ImageDraw

from dedup_core.metric import Metric
from dedup_core.report.model import Alignment, Evidence, MethodResult, PageImage, PairExample, ReportData
from dedup_core.report.thumbnails import small_file

SIZE = (600, 400)
INLIERS = Metric("inliers", "inliers", "local", "local features", "min_inliers", closest=400.0, farthest=0.0, steps=1)
SIMILAR = Evidence("similar")


def scene(seed=3):
    """A picture with no two parts alike."""
    rng = np.random.default_rng(seed)
    shades = np.add.outer(np.linspace(40, 150, SIZE[1]), np.linspace(0, 90, SIZE[0]))
    image = Image.fromarray(np.stack([shades, shades[:, ::-1], 255 - shades], 2).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, side = rng.integers(0, SIZE[0]), rng.integers(0, SIZE[1]), rng.integers(15, 60)
        draw.ellipse((x, y, x + side, y + side * 2 // 3), fill=tuple(int(c) for c in rng.integers(0, 255, 3)))
    return image


def turned(degrees, scale=1.0, at=(300, 200), is_mirrored=False):
    """A transform that turns counterclockwise about a point, which comes to lie in the middle of 360 x 280 pixels."""
    cosine, sine = (scale * each(math.radians(degrees)) for each in (math.cos, math.sin))
    a, b, c, d = cosine, sine, -sine, cosine
    if is_mirrored:
        a, c = -a, -c
    return a, b, 180 - a * at[0] - b * at[1], c, d, 140 - c * at[0] - d * at[1]


def made(image, transform, size=(360, 280), fill=0):
    """The picture that a transform makes of another one."""
    a, b, x, c, d, y = transform
    back = np.linalg.inv([[a, b, x], [c, d, y], [0, 0, 1]])
    return image.transform(size, Image.Transform.AFFINE, back[:2].ravel(), Image.Resampling.BICUBIC, fillcolor=fill)


def page_image(image, side=240):
    file = io.BytesIO()
    image.save(file, "PNG")
    return PageImage(*image.size, "PNG", len(file.getvalue()), small_file(file.getvalue(), side, 24_000).content)


QUARTER = (0.0, 1.0, -60.0, -1.0, 0.0, 480.0)  # of a crop from 120, 60 to 480, 340, turned left


def laid_report():
    """Pairs of pictures of one scene, and a group of them."""
    whole = scene()
    quarter = whole.crop((120, 60, 480, 340)).transpose(Image.Transpose.ROTATE_90)
    oblique, flipped = turned(30, 1.2), turned(0, 0.6, is_mirrored=True)
    frame = Image.new("RGB", (800, 600), (70, 40, 20))
    frame.paste(whole, (100, 100))
    stamped = whole.copy()
    ImageDraw.Draw(stamped).rectangle((380, 300, 580, 370), fill=(250, 240, 90))
    part = (1.0, 0.0, -250.0, 0.0, 1.0, 0.0)
    pictures = {
        "whole.png": whole, "quarter.png": quarter, "oblique.png": made(whole, oblique), "framed.png": frame,
        "mirrored.png": made(whole, flipped, fill=(90, 90, 90)), "stamped.png": stamped,
        "part.png": made(whole, part, SIZE, fill=(200, 60, 60)),
    }  # fmt: skip
    alignments = {
        "quarter.png": Alignment("cropped", 212, (0.42, 1.0), 0.99, 6.4, "b", 90.0, transform=QUARTER),
        "oblique.png": Alignment("cropped", 97, (0.292, 1.0), 0.97, 9.0, "b", 30.0, transform=oblique),
        "framed.png": Alignment("framed", 301, (1.0, 0.5), 1.0, 2.0, "b", transform=(1.0, 0.0, 100.0, 0.0, 1.0, 100.0)),
        "mirrored.png": Alignment("mirrored", 260, (1.0, 0.857), 0.98, 5.0, "b", 0.0, True, flipped),
        "stamped.png": Alignment("overlaid", 240, (1.0, 1.0), 0.93, 140.0, "b", transform=(1.0, 0, 0, 0, 1.0, 0)),
        "part.png": Alignment("shared_part", 88, (0.5833, 0.5833), 0.99, 4.0, None, transform=part),
    }
    scores = {name: float(each.inliers) for name, each in alignments.items()}
    pairs = tuple(
        PairExample("orb", scores[name], "whole.png", name, scores[name], SIMILAR, each)
        for name, each in alignments.items()
    )
    group = judged(list(pictures), [SIMILAR] * len(alignments), method="orb", scores=list(scores.values()))
    members = [group.members[0], *(replace(member, alignment=alignments[member.path]) for member in group.members[1:])]
    group = replace(group, members=tuple(members), closest=max(scores.values()), loosest=min(scores.values()))
    result = MethodResult("orb", INLIERS, 12.0, 100, 6, 1, 7, 0, dict.fromkeys(scores.values(), 1), {8: 1},
                          same=0, similar=6)  # fmt: skip
    files = {name: page_image(image) for name, image in pictures.items()}
    return ReportData("/data/images", (result,), (group,), files, pairs)
