"""A shelf of small pictures of many kinds, and what their files say without Spark."""

import itertools
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import naive
import numpy as np
from PIL import Image, ImageSequence

from dedup_core.corpus.kinds import KINDS
from dedup_core.corpus.originals import Original
from dedup_core.corpus.photographs import installed_photographs
from dedup_core.corpus.plain_copies import PLAIN_COPIES
from dedup_core.encoders.encoder import encode_batch
from dedup_core.encoders.registry import ENCODERS
from dedup_core.verify.files import verify_files

COPIED = ("recolours_0", "forms_0", "screens_1")
COLOURS = {"red": (200, 0, 0), "blue": (0, 0, 200), "white": (255, 255, 255), "black": (0, 0, 0)}
DRAWINGS = 12


def make_shelf(folder):
    """Write photographs and drawn pictures with plain copies, flat ones, drawings on nothing, letters of some pages."""
    for number, path in enumerate(installed_photographs()[:3]):
        with Image.open(path) as image:
            small = image.convert("RGB").resize((300, 240))
        add(folder, f"photo_{number}", small, number, PLAIN_COPIES)
    save(folder / "enlarged" / "photo_0.png", Image.open(folder / "photo_0.png").resize((600, 480)))
    for kind, number in itertools.product(("forms", "recolours", "screens", "text_pages"), range(3)):
        name = f"{kind}_{number}"
        add(folder, name, KINDS[kind].picture(number), number, ("exact", "jpeg_85") if name in COPIED else ())
    for name, colour in COLOURS.items():
        save(folder / "flat" / f"{name}.png", Image.new("RGB", (100, 80), colour))
    save(folder / "flat" / "also-red.bmp", Image.new("RGB", (100, 80), COLOURS["red"]))
    save(folder / "flat" / "larger-red.png", Image.new("RGB", (200, 160), COLOURS["red"]))
    for name, seeds in {"fade-1": (60, 61), "fade-2": (62, 63)}.items():  # in from black
        scenes = [blobs(seed).resize((100, 80)) for seed in seeds]
        save(folder / "flat" / f"{name}.gif", Image.new("RGB", (100, 80)), save_all=True, append_images=scenes)
    add_line_art(folder / "art")
    add_seal(folder / "seal")
    add_letters(folder / "letters")
    return folder


def add(folder, name, image, number, copies):
    original = Original.drawn(f"{name}.png", image, number)
    write(folder / original.name, original.content)
    for copy in copies:
        content, ending = PLAIN_COPIES[copy].copy_of(original)
        write(folder / copy / f"{name}{ending}", content)


def add_line_art(folder):
    """Black drawings on nothing: whoever drops the transparency sees black alone."""
    for number in range(DRAWINGS):
        shape = blobs(number).convert("L").point(lambda value: 255 if value > 128 else 0)
        drawing = Image.new("RGBA", shape.size)
        drawing.putalpha(shape)
        save(folder / f"{number:02d}.png", drawing)
    shutil.copyfile(folder / "03.png", folder / "03-again.png")
    save(folder / "05-anew.webp", Image.open(folder / "05.png"), lossless=True, exact=True)


def add_seal(folder):
    """One round picture, twice: what lies beneath the transparency around it is never seen."""
    rows, columns = np.mgrid[:120, :160]
    inside = (columns - 80) ** 2 + (rows - 60) ** 2 < 45**2
    for name, beneath in {"on-black": 0, "on-white": 255}.items():
        pixels = np.array(blobs(70).convert("RGBA"))
        pixels[..., 3] = inside * 255
        pixels[~inside, :3] = beneath
        save(folder / f"{name}.png", Image.fromarray(pixels))


def add_letters(folder):
    """Letters behind one cover: two of three pages, one of them saved twice, and one of two."""
    cover, pages = blobs(50), [blobs(seed) for seed in range(51, 56)]
    save(folder / "a.tif", cover, save_all=True, append_images=pages[:2])
    save(folder / "a-anew.tif", cover, save_all=True, append_images=pages[:2], compression="tiff_lzw")
    save(folder / "b.tif", cover, save_all=True, append_images=pages[2:4])
    save(folder / "c.tif", cover, save_all=True, append_images=pages[4:])


def blobs(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC)


def frames(image):
    """The pixels of all frames in red, green and blue."""
    return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


@dataclass(frozen=True)
class Shelf:
    """What the files of a folder say: which pairs are to be found, and what the verifier makes of each."""

    folder: Path

    @cached_property
    def contents(self):
        """{path: bytes}."""
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}

    @cached_property
    def encoded(self):
        made = encode_batch(iter(self.contents.values()), [ENCODERS["phash"].encoder()])
        return dict(zip(self.contents, made, strict=True))

    @cached_property
    def flat(self):
        return {path for path in self.contents if path.startswith("flat/")}

    @cached_property
    def pairs(self):
        """{(smaller path, larger path): distance} within 10 bits; of flat pictures those whose pixels are equal."""
        codes = {path: int(each.features["phash"]) for path, each in self.encoded.items() if path not in self.flat}
        pixels = {path: frames(Image.open(self.folder / path)) for path in sorted(self.flat)}
        equal = [pair for pair in itertools.combinations(pixels, 2) if np.array_equal(*map(pixels.get, pair))]
        return naive.path_pairs(codes, 10) | dict.fromkeys(equal, 0)

    @cached_property
    def verdicts(self):
        """{pair: verdict}; equal files have their first name's, so that two of them say the same."""
        first = {}
        for path, content in self.contents.items():
            first.setdefault(content, path)
        names = {pair: sorted(first[self.contents[end]] for end in pair) for pair in self.pairs}
        return {pair: verify_files(*(self.folder / name for name in both)) for pair, both in names.items()}

    @property
    def same(self):
        return {pair for pair, verdict in self.verdicts.items() if verdict.is_same}

    @property
    def equal(self):
        """The pairs of equal files, and of flat pictures with equal pixels."""
        return {(a, b) for a, b in self.pairs if self.contents[a] == self.contents[b] or a in self.flat}

    @property
    def facts(self):
        """{path: {column: value}}, where a picture that is only enlarged counts as less than what it was made from."""
        facts = {path: {"resolution": each.width * each.height, "size": len(self.contents[path]), "format": each.format}
                 for path, each in self.encoded.items()}  # fmt: skip
        for pair, verdict in self.verdicts.items():
            if verdict.is_enlarged:
                small, large = sorted(pair, key=lambda path: self.encoded[path].width)
                facts[large]["resolution"] = self.encoded[small].width * self.encoded[small].height - 0.5
        return facts
