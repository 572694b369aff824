"""Oracles: the slow and obvious answer to what each kernel computes.

Nothing of ours is imported here, so that a mistake can't stand on both sides of a comparison.
"""

import fnmatch

import numpy as np
import pywt
from scipy.fftpack import dct

LARGEST_FIRST = ("resolution", "size", "frames")


def evaluate(truth, found):
    """Return all metrics of two duplicate maps of plain names, looking at every pair of files."""
    figures = {
        name: sum(of_one(set(truth[file]), found[file]) for file in truth) / len(truth)
        for name, of_one in {"map": average_precision, "ndcg": ndcg, "jaccard": jaccard}.items()
    }
    pairs = [(a, b) for a in truth for b in truth if a < b]
    is_true, is_found = [b in truth[a] for a, b in pairs], [b in found[a] for a, b in pairs]
    per_class = [precision_recall_f1_support(is_true, is_found, wanted) for wanted in (False, True)]
    names = ("precision", "recall", "f1-score", "support")
    return figures | dict(zip(names, zip(*per_class, strict=True), strict=True))


def average_precision(truth, found):
    if not truth or not found:
        return float(not truth and not found)
    at_hits = [
        len(truth.intersection(found[:rank])) / rank for rank in range(1, len(found) + 1) if found[rank - 1] in truth
    ]
    return sum(at_hits) / len(truth)


def ndcg(truth, found):
    if not truth and not found:
        return 1.0
    relevance = [file in truth for file in found]
    gain, ideal = (
        sum(hit / np.log2(rank + 2) for rank, hit in enumerate(hits))
        for hits in (relevance, sorted(relevance, reverse=True))
    )
    return gain / ideal if ideal else 0.0


def jaccard(truth, found):
    union = truth.union(found)
    return len(truth.intersection(found)) / len(union) if union else 1.0


def precision_recall_f1_support(is_true, is_found, wanted):
    """Count one class over all pairs, as scikit-learn does by default where a denominator is zero."""
    both = sum(t == f == wanted for t, f in zip(is_true, is_found, strict=True))
    n_found, n_true = is_found.count(wanted), is_true.count(wanted)
    precision, recall = both / n_found if n_found else 0.0, both / n_true if n_true else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return precision, recall, f1, n_true


