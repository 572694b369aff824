"""Names of files as text: one spelling in tables, maps and pages, and the way back to the bytes on the disk."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")
_LOOKS_ESCAPED = re.compile(r"\\(?=x[0-9a-f]{2})")
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


def readable(name: str | bytes) -> str:
    r"""Return a file's name or path as text that every table, JSON file and page can hold.

    Bytes that are no UTF-8 become escapes, ``\xff``. A backslash that would read as the start of such an escape
    becomes one itself, ``\x5c``, so that no two names have the same text. All other names stay as they are.

    Args:
        name: as it lies on the disk, or as ``os.fsdecode`` returns it.

    Example:
        >>> print(readable(b"caf\xe9.jpg"), readable(rb"caf\xe9.jpg"))
        caf\xe9.jpg caf\x5cxe9.jpg
    """
    text = name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
    return storable(_LOOKS_ESCAPED.sub(r"\\x5c", text))


def storable(text: str) -> str:
    r"""Return a name that somebody gives as text that every table can hold: only what is no character is escaped.

    What `readable` returned stays as it is.

    Example:
        >>> print(storable(r"caf\xe9.jpg"), storable("caf\udce9.jpg"))
        caf\xe9.jpg caf\xe9.jpg
    """
    return _SURROGATE.sub(_escaped, text)


def on_disk(text: str) -> bytes:
    r"""Return the bytes of the name that `readable` made this text of.

    Example:
        >>> on_disk(r"caf\xe9.jpg")
        b'caf\xe9.jpg'
    """
    raw = text.encode("utf-8", "surrogateescape")
    return _ESCAPED.sub(lambda escape: bytes([int(escape[1], 16)]), raw)


def _escaped(surrogate: re.Match[str]) -> str:
    """Return the escapes of what stands for one undecodable byte, or of half a character that some systems allow."""
    code = ord(surrogate[0])
    raw = bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else surrogate[0].encode("utf-8", "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in raw)
