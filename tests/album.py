"""A small album made by code: three scenes, copies of them, and files that give no picture."""

import numpy as np
from PIL import Image

SCENES = ("beach", "forest", "street")
GOOD = sorted([*(f"{scene}.png" for scene in SCENES), "beach-copy.png", "beach-small.jpg"])
BROKEN = {"empty.jpg": "empty", "note.png": "not_an_image"}


def scene(name):
    """Return a picture of soft blobs, another one for every name."""
    rng = np.random.default_rng(list(name.encode()))
    blobs = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return blobs.resize((160, 120), Image.Resampling.BICUBIC)


def make_album(folder):
    """Write the album: five good images, two broken ones, a hidden one, and a folder with one more inside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCENES:
        scene(name).save(folder / f"{name}.png")
    scene("beach").save(folder / "beach-copy.png")
    scene("beach").resize((80, 60)).save(folder / "beach-small.jpg", quality=90)
    scene("hidden").save(folder / ".hidden.png")
    (folder / "empty.jpg").touch()
    (folder / "note.png").write_text("not an image")
    (folder / "inner").mkdir(exist_ok=True)
    scene("beach").save(folder / "inner" / "beach.png")
    return folder
