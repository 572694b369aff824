"""The oracle of the verifier: whether two pictures are the same, by the whole rule, slow and obvious.

Nothing of ours is imported here. A picture is whatever has `image`, `alpha`, `width`, `height`, `turn`, `stretch` and
`loss` (`luma`, `chroma`, `sampling`).
"""

import dataclasses
import io

import naive
import numpy as np
from PIL import Image, ImageFilter


def planes_of(image):
    """{name: plane} of an image in mode RGB or RGBA, laid on grey."""
    pixels = np.asarray(image, float)
    if image.mode == "RGBA":
        opaque = pixels[:, :, 3:] / 255
        pixels = (pixels[:, :, :3] * opaque + 128 * (1 - opaque)).round()
    blue, red = naive.chroma_of(pixels)
    planes = {"luma": naive.luma_of(pixels), "blue": blue, "red": red}
    return planes | ({"alpha": np.asarray(image, float)[:, :, 3]} if image.mode == "RGBA" else {})


def compare(one, other):
    """(share of a limit, largest difference, is it only enlarged) of two pictures as decoded; None of other shapes."""
    if not may_be_laid_on_each_other(one, other):
        return None
    small, large = sorted((one, other), key=lambda picture: picture.width * picture.height)
    if (small.width, small.height) == (large.width, large.height):
        return *nearest(as_they_are(small, large)), False
    afar = seen_from_afar(held(small), held(large))
    if afar is not None and afar[0] > 1:
        return *afar, False
    smaller = nearest(made_alike(large, small, SMALLER))
    larger = nearest(made_alike(small, large, LARGER)) if 1 < smaller[0] <= 8 else smaller
    if larger[0] > 1:
        return *smaller, False
    told = is_whole(small) and is_whole(large) and large.loss is None
    squares = [busiest_square(held(large)), (0, 0, large.width, large.height)]
    shows_no_more = told and all(nearest(made_alike(small, large, LARGER, square))[0] <= 1 for square in squares)
    return *larger, shows_no_more and is_crisp(small)


