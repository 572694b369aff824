"""The files of a folder, and bytes to pictures: one decode feeds every encoder, and failures are values."""

from dedup_core.images.decoding import decode
from dedup_core.images.files import ImageFile, list_images
from dedup_core.images.picture import REASONS, Failure, Picture, from_array, read
from dedup_core.images.thumbnails import thumbnail

__all__ = [
    "REASONS", "Failure", "ImageFile", "Picture", "decode", "from_array", "list_images", "read", "thumbnail",
]  # fmt: skip
