"""What local features are searched and judged by where nothing else is said; chosen by measurement."""

MAX_CODE_DISTANCE = 4
"""In how many of 64 bits the codes of two keypoints may differ that are partners."""

MIN_VOTES = 5
"""How many keypoints of each of two images must have a partner in the other."""

MAX_IMAGES_PER_CODE = 100
"""Codes that more images hold say nothing."""

MIN_INLIERS = 12
"""How many keypoints one transform must lay on each other."""
