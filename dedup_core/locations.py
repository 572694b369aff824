"""Where things lie: plain local paths, and URLs of any filesystem."""

from __future__ import annotations

import re

_HADOOP_SCHEMES = {"s3a": "s3", "s3n": "s3"}


def has_scheme(path: str) -> bool:
    """Return whether the path is a URL ("s3a://bucket/images") and not a plain local path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path) is not None


def arrow_url(url: str) -> str:
    """Return a path or URL as Arrow's filesystems want it: Hadoop's names of S3 are Hadoop's alone."""
    if not has_scheme(url):
        return url
    scheme, rest = url.split(":", 1)
    if scheme == "file":
        return "/" + rest.lstrip("/")
    return f"{_HADOOP_SCHEMES.get(scheme, scheme)}:{rest}"
