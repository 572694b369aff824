"""Pictures to features: the registry of methods, and what runs them: each image is decoded once."""

from dedup_core.encoders.encoder import Decoding, Encoded, Encoder, Looked, Prepared, encode_batch
from dedup_core.encoders.registry import ENCODERS, Method, check_method, metric_of

__all__ = [
    "ENCODERS", "Decoding", "Encoded", "Encoder", "Looked", "Method", "Prepared", "check_method", "encode_batch",
    "metric_of",
]  # fmt: skip
