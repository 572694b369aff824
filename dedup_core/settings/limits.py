"""Settings of what one image may take."""

from __future__ import annotations

from pydantic import BaseModel, Field

from dedup_core.encoders.guarded import MAX_IMAGE_MEMORY, MAX_IMAGE_SECONDS, ImageLimits
from dedup_core.images.picture import MAX_PIXELS
from dedup_core.settings.values import Count, Real


class LimitSettings(BaseModel, frozen=True):
    """What an encoding job takes that reads files of strangers."""

    max_pixels: Count = Field(MAX_PIXELS, ge=1, description="Refuse an image that declares more pixels than this.")
    max_file_bytes: Count = Field(256 * 2**20, ge=1, description="Refuse a file larger than this many bytes.")
    max_image_seconds: Real = Field(
        MAX_IMAGE_SECONDS, gt=0, le=1e6, description="Give up an image that is not decoded in so many seconds."
    )
    max_image_memory: Count = Field(
        MAX_IMAGE_MEMORY,
        ge=1,
        description="Give up an image that wants more bytes than this, where a worker has died among its neighbours.",
    )

    @property
    def limits(self) -> ImageLimits:
        """What one image may take of a worker."""
        return ImageLimits(self.max_image_seconds, self.max_image_memory)
