"""Cut codes into bands such that every close pair is close in one of them, and closer than chance after it.

Two codes within distance d, cut into m bands, are close in at least one of them: give band k a radius r_k such that
the ``r_k + 1`` add up to d + 1; if every band differed in more than r_k bits, the codes would differ in more than d.
(Norouzi, Punjani, Fleet: Fast Exact Search in Hamming Space with Multi-Index Hashing, arXiv 1307.2982, with their
equal radii made unequal: at d = 10 four bands need radius 2, 2, 2 and 1.)

More is true: put the bands in a circle. From at least one of them on, the differences of the first l bands add up to
less than their ``r_k + 1`` do, for every l (Qin, Xiao: Pigeonring, PVLDB 12(1), 2018). So it is enough to find a pair
at that band, and there 32 bits of the bands that follow, the sketch, tell nearly all other pairs apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from dedup_core.hamming.buckets import Buckets, Room, into_buckets
from dedup_core.jit.compiled import compiled

CODE_BITS = 64
SKETCH_BITS = 32
ALL_BITS = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Band:
    """Some bits of the code, the number of them in which a pair may differ to be compared, and what is compared first.

    Attributes:
        bits: positions in the code, 0 being the lowest bit.
        radius: the largest difference within the band.
        sketch: positions of the bits that are compared first, at most 32; none for the whole code.
        limit: the largest difference in bits and sketch together. A pair with more is a candidate of another band.
        share: the share of pairs to be compared, were the bits independent of each other.
        passing: the share of pairs that the sketch can't tell apart either.
    """

    bits: tuple[int, ...]
    radius: int
    sketch: tuple[int, ...] = ()
    limit: int = CODE_BITS
    share: float = 1.0
    passing: float = 1.0

    @property
    def condition(self) -> np.ndarray:
        """What makes two codes candidates here, as uint64 (4,): mask and radius, and mask and limit with the sketch."""
        both = _word((*self.bits, *self.sketch)) if self.sketch else ALL_BITS
        return np.array([_word(self.bits), self.radius, both, self.limit], np.uint64)

    def sort(self, codes: np.ndarray, room: Room) -> Buckets:
        """Put codes, uint64 (n,), into the ``2**len(bits)`` buckets of this band, which stand in ``room``."""
        return into_buckets(codes, self.bits, self.sketch, room)

    def limit_beyond(self, differing: int, max_distance: int) -> int:
        """Return how much of what is compared first may differ between buckets that differ in so many bits."""
        return self.limit - differing if self.sketch else max_distance


Bands = tuple[Band, ...]
SCAN: Bands = ()
"""No band at all: compare all pairs."""


def words_within(width: int, radius: int) -> np.ndarray:
    """Return uint64 (k,): the words of ``width`` bits of which at most ``radius`` are set."""
    chosen = (bits for ones in range(min(radius, width) + 1) for bits in combinations(range(width), ones))
    return np.array([_word(bits) for bits in chosen], np.uint64)


def cut(max_distance: int, bands: int, widest: int, agreement: np.ndarray) -> Bands:
    """Return bands for a distance, without sketches.

    Args:
        max_distance: the largest distance wanted.
        bands: how many, at most max_distance + 1.
        widest: the most bits a band may have.
        agreement: float64 (64,), the share of pairs that agree in each bit.
    """
    base, wider = divmod(max_distance + 1, bands)
    return _deal_bits([base] * wider + [base - 1] * (bands - wider), widest, agreement)


def _deal_bits(radii: list[int], widest: int, agreement: np.ndarray) -> Bands:
    """Give out the bits, the most telling first, each to the band that so far lets the most pairs through."""
    differing = [np.eye(1, radius + 1)[0] for radius in radii]
    shares = [1.0] * len(radii)
    bits: list[list[int]] = [[] for _ in radii]
    for bit in np.argsort(agreement, kind="stable"):
        open_bands = [k for k in range(len(radii)) if len(bits[k]) < widest]
        if agreement[bit] == 1.0 or not open_bands:
            break  # a bit that never differs tells nothing
        k = max(open_bands, key=shares.__getitem__)
        differing[k] = _with_bits(differing[k], agreement[bit : bit + 1])
        shares[k] = float(differing[k].sum())
        bits[k].append(int(bit))
    return tuple(
        Band(tuple(chosen), radius, share=share) for chosen, radius, share in zip(bits, radii, shares, strict=True)
    )


def with_sketches(plan: Bands, max_distance: int, agreement: np.ndarray) -> Bands:
    """Return the bands of `cut`, each with the sketch that lets the fewest pairs pass, were bits independent."""
    return tuple(
        min(_sketches(plan[k:] + plan[:k], max_distance, agreement), key=lambda band: band.passing)
        for k in range(len(plan))
    )


def _sketches(circle: Bands, max_distance: int, agreement: np.ndarray) -> Iterator[Band]:
    """Yield the first band with each sketch that may be its best: of the next band, of the next two, and so on."""
    band, *following = circle
    near = share_differing(agreement[list(band.bits)], band.radius)
    pool: list[int] = []
    limit = band.radius
    for other in following:
        pool += other.bits
        limit += other.radius + 1
        yield _sketched(band, near, pool, limit, agreement)
        if len(pool) >= SKETCH_BITS:
            return  # more bands would allow more to differ, and no more bits
    others = [bit for bit in range(CODE_BITS) if bit not in band.bits and agreement[bit] < 1.0]
    yield _sketched(band, near, others, max_distance, agreement)


def _sketched(band: Band, near: np.ndarray, pool: list[int], limit: int, agreement: np.ndarray) -> Band:
    """Return the band with the most telling bits of the pool as its sketch."""
    chosen = sorted(pool, key=agreement.__getitem__)[:SKETCH_BITS]
    if not chosen:
        return replace(band, passing=band.share)  # no bit tells anything: the whole code is compared
    differing = _with_bits(np.pad(near, (0, limit - band.radius)), agreement[chosen])
    return replace(band, sketch=tuple(chosen), limit=limit, passing=float(differing.sum()))


def share_differing(agreement: np.ndarray, most: int) -> np.ndarray:
    """Return float64 (most + 1,): the share of pairs that differ in 0, 1, ... of some independent bits."""
    return _with_bits(np.eye(1, most + 1)[0], agreement)


@compiled
def _with_bits(differing: np.ndarray, agreement: np.ndarray) -> np.ndarray:
    """Return the share of pairs that differ in 0, 1, ... places, once more bits are looked at."""
    differing = differing.copy()
    for agreeing in agreement:
        for places in range(len(differing) - 1, 0, -1):
            differing[places] = differing[places] * agreeing + differing[places - 1] * (1 - agreeing)
        differing[0] *= agreeing
    return differing


def _word(bits: Iterable[int]) -> np.uint64:
    return np.uint64(sum(1 << bit for bit in bits))