def is_crisp(picture):
    """Does a picture that is held whole clearly show more than its own half, made larger?"""
    whole = dataclasses.replace(picture, loss=None)
    size = max(1, picture.width // 2), max(1, picture.height // 2)
    image = held(picture).resize(size, Image.Resampling.LANCZOS)
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    half = dataclasses.replace(
        whole, source=image.convert("RGB"), alpha=alpha, width=size[0], height=size[1], _small={}
    )
    return nearest(made_alike(half, whole, LARGER, (0, 0, picture.width, picture.height)))[0] > 2


def may_be_laid_on_each_other(one, other):
    return is_of_one_shape(one, other) and one.turn == other.turn and one.stretch is None and other.stretch is None


def is_of_one_shape(one, other):
    """The shorter side is what the longer one says, to a whole pixel, and not much more of it."""
    wide = one.width + other.width >= one.height + other.height
    sides = [(p.width, p.height) if wide else (p.height, p.width) for p in (one, other)]
    (long_small, short_small), (long_large, short_large) = sorted(sides, key=lambda side: side[0])
    if long_small == long_large:  # then neither is the larger one by its longer side
        (_, short_large), (_, short_small) = sides
    expected = short_large * long_small / long_large
    return abs(short_small - expected) <= 1 and short_small <= 1.5 * expected + 0.5


WAYS = ("LANCZOS", "BILINEAR", "NEAREST", "BICUBIC", "BOX", "HAMMING", "MKS2013")
SMALLER = [getattr(Image.Resampling, way) for way in WAYS if hasattr(Image.Resampling, way)]
LARGER = SMALLER[:4]


def nearest(found):
    """The first that is the same, or else the first of the smallest share; none is computed in vain."""
    best = None
    for share, difference in found:
        if best is None or share < best[0]:
            best = share, difference
        if share <= 1:
            break
    return best


def held(picture):
    image = picture.image
    if picture.alpha is not None:
        image = Image.merge("RGBA", [*image.split(), picture.alpha])
    times = max(1, max(image.size) // 2048)
    size = [max(1, round(side / times)) for side in image.size]
    return image if times == 1 else image.resize(size, Image.Resampling.LANCZOS)


def is_whole(picture):
    return held(picture).size == (picture.width, picture.height)


def size_at(image, most):
    times = max(1, max(image.size) / most)
    return tuple(max(1, round(side / times)) for side in image.size)


def at(image, size):
    return planes_of(image if image.size == size else image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3))


def difference_of(one, other, limits, spread=None, enough=np.inf):
    """The largest share and difference over all planes, up to the first over enough; limits of luma, colours, alpha."""
    luma, chroma, alpha = limits
    names = {"luma": luma, "blue": chroma, "red": chroma}
    if "alpha" in one or "alpha" in other:
        names["alpha"] = alpha
        one, other = ({"alpha": np.full(planes["luma"].shape, 255.0)} | planes for planes in (one, other))
    none = np.empty((0, 0))
    found = [naive.worst_tile(one[n], other[n], none if spread is None else spread[n], of) for n, of in names.items()]
    shares = [each[0] for each in found]
    seen = next((number for number, share in enumerate(shares, 1) if share > enough), len(shares))
    return max(shares[:seen]), max(each[1] for each in found[:seen])


def seen_from_afar(small, large):
    size = tuple(side // 4 for side in size_at(small, 1024))
    return difference_of(at(small, size), at(large, size), [(20, 0, 0, 0, 0)] * 3, enough=1) if min(size) >= 8 else None


def limits_of(pictures, size, is_resized):
    """By how much tiles may differ: for the steps that formats round to, and for a resize."""
    lossy = [p for p in pictures if p.loss is not None]
    by_plane = []
    for number, (share, most) in enumerate([(0.75, 12), (1.0, 16)]):
        steps = [np.reshape((p.loss.luma, p.loss.chroma)[number], (8, 8)).astype(float) for p in lossy]
        times = [max(1, max(p.width, p.height) / max(size)) for p in lossy]
        worst = [sum(float(table[int(v / n), int(u / n)]) ** 2 for v in range(8) for u in range(8)) ** 0.5 / 16
                 for table, n in zip(steps, times, strict=True)]  # fmt: skip
        deviation = min(most, sum((share * each) ** 2 for each in worst) ** 0.5)
        of_contrast = 0.12 if lossy or is_resized else 0.0
        by_plane.append((1.5, sum(t[0, 0] for t in steps) / 16, deviation, of_contrast, 0.25 * is_resized))
    return [*by_plane, (1.5, 0, 0, 0.12 * is_resized, 0.25 * is_resized)]


def as_they_are(one, other):
    """Two of one size: as they are; then each as a JPEG of the other's tables."""
    a, b = held(one), held(other)
    size = a.size if one.loss is None and other.loss is None else size_at(a, 1024)
    found = difference_of(at(a, size), at(b, size), limits_of([one, other], size, False))
    yield found
    if found[0] > 8:
        return
    for before, after in ((a, other), (b, one)):
        again = as_jpeg(before, after)
        if again is not None:
            yield difference_of(at(again, size), at(held(after), size), [(2, 0, 0, 0, 0)] * 3)


def made_alike(before, after, ways, square=None):
    """One made as large as the other, in each way; then the nearest of these as a JPEG of the other's tables.

    Of a square of the other alone it is looked at every pixel, and the one is taken to have lost nothing.
    """
    image, seen, box = held(before), held(after), None
    if square is not None:
        seen = seen.crop(square)
        across, down = before.width / after.width, before.height / after.height
        box = square[0] * across, square[1] * down, square[2] * across, square[3] * down
    size = size_at(seen, 1024) if square is None else seen.size
    resized = size if image.size == seen.size else seen.size
    one, other = (at(image.resize(resized, way, box if resized == seen.size else None), size) for way in SMALLER[:2])
    spread = {name: one[name] - other[name] for name in one}
    spread.setdefault("alpha", np.zeros(one["luma"].shape))
    limits = limits_of([before, after] if square is None else [after], size, True)
    for way in ways[:2]:
        found = difference_of(at(image.resize(seen.size, way, box), size), at(seen, size), limits)
        if found[0] <= 1:
            yield found
            return
    best = None
    for number, way in enumerate(ways):
        made = image.resize(seen.size, way, box)
        found = difference_of(at(made, size), at(seen, size), limits, spread)
        yield found
        if best is None or found[0] < best[0]:
            best = found[0], made
        if number == 2 and best[0] > 8:
            return
    again = as_jpeg(best[1], after)
    if again is not None:
        yield difference_of(at(again, size), at(seen, size), [(2, 0, 0, 0.12, 0.25)] * 3, spread)


def busiest_square(image):
    """The square of 128 pixels, among those side by side, that has most edges as seen on grey, a quarter as large."""
    seen = Image.new("RGB", image.size, (128, 128, 128))
    seen.paste(image.convert("RGB"), mask=image.getchannel("A") if image.mode == "RGBA" else None)
    edges = np.asarray(seen.convert("L").reduce(4).filter(ImageFilter.FIND_EDGES), int)
    most, found = -1, None
    for top in range(0, edges.shape[0], 32):
        for left in range(0, edges.shape[1], 32):
            places = [(y, x) for y in range(top, min(top + 32, edges.shape[0])) if 0 < y < edges.shape[0] - 1
                      for x in range(left, min(left + 32, edges.shape[1])) if 0 < x < edges.shape[1] - 1]  # fmt: skip
            total = sum(edges[place] for place in places)
            if total > most:
                most, found = total, (4 * left, 4 * top)
    left, top = found
    return left, top, min(left + 128, image.width), min(top + 128, image.height)


def as_jpeg(image, picture):
    """An image as a JPEG of a picture's tables; None where that can't be done, or it is not all of the picture."""
    loss = picture.loss
    if loss is None or loss.sampling is None or image.mode != "RGB" or max(*loss.luma, *loss.chroma) > 255:
        return None
    if sum(step**2 for step in loss.luma) ** 0.5 / 16 > 45:
        return None
    if image.size != (picture.width, picture.height):
        return None
    file = io.BytesIO()
    image.save(file, "JPEG", qtables=[list(loss.luma), list(loss.chroma)], subsampling=loss.sampling)
    return Image.open(file).convert("RGB")
