"""How a picture is laid out while it is passed over."""

from __future__ import annotations

import numpy as np

ROWS = 32  # of a picture, that are resized at a time
PAIRS = ROWS // 2
CHANNELS = 3
LANES = CHANNELS * ROWS  # sums that are added to at a time: 12 registers of AVX2, 6 of AVX-512
GROUP = 16  # columns of a picture, that are laid across at a time
GROUP_BYTES = GROUP * CHANNELS
TURN = 8  # columns of sums, that are laid down at a time
ORDER = np.arange(ROWS).reshape(2, 2, 8).swapaxes(0, 1).ravel()  # of rows in lanes, as vectors of two halves mix them

SEGMENT = 2048
"""Columns of a block: with its pairs it takes 192 bytes a column."""
