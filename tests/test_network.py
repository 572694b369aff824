"""The embedder: real vectors where the real weights are, its laws on seeded ones everywhere, and what it refuses."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dedup_core.encoders.network import Embedder
from dedup_core.errors import SettingsError

SHARED = Path(__file__).parents[2] / "shared"
WEIGHTS = SHARED / "weights" / "mobilenet_1_0_224_no_top.weights.h5"


@pytest.fixture(scope="session")
def embedder(seeded_weights):
    return Embedder(seeded_weights, batch_size=4)


@pytest.fixture(scope="session")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 224, 224, 3)).astype(np.uint8)


def save_model(keras, path, inputs, output):
    keras.Model(inputs, output).save(path)
    return path


def test_import_leaves_tensorflow_alone():
    code = "import sys, dedup_core.encoders.network; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_reads_size_and_length_from_the_network(embedder):
    assert (embedder.size, embedder.length) == ((224, 224), 1024)


def test_equals_keras_itself(keras, seeded_weights, embedder, pixels):
    network = keras.applications.MobileNet(include_top=False, pooling="avg", input_shape=(224, 224, 3), weights=None)
    network.load_weights(seeded_weights)
    expected = network.predict(keras.applications.mobilenet.preprocess_input(pixels.astype(np.float32)), verbose=0)
    np.testing.assert_allclose(embedder.embed(pixels), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5])
def test_a_vector_does_not_depend_on_its_batch(embedder, pixels, count):
    vectors = embedder.embed(pixels[:count])
    assert vectors.shape == (count, 1024)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, embedder.embed(pixels)[:count], atol=1e-5)


def test_digest_is_of_the_weights_not_of_the_file(keras, seeded_weights, embedder, tmp_path):
    network = keras.applications.MobileNet(include_top=False, pooling="avg", input_shape=(224, 224, 3), weights=None)
    network.load_weights(seeded_weights)
    network.save(tmp_path / "same.keras")
    assert Embedder(tmp_path / "same.keras").digest == embedder.digest
    network.set_weights([values + 1 for values in network.get_weights()])
    network.save_weights(tmp_path / "other.weights.h5")
    assert Embedder(tmp_path / "other.weights.h5").digest != embedder.digest


def test_own_model_of_any_size_and_length(keras, tmp_path):
    taken = keras.Input((20, 30, 3))
    path = save_model(keras, tmp_path / "own.keras", taken, keras.layers.GlobalAveragePooling2D()(taken))
    own = Embedder(model=path, batch_size=2)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3)).astype(np.uint8)
    assert (own.size, own.length) == ((30, 20), 3)
    np.testing.assert_allclose(own.embed(pixels), pixels.mean(axis=(1, 2)), rtol=1e-5)


def test_golden_vectors():
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'dedup-core[cnn]'")
    golden = SHARED / "golden" / "mobilenet_embeddings.npz"
    if not (golden.exists() and WEIGHTS.exists()):
        pytest.skip(f"no {WEIGHTS} or no {golden}")
    stored = np.load(golden)
    pictures = [Image.open(SHARED / name).convert("RGB").resize((224, 224), Image.LANCZOS) for name in stored["files"]]
    vectors = Embedder(WEIGHTS).embed(np.stack([np.asarray(picture) for picture in pictures]))
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(stored["embeddings"], axis=1)
    assert ((vectors * stored["embeddings"]).sum(axis=1) / lengths).min() >= 0.995


def refused(words, **settings):
    with pytest.raises(SettingsError, match=words) as caught:
        Embedder(**settings)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_refuses_missing_weights(keras, tmp_path):
    refused("no weights file .*mobilenet_1_0_224_tf_no_top.h5", weights=tmp_path / "absent.weights.h5")
    refused("mobilenet_1_0_224_tf_no_top.h5", weights=None)


def test_refuses_corrupt_weights(keras, tmp_path):
    for name in ("bad.weights.h5", "bad.h5", "bad.keras", "bad.txt"):
        (tmp_path / name).write_bytes(b"not a model")
        refused("holds no weights of MobileNet .*mobilenet_1_0_224_tf_no_top.h5", weights=tmp_path / name)


def test_refuses_weights_of_another_architecture(keras, tmp_path):
    taken = keras.Input((8, 8, 3))
    keras.Model(taken, keras.layers.Conv2D(2, 3)(taken)).save_weights(tmp_path / "other.weights.h5")
    refused("holds no weights of MobileNet", weights=tmp_path / "other.weights.h5")


def test_refuses_when_the_download_fails(keras, monkeypatch):
    def fail(*names, **settings):
        raise Exception("URL fetch failure\nsecond line")  # what Keras raises

    monkeypatch.setattr(keras.utils, "get_file", fail)
    refused("can't download .*URL fetch failure.*mobilenet_1_0_224_tf_no_top.h5", weights="imagenet")


def test_refuses_models_that_do_not_fit(keras, tmp_path):
    a, b = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    pool = keras.layers.GlobalAveragePooling2D()
    grey, free = keras.Input((8, 8, 1)), keras.Input((None, None, 3))
    for words, inputs, output in (
        ("2 inputs and 1 outputs", [a, b], pool(keras.layers.Add()([a, b]))),
        ("must give one vector", a, keras.layers.Conv2D(2, 3)(a)),
        ("must take RGB", grey, pool(grey)),
        ("must take RGB", free, pool(free)),
    ):
        refused(words, model=save_model(keras, tmp_path / "model.keras", inputs, output))


def test_refuses_files_that_are_no_model(keras, tmp_path):
    (tmp_path / "bad.keras").write_bytes(b"not a model")
    refused("no Keras model", model=tmp_path / "bad.keras")
    refused("no model file", model=tmp_path / "absent.keras")


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"threads": 0}])
def test_refuses_no_batch_and_no_threads(settings):
    refused("must be 1 or more", **settings)


def test_refuses_other_pixels(embedder, pixels):
    with pytest.raises(ValueError, match="uint8"):
        embedder.embed(pixels.astype(np.float32))
    with pytest.raises(ValueError, match="224"):
        embedder.embed(pixels[:, :100])


def test_says_how_to_install_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    refused("pip install", weights="imagenet")
