"""What geometry calls two pictures of which one is like the other, or a part of it."""

RELATIONS = (
    "same_pixels", "re_encoded", "resized", "rotated", "mirrored", "cropped", "framed", "overlaid", "shared_part",
    "similar_scene",
)  # fmt: skip
SAME_PIXELS, SIMILAR_SCENE = RELATIONS[0], RELATIONS[-1]
