"""HEIC pictures in Spark: nobody tells its workers what reads them."""

import io

import pytest
from album import scene
from PIL import Image

from dedup_core.encoders.hashes import to_hex
from dedup_core.methods import PHash
from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.pipeline import run_encode

pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed: pip install 'dedup-core[heif]'")
TURNED = 6


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    exif = Image.Exif()
    exif[0x0112] = TURNED
    several = pillow_heif.HeifFile()
    for name in "ab":
        several.add_from_pillow(scene(name))
    for name, file, options in (
        ("plain.heic", pillow_heif.from_pillow(scene("a")), {}),
        ("turned.heic", pillow_heif.from_pillow(scene("a")), {"exif": exif.tobytes()}),
        ("several.heic", several, {"primary_index": 1}),
    ):
        content = io.BytesIO()
        file.save(content, quality=95, **options)
        (images / name).write_bytes(content.getvalue())
    return images


@pytest.mark.parametrize("orientation", ["stored", "exif"])
def test_workers_read_what_one_machine_reads(spark, folder, tmp_path, orientation):
    settings = EncodeSettings(input=str(folder), output=str(tmp_path / "out"), orientation=orientation)
    run = run_encode(spark, settings, lambda _line: None)
    assert (run.counts["encoded"], run.counts["failed"]) == (3, {})
    rows = spark.read.parquet(str(tmp_path / "out" / "features")).collect()
    hashes = PHash(verbose=False).encode_images(folder)
    assert {row.path: to_hex(row.hash & (1 << 64) - 1) for row in rows} == hashes
    known = {row.path: (row.format, row.frames, row.width > row.height) for row in rows}
    assert known == {
        "plain.heic": ("HEIF", 1, True), "turned.heic": ("HEIF", 1, False), "several.heic": ("HEIF", 2, True),
    }  # fmt: skip
