"""Oracles: the slow and obvious answer to what each kernel computes.

Nothing of ours is imported here, so that a mistake can't stand on both sides of a comparison.
"""

import numpy as np
