import json

import numpy as np
import pytest

from dedup_core.corpus.edits import EDITS
from dedup_core.corpus.photographs import installed_photographs, make_corpus
from dedup_core.encoders.encoder import encode_batch
from dedup_core.encoders.network import Embedder
from dedup_core.encoders.network_file import load_network
from dedup_core.errors import SettingsError
from dedup_core.settings.settings import EncodeSettings, PipelineSettings
from dedup_core.spark.pipeline import run_encode, run_pipeline


def silent(_line):
    """Nobody watches."""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cnn") / "images"
    make_corpus(installed_photographs()[:5], [EDITS["half_size"], EDITS["gray"]], folder)
    return folder


@pytest.fixture(scope="module")
def finished(spark, images, seeded_weights, tmp_path_factory):
    output = tmp_path_factory.mktemp("out")
    settings = PipelineSettings(
        input=str(images), output=str(output), method="cnn", cnn_weights=str(seeded_weights), scores=True,
        min_similarity_threshold=0.95, chunk_vectors=12, images_per_task=20, report=False,
    )  # fmt: skip
    return run_pipeline(spark, settings, silent), output


@pytest.fixture(scope="module")
def vectors(images, seeded_weights):
    """What one machine makes of the same files: {path: float64 vector}."""
    paths = sorted(path for path in images.rglob("*") if path.is_file())
    encoder = load_network(str(seeded_weights)).opened()
    encoded = encode_batch((path.read_bytes() for path in paths), [encoder])
    names = [path.relative_to(images).as_posix() for path in paths]
    return {name: entry.features["cnn"].astype(float) for name, entry in zip(names, encoded, strict=True)}


def test_the_embeddings_are_those_of_one_machine(spark, finished, vectors):
    _, output = finished
    rows = spark.read.parquet(f"{output}/features").where("method = 'cnn'").collect()
    assert {row["path"] for row in rows} == set(vectors)
    for row in rows:
        np.testing.assert_allclose(row["embedding"], vectors[row["path"]], atol=1e-5)
        assert row["hash"] is None


def test_pairs_are_those_of_the_oracle(spark, finished, vectors):
    _, output = finished
    unit = {path: vector / np.linalg.norm(vector) for path, vector in vectors.items()}
    expected = {(a, b): unit[a] @ unit[b] for a in unit for b in unit if a < b and unit[a] @ unit[b] >= 0.95}
    found = {(r["path_a"], r["path_b"]): r["score"] for r in spark.read.parquet(f"{output}/pairs/method=cnn").collect()}
    assert found == pytest.approx(expected, abs=1e-6)
    copies = [pair for pair in found if pair[0].startswith("album") and "exact" in pair[1]]
    assert copies
    assert all(found[pair] == pytest.approx(1.0, abs=1e-6) for pair in copies if pair[0][5:] == pair[1][12:])


def test_the_map_lists_the_most_similar_first(finished):
    _, output = finished
    exported = json.loads((output / "duplicates.json").read_text())
    scores = [[score for _, score in found] for found in exported.values()]
    assert any(len(found) > 1 for found in scores)
    assert scores == [sorted(found, reverse=True) for found in scores]


def test_the_fingerprint_tells_the_weights_and_the_precision(spark, finished, seeded_weights):
    _, output = finished
    fingerprints = {r["method"]: r["fingerprint"] for r in spark.read.parquet(f"{output}/features").collect()}
    assert fingerprints["cnn"] == load_network(str(seeded_weights)).fingerprint
    assert load_network(str(seeded_weights), precision="float16").fingerprint == f"{fingerprints['cnn']}-float16"


def test_a_second_run_keeps_the_embeddings(spark, finished, images, seeded_weights):
    _, output = finished
    settings = EncodeSettings(input=str(images), output=str(output), method="cnn", cnn_weights=str(seeded_weights))
    run = run_encode(spark, settings, silent)
    assert run.counts["reused"] == run.counts["encoded"] == 20


def test_weights_that_are_not_there_are_named_before_an_image_is_read(spark, tmp_path):
    settings = EncodeSettings(input="/nowhere", output=str(tmp_path), method="cnn", cnn_weights="/none/w.h5")
    with pytest.raises(SettingsError, match=r"no weights file /none/w\.h5; give a file of MobileNet"):
        run_encode(spark, settings, silent)


def test_the_real_weights_give_the_reference_vectors(spark, shared, tmp_path):
    golden = np.load(shared / "golden" / "mobilenet_embeddings.npz")
    weights = shared / "weights" / "mobilenet_1_0_224_no_top.weights.h5"
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(str(shared / name) for name in golden["files"][:12]))
    settings = EncodeSettings(
        input=str(listed), output=str(tmp_path / "out"), method="cnn", cnn_weights=str(weights), images_per_task=12
    )
    run_encode(spark, settings, silent)
    rows = spark.read.parquet(f"{tmp_path}/out/features").collect()
    ours = {row["path"]: np.array(row["embedding"]) for row in rows}
    for name, theirs in zip(golden["files"][:12], golden["embeddings"], strict=False):
        mine = ours[str(shared / name)]
        assert mine @ theirs / np.linalg.norm(mine) / np.linalg.norm(theirs) >= 0.995
    assert rows[0]["fingerprint"] == f"cnn-{Embedder(weights).digest[:12]}-v2"
