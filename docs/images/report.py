"""Draw landscapes and copies of them, run the pipeline over them, and take the picture of the report that README shows.

    DEDUP_EXTRAS=test ./spark-submit.sh --exec python docs/images/report.py docs/images/report.png

It needs Chromium and its driver.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

ROOT = Path(__file__).resolve().parents[2]
SIZE = 640, 420
SKIES = (
    ((250, 190, 120), (90, 60, 120)), ((200, 225, 245), (70, 130, 200)), ((255, 214, 165), (200, 90, 80)),
    ((190, 200, 210), (90, 100, 120)), ((60, 60, 110), (10, 10, 40)), ((225, 240, 220), (120, 180, 170)),
)  # fmt: skip


def landscape(seed: int) -> Image.Image:
    """Return hills before a sky, with a sun or a moon."""
    random = np.random.default_rng(seed)
    width, height = SIZE
    low, high = (np.array(colour, np.float64) for colour in SKIES[seed % len(SKIES)])
    share = np.linspace(1, 0, height)[:, None, None]
    picture = np.repeat(low * (1 - share) + high * share, width, axis=1)
    y, x = np.mgrid[:height, :width]
    sun = np.hypot(x - random.uniform(100, 540), y - random.uniform(60, 180)) < random.uniform(25, 45)
    picture[sun] = 0.25 * picture[sun] + 0.75 * np.array([255, 245, 215])
    horizon, layers = random.uniform(0.3, 0.65), int(random.integers(3, 7))
    for layer in range(layers):
        ridge = _ridge(random, width, height * (horizon + (0.95 - horizon) * layer / layers))
        picture[y > ridge] = high * (0.8 - 0.7 * layer / layers)
    picture += random.normal(0, 5, (height, width, 1)) + random.normal(0, 2, picture.shape)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def _ridge(random: np.random.Generator, width: int, middle: float) -> np.ndarray:
    steps = random.normal(0, random.uniform(2, 7), (4, width)).cumsum(axis=1)
    smooth = np.array([np.convolve(row, np.ones(9) / 9, "same") for row in steps]).mean(axis=0)
    return middle + smooth - np.linspace(smooth[0], smooth[-1], width)


def draw(folder: Path) -> None:
    """Write six landscapes, and copies of some of them."""
    for seed in range(6):
        landscape(seed).save(folder / f"landscape-{seed}.jpg", quality=92)
    first, second, third = (landscape(seed) for seed in range(3))
    first.resize((320, 210)).save(folder / "thumbnail.jpg", quality=85)
    first.save(folder / "saved again.png")
    first.crop((120, 60, 560, 400)).save(folder / "cropped.jpg", quality=90)
    second.rotate(90, expand=True).save(folder / "turned.jpg", quality=90)
    ImageOps.mirror(second).save(folder / "mirrored.jpg", quality=90)
    third.filter(ImageFilter.GaussianBlur(1)).save(folder / "softer.webp", quality=80)
    ImageOps.expand(third, 30, "white").save(folder / "framed.png")


def photographed(page: Path, picture: Path) -> None:
    """Take a picture of the page, as a screen of 1280 x 900 pixels shows it."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for option in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1280,1040"):
        options.add_argument(option)
    with webdriver.Chrome(options=options) as browser:
        browser.get(page.as_uri())
        filters = "document.querySelector('#groups select').parentElement"
        browser.execute_script(f"{filters}.scrollIntoView({{behavior: 'instant'}})")
        browser.save_screenshot(str(picture))
    Image.open(picture).convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(picture, optimize=True)


def main(picture: Path) -> None:
    """Draw, run and take the picture."""
    with tempfile.TemporaryDirectory() as place:
        images, tables = Path(place, "lake"), Path(place, "tables")
        images.mkdir()
        draw(images)
        run = [ROOT / "spark-submit.sh", ROOT / "jobs/pipeline.py", "--input", images, "--output", tables]
        subprocess.run([*map(str, run), "--method", "combined"], check=True)  # noqa: S603 - our own script
        photographed(tables / "report" / "index.html", picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
