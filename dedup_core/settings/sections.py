"""Under which headings a job's help shows the finer of its settings; all others stand before them."""

from __future__ import annotations

SECTIONS = {
    "What is a pair": (
        "max_distance_threshold", "min_similarity_threshold", "search", "cells", "margin", "verify", "scenes",
        "max_code_distance", "min_votes", "min_inliers", "max_images_per_code",
    ),
    "What can be removed": ("removals", "keep", "group_by"),
    "What is written": (
        "table_format", "report", "list_pairs", "most_copies", "export_json", "verdicts", "scores", "max_export_images",
        "max_export_pairs",
    ),
    "Reading images": (
        "recursive", "input_format", "path_column", "content_column", "orientation", "orientations", "transparency",
        "decode", "max_pixels", "max_file_bytes", "max_image_seconds", "max_image_memory", "max_failed_share",
    ),
    "Networks": ("cnn_weights", "cnn_model", "cnn_batch_size", "cnn_precision", "onnx_model", "onnx_batch_size"),
    "Embeddings made elsewhere": ("embeddings", "column", "embeddings_path_column", "embeddings_name"),
    "How the work is done": (
        "reuse", "checkpoint_seconds", "images_per_task", "chunk_codes", "chunk_vectors", "chunk_images", "max_pairs",
        "max_judged_pairs",
    ),
}  # fmt: skip
"""By heading, names of settings in their order."""
