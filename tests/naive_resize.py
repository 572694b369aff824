"""Pillow's resize, number by number: the oracle of the compiled one. Imports nothing of ours."""

import math

import numpy as np

BITS = 22


def sinc(x):
    return 1.0 if x == 0.0 else math.sin(x * math.pi) / (x * math.pi)


def lanczos(x):
    return sinc(x) * sinc(x / 3) if -3.0 <= x < 3.0 else 0.0


def tent(x):
    return max(0.0, 1.0 - abs(x))


FILTERS = {3: lanczos, 1: tent}


def windows(n_in, n_out, reach, span=None):
    """Of each pixel that is made: where its window starts, and the weights in it, as whole numbers."""
    scale = float(np.float32(n_in if span is None else span)) / n_out
    stretch = max(scale, 1.0)
    found = []
    for place in range(n_out):
        center = (place + 0.5) * scale
        start = max(int(center - reach * stretch + 0.5), 0)
        stop = min(int(center + reach * stretch + 0.5), n_in)
        weights = [FILTERS[reach]((x - center + 0.5) * (1.0 / stretch)) for x in range(start, stop)]
        total = 0.0
        for weight in weights:
            total += weight
        shares = [weight / total if total else weight for weight in weights]
        found.append((start, [int(share * 2**BITS + math.copysign(0.5, share)) for share in shares]))
    return found


def resized_rows(pixels, n_out, reach, span=None):
    """Resize the first axis of uint8 (n, ...)."""
    if len(pixels) == n_out and span in (None, n_out):
        return pixels
    rows = []
    for start, weights in windows(len(pixels), n_out, reach, span):
        part = pixels[start : start + len(weights)].astype(np.int64)
        total = np.tensordot(np.array(weights, np.int64), part, axes=1) + 2 ** (BITS - 1)
        rows.append(np.clip(total >> BITS, 0, 255).astype(np.uint8))
    return np.stack(rows)


def resized_columns(pixels, n_out, reach, span=None):
    return resized_rows(pixels.swapaxes(0, 1), n_out, reach, span).swapaxes(0, 1)


def resized(pixels, size, reach, lowers_first, spans=(None, None)):
    """Resize uint8 (height, width, 3): the width first, or the height, if that shrinks more than twice as much."""
    height, width, _ = pixels.shape
    shrinks = height - size[1] > max(0, 2 * (width - size[0]))
    if lowers_first and shrinks:
        return resized_columns(resized_rows(pixels, size[1], reach, spans[1]), size[0], reach, spans[0])
    return resized_rows(resized_columns(pixels, size[0], reach, spans[0]), size[1], reach, spans[1])


def averaged(pixels, across, down):
    """Average cells of several pixels; those of the last row and column may have fewer."""
    height, width, _ = pixels.shape
    cells = np.zeros((-(-height // down), -(-width // across), 3), np.uint8)
    for row, column in np.ndindex(cells.shape[:2]):
        cell = pixels[row * down : (row + 1) * down, column * across : (column + 1) * across].reshape(-1, 3)
        share = int(np.float32(2**32) / np.float32(len(cell) * 256))
        cells[row, column] = (cell.sum(axis=0, dtype=np.int64) + len(cell) // 2) * share >> 24
    return cells


def look(pixels, lowers_first, side=32, gap=3.0):
    height, width, _ = pixels.shape
    across, down = (int(n / side / gap) or 1 for n in (width, height))
    small = averaged(pixels, across, down) if across > 1 or down > 1 else pixels
    return resized(small, (side, side), 1, lowers_first, (width / across, height / down))


def gray(pixels):
    red, green, blue = (pixels[..., channel].astype(np.int64) for channel in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.uint8)