def hamming_cross_join(left, right, max_distance):
    """Return (left, right, distance) of every close pair, in order, by looking at every bit of every pair."""
    bits_left, bits_right = (
        ((side[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)) for side in (left, right)
    )
    distance = (bits_left[:, None] != bits_right[None]).sum(axis=2).reshape(len(left), len(right))
    i, j = np.nonzero(distance <= max_distance)
    return list(zip(i.tolist(), j.tolist(), distance[i, j].tolist(), strict=True))


def hamming_self_join(codes, max_distance):
    return [pair for pair in hamming_cross_join(codes, codes, max_distance) if pair[0] < pair[1]]


def laid(picture, turn):
    """A picture (height, width) mirrored left to right from turn 4 on, then rotated counterclockwise by quarters."""
    picture = picture[:, ::-1] if turn >= 4 else picture
    for _ in range(turn % 4):
        picture = picture.T[::-1]
    return picture


def taken_back(turn):
    """The turn that undoes one."""
    corners = np.array([[1, 2], [3, 4]])
    return next(back for back in range(8) if (laid(laid(corners, turn), back) == corners).all())


def turned_pair(one, other):
    """The distance of two pictures by the hashes of their eight turns, and all turns of the one that reach it."""
    distances = {
        turn: max(bits_apart(one[turn], other[0]), bits_apart(one[0], other[taken_back(turn)])) for turn in range(8)
    }
    least = min(distances.values())
    return least, {turn for turn, distance in distances.items() if distance == least}


def turned_pairs(hashes, max_distance):
    """{(position, later position): `turned_pair`} of all within the distance."""
    ends = [(i, j) for j in range(len(hashes)) for i in range(j)]
    pairs = {(i, j): turned_pair(hashes[i], hashes[j]) for i, j in ends}
    return {ends: pair for ends, pair in pairs.items() if pair[0] <= max_distance}


def bits_apart(one, other):
    return (int(one) ^ int(other)).bit_count()


def path_pairs(codes, max_distance):
    """Return {(smaller path, larger path): Hamming distance} of {path: code} by looking at every pair."""
    distances = {(a, b): bin(codes[a] ^ codes[b]).count("1") for a in codes for b in codes if a < b}
    return {pair: distance for pair, distance in distances.items() if distance <= max_distance}


def connected(edges):
    """Return {one: the smallest that it is connected with}, by spreading the smallest until nothing changes."""
    smallest = {one: one for edge in edges for one in edge}
    before = None
    while before != smallest:
        before = dict(smallest)
        for a, b in edges:
            smallest[a] = smallest[b] = min(smallest[a], smallest[b])
    return smallest


def greedy_removals(paths, edges):
    """Return {removed: keeper}: go through the paths in order, keep each that is still there, remove its neighbours."""
    removed = {}
    for path in sorted(paths):
        if path not in removed:
            neighbours = {b if a == path else a for a, b in edges if path in (a, b)}
            removed |= {other: path for other in neighbours if other > path and other not in removed}
    return removed


# Which of several images stays, by a declared order.


def in_order(order, facts):
    """Return the paths of {path: {column: value}}, the first to be kept first, sorted by one step after the other."""
    paths = sorted(facts)
    for step in reversed(order):
        column, _, rest = {"oldest": "modified_at:asc", "newest": "modified_at:desc"}.get(step, step).partition(":")
        values = {path: path if column == "path" else facts[path][column] for path in paths}
        if ">" in rest or (column == "format" and rest):
            wanted = rest.lower().split(">")
            places = {path: wanted.index(str(value).lower()) for path, value in values.items()
                      if str(value).lower() in wanted}  # fmt: skip
        elif rest in ("", "asc", "desc"):
            places = {path: value for path, value in values.items() if value is not None}
        else:
            places = {path: 0 for path, value in values.items() if fnmatch.fnmatchcase(str(value), rest)}
        is_descending = rest == "desc" or (not rest and column in LARGEST_FIRST)
        known = sorted((path for path in paths if path in places), key=places.get, reverse=is_descending)
        paths = known + [path for path in paths if path not in places]
    return paths


def removals_by(order, facts, edges):
    """Return {removed: keeper}: the images in that order, each that is still there stays and removes its neighbours."""
    removed = {}
    for path in in_order(order, facts):
        if path not in removed:
            neighbours = {b if a == path else a for a, b in edges if path in (a, b)}
            removed |= dict.fromkeys(neighbours - set(removed), path)
    return removed


# Hashes of one grey image (rows of whole numbers), by their definitions.


def ahash_bits(gray):
    pixels = [int(pixel) for row in gray for pixel in row]
    return [pixel * len(pixels) >= sum(pixels) for pixel in pixels]


def dhash_bits(gray):
    return [int(row[x + 1]) > int(row[x]) for row in gray for x in range(len(row) - 1)]


def lowest_frequencies(gray):
    """The 64 lowest frequencies of the cosine transform: each the sum over all pixels that defines it."""
    size = len(gray)
    waves = [np.cos(np.pi * k * (2 * np.arange(size) + 1) / (2 * size)) for k in range(8)]
    return [4 * float((gray * np.outer(waves[k], waves[m])).sum()) for k in range(8) for m in range(8)]


def phash_margins(gray):
    """How far each frequency lies above the median of all but the first: the bit is whether that is not negative."""
    frequencies = lowest_frequencies(gray)
    return np.array(frequencies) - np.median(frequencies[1:])


def whash_margins(gray):
    """How far the mean of each of 8 x 8 blocks lies above their median: the bit is whether that is not negative."""
    side = len(gray) // 8
    corners = [(y, x) for y in range(0, 8 * side, side) for x in range(0, 8 * side, side)]
    means = [float(gray[y : y + side, x : x + side].mean()) for y, x in corners]
    return np.array(means) - np.median(means)


def phash_of_transform(gray):
    """The bits as imagededup takes them, rounding and all: the whole cosine transform, and its median."""
    frequencies = dct(dct(gray, axis=0), axis=1)[:8, :8]
    return (frequencies >= np.median(np.ndarray.flatten(frequencies)[1:])).ravel()


def whash_of_transform(gray):
    """The bits as imagededup takes them, rounding and all: Haar's wavelets at level 5, and the median."""
    approximation = pywt.wavedec2(gray / 255, "haar", level=5)[0]
    return (approximation >= np.median(approximation)).ravel()


def code_of(bits):
    return int("".join("1" if bit else "0" for bit in bits), 2)


# Groups.


def map_of_pairs(names, scored_pairs, best_first):
    """Each name with (other, score), by looking at all pairs for each name."""
    found = {name: [] for name in names}
    for name in names:
        for a, b, score in scored_pairs:
            if name in (names[a], names[b]):
                found[name].append((names[b] if names[a] == name else names[a], score))
        found[name].sort(key=lambda entry: (best_first(entry[1]), entry[0]))
    return found


def removals_of_map(duplicates):
    """imagededup's rule: walk the map in order; a file that is not yet removed removes all its duplicates."""
    removed = {}
    for name in sorted(duplicates):
        if name not in removed:
            for other in duplicates[name]:
                removed.setdefault(other, name)
    return removed


def cosine_similarities(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """float32 (n, d) and (m, d) to all cosine similarities, float64 (n, m); 0 where a vector is zero."""
    units = []
    for side in (left, right):
        lengths = np.sqrt((side.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
        units.append(np.divide(side, lengths, out=np.zeros(side.shape), where=lengths > 0))
    return (units[0][:, None, :] * units[1][None, :, :]).sum(axis=2)


# Estimates.


def hamming_partners(sample, codes, images, max_distance):
    """For each sampled code, at each distance up to the largest: how many other codes, and how many images of them."""
    found = np.zeros((2, len(sample), max_distance + 1))
    for row, one in enumerate(sample.tolist()):
        for other, count in zip(codes.tolist(), images.tolist(), strict=True):
            distance = bin(one ^ other).count("1")
            if other != one and distance <= max_distance:
                found[:, row, distance] += 1, count
    return found


def byte_sums(left, right):
    """int8 (n, k) and (m, k) to the sums of their products, one after the other, as Python's whole numbers."""
    return [[sum(int(a) * int(b) for a, b in zip(x, y, strict=True)) for y in right] for x in left]


def cosine_partners(sample, vectors, thresholds):
    """(sampled row, other row, how many thresholds it reaches) of every pair that reaches the first, in order."""
    similarities = cosine_similarities(sample, vectors)
    reached = (similarities[:, :, None] >= np.asarray(thresholds)).sum(axis=2)
    return [(int(i), int(j), int(reached[i, j])) for i, j in zip(*np.nonzero(reached), strict=True)]


# Pictures: what two of them differ by, one tile after the other. The whole rule is in naive_pictures.py.


def cell_differences(one, other, merged):
    """The largest difference of two looks (32, 32, 4), so many cells a side as one, and the first cell that has it."""
    largest, at = -1, 0
    for top in range(0, 32, merged):
        for left in range(0, 32, merged):
            for channel in range(4):
                places = [(top + down, left + right, channel) for down in range(merged) for right in range(merged)]
                difference = abs(sum(int(one[place]) - int(other[place]) for place in places)) // merged**2
                if difference > largest:
                    largest, at = difference, 32 * top + left
    return largest, at


def luma_of(pixels):
    return pixels.astype(float) @ [0.299, 0.587, 0.114]


def chroma_of(pixels):
    """Cb and Cr of (h, w, 3), each the mean of up to 2 x 2 pixels."""
    luma = luma_of(pixels)
    down, across = (range(0, side, 2) for side in luma.shape)

    def sums(plane):
        return np.add.reduceat(np.add.reduceat(plane, down, axis=0), across, axis=1)

    return [sums(0.564 * (pixels[:, :, 2] - luma)) / sums(np.ones_like(luma)),
            sums(0.713 * (pixels[:, :, 0] - luma)) / sums(np.ones_like(luma))]  # fmt: skip


def tiles(length):
    """Where the tiles of a side start and end: 8 pixels each, the last one 4 to 11, or all there are."""
    starts = [start for start in range(0, length, 8) if start == 0 or length - start >= 4]
    return list(zip(starts, [*starts[1:], length], strict=True))


def worst_tile(one, other, spread, limits):
    """(largest share of a limit, largest root mean square, row and column of the tile with that share)."""
    base, mean, deviation, of_contrast, of_spread = limits
    worst, largest = (-1.0, 0, 0), 0.0
    for top, bottom in tiles(one.shape[0]):
        for left, right in tiles(one.shape[1]):
            a, b = (plane[top:bottom, left:right].astype(float) for plane in (one, other))
            contrast = max(a.std(), b.std())
            apart = spread[top:bottom, left:right].astype(float).std() if spread.size else 0.0
            mean_share = abs((a - b).mean()) / (base + mean + of_contrast * contrast)
            share = max(mean_share, (a - b).std() / (base + min(deviation, contrast) + of_spread * apart))
            largest = max(largest, np.sqrt(((a - b) ** 2).mean()))
            if share > worst[0]:
                worst = share, top, left
    return worst[0], largest, worst[1], worst[2]


def local_votes(codes_of, max_distance, min_votes, max_images_per_code=None):
    """Return {(a, b): votes} of the images of {image: its keypoints' codes}, a < b."""

    def is_common(code):
        return (
            max_images_per_code is not None and sum(code in codes for codes in codes_of.values()) > max_images_per_code
        )

    def turned(code):
        return int(f"{code:064b}"[32:] + f"{code:064b}"[:32], 2)

    def with_partner(ones, others):
        return sum(any(bin(one ^ other).count("1") <= max_distance for other in others) for one in ones)

    telling = {image: [code for code in codes if not is_common(code)] for image, codes in codes_of.items()}
    found = {}
    for a, b in ((a, b) for a in telling for b in telling if a < b):
        straight, mirrored = (
            min(with_partner(telling[a], others), with_partner(others, telling[a]))
            for others in (telling[b], [turned(code) for code in telling[b]])
        )
        if max(straight, mirrored) >= min_votes:
            found[a, b] = max(straight, mirrored)
    return found
