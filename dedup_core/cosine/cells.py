"""Cells of like vectors, for the search that may miss pairs and says how many: pairs are sought inside cells only."""

from __future__ import annotations

import numpy as np

from dedup_core.cosine.bounds import unit

_ROUNDS = 12
_ROWS = 4096  # compared with all centres at a time


def fit_cells(sample: np.ndarray, cells: int, seed: int = 0) -> np.ndarray:
    """Return the centres of cells by spherical k-means (Lloyd's rounds over unit vectors).

    Args:
        sample: float32 (m, d); zero vectors tell nothing.
        cells: how many to fit; there are never more than vectors to fit them to.
        seed: of the choice of the first centres.

    Returns:
        float32 (k, d), unit vectors.

    Example:
        >>> fit_cells(np.float32([[2, 0], [3, 0], [0, 5]]), 9).shape
        (3, 2)
    """
    units = unit(np.ascontiguousarray(sample)).astype(np.float32)
    units = units[units.any(axis=1)]
    chosen = np.random.default_rng(seed).permutation(len(units))[: max(1, cells)]
    centres = units[np.sort(chosen)]
    if not len(centres):
        return np.zeros((1, sample.shape[1]), np.float32)
    for _ in range(_ROUNDS):
        nearest = (units @ centres.T).argmax(axis=1)
        sums = np.zeros(centres.shape)
        np.add.at(sums, nearest, units)
        lengths = np.sqrt((sums * sums).sum(axis=1, keepdims=True))
        centres = np.where(lengths > 0.0, sums / np.where(lengths > 0.0, lengths, 1.0), centres).astype(np.float32)
    return centres


def cells_of(vectors: np.ndarray, centres: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of each vector: the nearest, and every one whose centre is as near but for the margin.

    Args:
        vectors: float32 (n, d), of any lengths.
        centres: float32 (k, d), unit vectors.
        margin: by how much less than the nearest a centre's similarity may be, 0.0 to 2.0.

    Returns:
        int64 rows and int64 cells, one entry a vector and cell, the rows ascending.
    """
    parts: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for start in range(0, len(vectors), _ROWS):
        similarities = unit(np.ascontiguousarray(vectors[start : start + _ROWS])).astype(np.float32) @ centres.T
        rows, cells = np.nonzero(similarities >= similarities.max(axis=1, keepdims=True) - np.float32(margin))
        parts.append((rows + start, cells))
    rows, cells = (np.concatenate(part) for part in zip(*parts, strict=True))
    return rows, cells
