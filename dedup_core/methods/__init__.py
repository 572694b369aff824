"""Duplicate images on one machine, by calls that are imagededup's.

from dedup_core.methods import PHash

duplicates = PHash().find_duplicates(image_dir="images", max_distance_threshold=12, scores=True)
"""

from dedup_core.methods.cnn import CNN
from dedup_core.methods.combined import Combined
from dedup_core.methods.encoding import encode_images_with
from dedup_core.methods.hashes import AHash, DHash, PHash, WHash
from dedup_core.methods.onnx import ONNX
from dedup_core.methods.orb import ORB
from dedup_core.methods.scored_pair import ScoredPair, score_pair

__all__ = [
    "CNN",
    "ONNX",
    "ORB",
    "AHash",
    "Combined",
    "DHash",
    "PHash",
    "ScoredPair",
    "WHash",
    "encode_images_with",
    "score_pair",
]
