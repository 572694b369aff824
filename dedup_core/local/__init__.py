"""Local features: keypoints of a picture, what it looks like about each, and votes of those that pictures share."""
