"""Where things lie: plain local paths, and URLs of any filesystem."""

from __future__ import annotations

import glob
import os
import posixpath
import re
from collections.abc import Callable

_HADOOP_SCHEMES = {"s3a": "s3", "s3n": "s3"}
_REMOTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:(?://[^/]*)?)(.*)", re.DOTALL)


def has_scheme(path: str) -> bool:
    """Return whether the path is a URL ("s3a://bucket/images") and not a plain local path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path) is not None


def local_path(location: str) -> str | None:
    """Return the path on a disk that a location names, or None for another filesystem."""
    if location[:5].lower() == "file:":
        return "/" + location[5:].lstrip("/")
    return None if has_scheme(location) else os.path.expanduser(location)


def spark_url(location: str) -> str:
    """Return a location as Spark is to read it: a plain path is on this disk, whatever ``fs.defaultFS`` says."""
    local = local_path(location)
    return location if local is None else f"file://{os.path.abspath(local)}"


def normal(location: str) -> str:
    """Return the one spelling of a location: relative paths, ``file:`` and needless slashes name the same place.

    A URL keeps its scheme, which whoever reads it must know; one with options or a pattern keeps its path.
    """
    local = local_path(location)
    if local is not None:
        return os.path.abspath(local)
    root, path = _divided(location)
    scheme, host = root.split(":", 1)
    path = path if "?" in path else posixpath.normpath("/" + path.lstrip("/"))
    return f"{scheme.lower()}:{host}{path.rstrip('/')}"


def canonical(url: str) -> str:
    """Return the one spelling of a URL: of its scheme, its host, and on HDFS, which has folders, of its path."""
    root, path = _divided(arrow_url(url))
    return root.lower() + (posixpath.normpath(path) if root.lower().startswith(("hdfs:", "viewfs:")) else path)


def same_place(one: str, other: str) -> bool:
    """Return whether two locations differ in spelling alone."""
    return _compared(one) == _compared(other)


def lies_inside(inner: str, outer: str) -> bool:
    """Return whether a location lies in another one or is the same, links followed."""
    one, other = (f"{_compared(place, os.path.realpath).rstrip('/')}/" for place in (inner, outer))
    return one.startswith(other)


def _compared(location: str, on_disk: Callable[[str], str] = os.path.abspath) -> str:
    local = local_path(location)
    return canonical(normal(location)) if local is None else on_disk(local)


def _divided(url: str) -> tuple[str, str]:
    """Return a URL's scheme and host, and the path below them."""
    root, path = _REMOTE.match(url).groups()  # type: ignore[union-attr]  # what has a scheme matches
    return root, path


def is_glob(location: str) -> bool:
    """Return whether a location is a pattern. On a disk, what exists is a path, whatever its letters."""
    local = local_path(location)
    if local is not None and os.path.lexists(local):
        return False
    return glob.has_magic(location) or "{" in location


def fixed_part(pattern: str) -> str:
    """Return the folder that a glob starts from, "/a/b" for "/a/b/*/c.jpg"; all of what is no glob.

    On a disk it is what exists of the path: "/albums/[2020] Trip" for "/albums/[2020] Trip/*.jpg".
    """
    if not is_glob(pattern):
        return pattern
    local = local_path(pattern)
    if local is None:
        return re.split(r"[*?\[{]", pattern, maxsplit=1)[0].rpartition("/")[0]
    folder = os.path.dirname(local)
    while folder and not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return folder


def literal(path: str) -> str:
    """Escape the characters that Spark would read as a glob."""
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)


def alternatives(pattern: str) -> list[str]:
    """Return the patterns that braces stand for: "a.jpg" and "a.png" for "a.{jpg,png}"."""
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if braces is None:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [whole for part in braces[1].split(",") for whole in alternatives(before + part + after)]


def arrow_url(url: str) -> str:
    """Return a path or URL as Arrow's filesystems want it: Hadoop's names of S3 are Hadoop's alone."""
    if not has_scheme(url):
        return url
    scheme, rest = url.split(":", 1)
    scheme = scheme.lower()
    if scheme == "file":
        return "/" + rest.lstrip("/")
    return f"{_HADOOP_SCHEMES.get(scheme, scheme)}:{rest}"
