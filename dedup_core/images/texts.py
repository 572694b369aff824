"""What text is, where an image was expected: crawls bring web pages, stores errors in XML, drawings are text."""

from __future__ import annotations

import codecs
import re

_LOOKED_AT = 2**16
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_CONTROLS = r"\0-\x08\x0e-\x1a\x1c-\x1f\x7f"
_OF_HTML = {
    "html", "head", "body", "title", "meta", "link", "script", "style", "div", "span", "p", "a", "br", "center",
    "table", "h1", "h2", "h3", "ul", "font", "iframe", "img", "b", "pre", "form", "noscript",
}  # fmt: skip


def text_kind(data: bytes) -> str | None:
    """Return what a text is ("SVG", "a web page (HTML)", "JSON", ...); None if the content is no text."""
    text = _as_text(data[:_LOOKED_AT])
    if text is None:
        return None
    doctype, rest = _without_prolog(text)
    element = re.match(r"<([\w.:-]+)", rest)
    root = element.group(1).lower() if element else ""
    if doctype.startswith("html") or root in _OF_HTML:
        return "a web page (HTML)"
    if doctype.startswith("svg") or root.split(":")[-1] == "svg":
        return "SVG"
    if root or text.startswith("<?xml"):
        return f"an XML document ({root})" if root else "an XML document"
    return _plain_kind(text.lstrip())


def _plain_kind(text: str) -> str:
    if text.startswith("version https://git-lfs"):
        return "a pointer of Git LFS ('git lfs pull' fetches the file)"
    if text.startswith("data:image/"):
        return "text with an image in it (a data address)"
    return "JSON" if re.match(r'\{\s*["}]|\[\s*[\[{"\]\d]', text) else "text"


def _as_text(head: bytes) -> str | None:
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            text = head[len(bom) :].decode(encoding, "replace")
            return None if not text or re.search(f"[{_CONTROLS}]", text) else text
    if not head or re.search(f"[{_CONTROLS}]".encode(), head):
        return None
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:  # an older encoding, if most of it is plain
        return head.decode("latin-1") if len(re.findall(rb"[\t-\r -~]", head)) > 0.7 * len(head) else None


def _without_prolog(text: str) -> tuple[str, str]:
    """Return a document's type, and the rest from its first element on."""
    doctype, text = "", text.lstrip()
    while True:
        opening = re.match(r"<(\?|!--|!doctype)", text, re.IGNORECASE)
        if not opening:
            return doctype, text
        closing = {"?": "?>", "!--": "-->"}.get(opening.group(1), ">")
        if closing == ">":
            doctype = text[9:200].lstrip().lower()
            closing = "]>" if re.match(r"<!doctype[^>\[]*\[", text, re.IGNORECASE) else ">"
        end = text.find(closing)
        if end < 0:
            return doctype, ""
        text = text[end + len(closing) :].lstrip()
