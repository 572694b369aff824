"""Settings of the networks that make embeddings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from dedup_core.settings.values import Count, Location


class NetworkSettings(BaseModel, frozen=True):
    """What an encoding job takes that runs a network."""

    cnn_weights: Location = Field(
        "imagenet", description="CNN: 'imagenet' for Keras's own download, or a file of MobileNet's weights."
    )
    cnn_model: Location | None = Field(None, description="CNN: a Keras model's file to use instead of MobileNet.")
    cnn_batch_size: Count = Field(32, ge=1, description="CNN: how many images the network takes at a time.")
    cnn_precision: Literal["float32", "float16"] = Field(
        "float32", description="CNN: precision of the stored embeddings; 'float16' is rounded and compresses better."
    )
    onnx_model: Location | None = Field(
        None, description="ONNX: the network's file; FILE.yaml or FILE.json beside it says how it wants its pictures."
    )
    onnx_batch_size: Count = Field(
        32, ge=1, description="ONNX: how many images the network takes at a time, where its file says none."
    )
