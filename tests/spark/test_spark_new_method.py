"""A method that is entered in the registry goes through the jobs as it is: nothing else knows of it."""

import json

import numpy as np
import pytest
from album import scene

from dedup_core.encoders.encoder import Encoder
from dedup_core.encoders.registry import ENCODERS, Method
from dedup_core.metric import COSINE, HAMMING
from dedup_core.settings.settings import PipelineSettings
from dedup_core.spark.pipeline import run_pipeline


def brightness():
    """A hash of 64 equal bits, by whether a picture is bright; its functions are sent as they are."""

    def corner(picture):
        return picture.gray((1, 1))

    def encode(pixels):
        return np.where(pixels[:, 0, 0] > 100, np.uint64(2**64 - 1), np.uint64(0))

    return Encoder("brightness", corner, encode, "brightness-v1")


def colours():
    """An embedding of 3 numbers: the mean of each channel. It takes its pictures by fives."""

    def small(picture):
        return picture.rgb((1, 1))

    def encode(pixels):
        return pixels[:, 0, 0].astype(np.float32)

    return Encoder("colours", small, encode, "colours-v1", batch_size=5)


@pytest.mark.parametrize(("made", "metric"), [(brightness, HAMMING), (colours, COSINE)])
def test_a_method_of_ones_own_runs_through_the_pipeline(spark, tmp_path, monkeypatch, made, metric):
    encoder = made()
    monkeypatch.setitem(ENCODERS, encoder.name, Method(encoder.name, metric, lambda _options: encoder))
    (tmp_path / "images").mkdir()
    for name, scale in (("dark", 0.1), ("dark_too", 0.1), ("light", 1.0)):
        scene("beach").point(lambda value, by=scale: int(value * by)).save(tmp_path / "images" / f"{name}.png")
    settings = PipelineSettings(
        input=str(tmp_path / "images"), output=str(tmp_path / "out"), method=encoder.name, min_similarity_threshold=1.0
    )
    run = run_pipeline(spark, settings, lambda line: None)
    assert run.counts["found"][encoder.name]["images"] == 3
    assert json.loads((tmp_path / "out" / "to_remove.json").read_text()) == ["dark_too.png"]
    assert metric.label in (tmp_path / "out" / "report" / "index.html").read_text()
