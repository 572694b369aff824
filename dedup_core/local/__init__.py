"""Local features: keypoints of pictures, and how images vote for each other by them."""
