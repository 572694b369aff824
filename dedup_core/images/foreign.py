"""Why content gives no picture, by name: what isn't read is `unsupported`, and only what is damaged is called so.

Pure functions of bytes, and of what the formats' own decoders said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from dedup_core.images.texts import text_kind
from dedup_core.images.unread import is_cut, unread_kind

Diagnosis = tuple[Literal["truncated", "corrupt", "unsupported", "not_an_image"], str]
"""A reason, and a message for a person."""

_HEIF = "a HEIC picture: pip install 'dedup-core[heif]' where images are read"
_AVIF = "an AVIF picture: pip install pillow-avif-plugin where images are read"
_JXL = "a JPEG XL picture: pip install pillow-jxl-plugin where images are read"

_AT_START = (
    (rb"\xff\x0a|\0\0\0\x0cJXL ", _JXL), (b"8BPS", "a Photoshop picture (PSD)"), (b"gimp xcf", "a GIMP picture (XCF)"),
    (rb"\x76\x2f\x31\x01", "an OpenEXR picture (EXR)"), (rb"#\?(RADIANCE|RGBE)", "a Radiance picture (HDR)"),
    (b"SIMPLE  =", "a FITS picture"), (rb"RIFF....WEBP(?!VP8[ LX]).{4}", "a WebP picture of no known kind"),
    (b"P7\n", "a PAM picture"), (b"PF\n", "a PFM picture in colour"), (b"II\xbc", "a JPEG XR picture"),
    (rb"\x97JB2\r\n", "a JBIG2 picture"), (rb"\x8aMNG\r\n", "an MNG animation"), (rb"\x8bJNG\r\n", "a JNG picture"),
    (b"FLIF", "a FLIF picture"), (b"BPG\xfb", "a BPG picture"), (b"qoif", "a QOI picture"),
    (rb"AT&TFORM", "a DjVu document"), (b"SDPX|XPDS", "a DPX picture"), (rb"\xabKTX ", "a KTX texture"),
    (rb"\x13\xab\xa1\x5c", "an ASTC texture"), (rb"FORM....ILBM", "an Amiga picture (ILBM)"),
    (b"FUJIFILM", "a camera raw (RAF)"), (rb"II\x1a\0\0\0HEAP", "a camera raw (CRW)"),
    (b"II(RO|RS)|MMOR", "a camera raw (ORF)"), (rb"IIU\0", "a camera raw (RW2)"), (b"FOVb", "a camera raw (X3F)"),
    (rb"\0MRM", "a camera raw (MRW)"), (rb"II\*\0....CR\x02", "a camera raw (CR2)"), (rb"RIFF....AVI ", "an AVI video"),
    (rb"\x1a\x45\xdf\xa3", "a Matroska or WebM video"), (rb"FLV\x01", "an FLV video"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media video (WMV)"), (rb"\0\0\x01[\xba\xb3]", "an MPEG video"),
    (rb"\x47(.{187}\x47){2}", "an MPEG video"), (rb"\.RMF", "a RealMedia video"),
    (rb"[FCZ]WS[\x01-\x40]", "a Flash film"),
    (rb"[\0-\x1f]...(moov|mdat|wide|free|skip|pnot)", "a QuickTime video (MOV)"), (rb"RIFF....WAVE", "a WAV recording"),
    (rb"ID3[\x02-\x04]|\xff[\xfa\xfb\xf2\xf3\xe2\xe3]", "an MP3 recording"),
    (rb"\xff[\xf0\xf1\xf8\xf9]", "an AAC recording"), (b"OggS", "an Ogg recording"), (b"fLaC", "a FLAC recording"),
    (rb"FORM....AIF[FC]", "an AIFF recording"), (b"MThd", "a MIDI recording"), (rb"\.snd", "an AU recording"),
    (b"#!AMR", "an AMR recording"), (rb"RIFF....ACON", "an animated cursor"),
    (rb"(\xef\xbb\xbf)?\s*%PDF-", "a PDF document"), (rb"\{\\rtf", "an RTF document"),
    (rb"\x06\x06\xed\xf5", "an InDesign document"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document (doc, xls, ppt) or a Thumbs.db"),
    (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "a ZIP archive (docx, xlsx, epub and npz are such)"),
    (rb"\x1f\x8b", "a gzip archive (svgz and tgz are such)"), (rb"BZh[1-9]", "a bzip2 archive"),
    (rb"\xfd7zXZ\0", "an xz archive"), (rb"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (rb"\x04\x22\x4d\x18", "an LZ4 archive"), (rb"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (rb"Rar!\x1a\x07", "a RAR archive"), (b"MSCF", "a CAB archive"), (rb".{257}ustar", "a tar archive"),
    (b"PAR1", "a Parquet table: --input-format parquet reads tables that carry images"), (rb"Obj\x01", "an Avro table"),
    (rb"ARROW1\0\0", "an Arrow table"), (rb"\x93NUMPY", "a NumPy array"), (rb"\x89HDF\r\n", "an HDF5 file"),
    (rb"SQLite format 3\0", "an SQLite database"), (rb"\x7fELF|\xca\xfe\xba\xbe|\0asm|MZ.\0", "a program"),
    (rb"OTTO\0|wOF[F2]|ttcf|\0\x01\0\0\0", "a font"), (rb".{128}DICM", "a DICOM picture"),
    (rb".{344}n[i+]1\0", "a NIfTI picture"), (rb"\0\x05\x16\x07", "what macOS keeps beside a file (AppleDouble)"),
)  # fmt: skip
_BRANDS = (
    (b"hei[cxms]|hev[cxms]|mif1|msf1", _HEIF), (b"avi[fs]", _AVIF), (b"jxl ", _JXL), (b"crx ", "a camera raw (CR3)"),
    (b"qt  ", "a QuickTime video (MOV)"), (b"M4V", "an M4V video"), (b"M4[ABP]", "an M4A recording"),
    (b"3g", "a 3GP video"), (b"f4", "an F4V video"), (b"", "an MP4 video"),
)  # fmt: skip
_OWN_FORMATS = {_HEIF: "HEIF", _AVIF: "AVIF", _JXL: "JXL"}


def unopened(data: bytes, refusals: Mapping[str, BaseException], known: Sequence[str]) -> Diagnosis:
    """Return why content could not be opened.

    Args:
        data: the whole file, not empty.
        refusals: what each format that we read, and whose signature the content bears, had to say.
        known: the formats that we don't read, and whose signature the content bears.
    """
    text = text_kind(data)
    told = {form: error for form, error in refusals.items() if not (text and _bears_by_chance(form, data))}
    name = _named(data)
    own = _OWN_FORMATS.get(name or "", "")
    if name and own not in told:
        what, *hint = name.split(": ")
        return "unsupported", ": ".join([f"the content is {what}, which is not read", *hint])
    if told:
        form = own or next(iter(told))
        error = told[form]
        damaged = f"begins like {form}, but breaks off before the pixels or is damaged"
        return _cut_or_unread(data, form, error, was_opened=False) or ("truncated", damaged)
    known = [form for form in known if form != "XBM" or b"_width" in data[:1024]]  # it begins like any source in C
    if known and text != "SVG":
        return "unsupported", f"the format {known[0]} is not read"
    return _of_no_format(data, text)


def _of_no_format(data: bytes, text: str | None) -> Diagnosis:
    if text == "SVG":
        return "unsupported", "the content is an SVG drawing, which is not read"
    if data.count(0) == len(data):
        return "corrupt", "the file holds only zero bytes"
    if text in (None, "text"):
        return "not_an_image", "the content is no image in any known format" + (", but text" if text else "")
    return "not_an_image", f"the content is {text}, not an image"


def undecoded(data: bytes, form: str, error: BaseException) -> Diagnosis:
    """Return why a picture that could be opened could not be decoded.

    Args:
        data: the whole file.
        form: its format.
        error: what the decoder said.
    """
    message = f"{type(error).__name__}: {error}"
    if "truncated" in str(error).lower():
        return "truncated", message
    return _cut_or_unread(data, form, error, was_opened=True) or ("corrupt", message)


def _cut_or_unread(data: bytes, form: str, error: BaseException, was_opened: bool) -> Diagnosis | None:
    if is_cut(data, form):
        return "truncated", f"begins like {form}, but breaks off before its end ({error})"
    kind = unread_kind(data, form, error, was_opened)
    return ("unsupported", f"the content is {kind}, which is not read") if kind else None


def _named(data: bytes) -> str | None:
    """Return what content is by its signature, where that is none of a format that is always read."""
    if data[4:8] == b"ftyp" and len(data) >= 12:
        size = min(int.from_bytes(data[:4], "big"), 1024)
        brands = (data[8:12], *(data[place : place + 4] for place in range(16, size, 4)))
        is_avif = brands[0] in (b"mif1", b"msf1") and any(re.match(b"avi[fs]", brand) for brand in brands)
        brand = b"avif" if is_avif else brands[0]
        return next(name for begins, name in _BRANDS if re.match(begins, brand))
    if data.endswith(b"TRUEVISION-XFILE.\0"):
        return "a TGA picture of a rare kind"
    return next((name for begins, name in _AT_START if re.match(begins, data[:2048], re.DOTALL)), None)


def _bears_by_chance(form: str, data: bytes) -> bool:
    """Return whether text only begins like a format whose signature is two letters."""
    return form == "BMP" or (form == "PPM" and not re.match(rb"P[1-6]\s+[#\d]|Pf\s|P0CMYK\s|Py\w+\s", data))
