"""A network of one's own travels to the workers, and finds there what it finds on one machine."""

import naive
import numpy as np
from album import GOOD, make_album
from own_network import save_network
from tables import pairs_of

from dedup_core.encoders.encoder import encode_batch
from dedup_core.encoders.onnx_file import load_onnx
from dedup_core.settings.layers import resolve
from dedup_core.settings.settings import PipelineSettings
from dedup_core.spark.pipeline import run_pipeline


def test_pairs_and_embeddings_are_those_of_one_machine(spark, tmp_path):
    images, model = make_album(tmp_path / "images"), save_network(tmp_path / "own.onnx", (24, 16))
    (tmp_path / "own.onnx.yaml").write_text("mean: [0.5, 0.5, 0.5]\nstd: [0.25, 0.25, 0.25]\n")
    lines = []
    stated = {"input": str(images), "output": str(tmp_path / "out"), "method": "onnx", "onnx_model": model,
              "recursive": False, "report": False, "min_similarity_threshold": 0.95}  # fmt: skip
    run = run_pipeline(spark, resolve(PipelineSettings, stated), lines.append)
    assert run.counts["encoded"] == len(GOOD)
    assert any("is taken to want size [24, 16]" in line for line in lines)
    rows = spark.read.parquet(str(tmp_path / "out" / "features")).collect()
    encoder = load_onnx(model).opened()
    made = encode_batch([(images / name).read_bytes() for name in GOOD], [encoder])
    vectors = np.stack([entry.features["onnx"] for entry in made])
    stored = {row["path"]: row["embedding"] for row in rows}
    np.testing.assert_allclose([stored[name] for name in GOOD], vectors, atol=1e-5)
    assert {row["fingerprint"] for row in rows} == {encoder.fingerprint}
    scores = naive.cosine_similarities(vectors, vectors)
    expected = {(a, b) for i, a in enumerate(GOOD) for j, b in enumerate(GOOD) if i < j and scores[i, j] >= 0.95}
    assert ("beach-copy.png", "beach.png") in expected
    assert set(pairs_of(spark.read.parquet(str(tmp_path / "out" / "pairs")))) == expected
