"""Networks of one's own in ONNX files: small ones that the tests make."""

import json
import sys

import numpy as np
import pytest
from own_network import projection, save_network
from PIL import Image

from dedup_core.encoders.onnx_file import load_onnx
from dedup_core.encoders.preparation import IMAGENET_MEAN, IMAGENET_STD, Preparation
from dedup_core.errors import SettingsError
from dedup_core.images.picture import from_array
from dedup_core.methods import ONNX

SIZE = (24, 16)


@pytest.fixture(scope="module")
def pictures():
    random = np.random.default_rng(3)
    return random.integers(0, 256, (5, SIZE[1], SIZE[0], 3), dtype=np.uint8)


def expected(pixels, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """What the network makes of RGB pixels, in float64: the mean of each channel in each quarter, projected."""
    scaled = (pixels / 255.0 - np.array(mean)) / np.array(std)
    height, width = (side // 2 for side in pixels.shape[1:3])
    quarters = scaled.reshape(len(pixels), 2, height, 2, width, 3).mean(axis=(2, 4))
    return quarters.transpose(0, 3, 1, 2).reshape(len(pixels), -1) @ projection()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("batch", ["n", 2])
def test_vectors_are_those_of_the_network_by_what_its_shape_declares(tmp_path, pictures, layout, batch):
    network = load_onnx(save_network(tmp_path / "own.onnx", SIZE, layout, batch), 4)
    assert network.preparation == Preparation(SIZE, layout)
    assert network.batch_size == (4 if batch == "n" else 2)
    encoder = network.opened()
    vectors = encoder.encode(pictures)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected(pictures), atol=1e-4)
    np.testing.assert_array_equal(encoder.encode(pictures[3:4]), vectors[3:4])  # whatever came with it
    assert encoder.pixels(from_array(pictures[0])).tolist() == pictures[0].tolist()


def test_what_the_file_beside_it_says_is_done(tmp_path, pictures):
    model = save_network(tmp_path / "own.onnx", SIZE)
    plain = load_onnx(model)
    assert plain.note == (
        f'{model} is taken to want size [24, 16], layout "NCHW", channels "RGB", mean [0.485, 0.456, 0.406], '
        f'std [0.229, 0.224, 0.225], resize "stretch": what else it wants, say in {model}.yaml'
    )
    (tmp_path / "own.onnx.yaml").write_text("channels: BGR\nmean: [0.5, 0.5, 0.5]\nstd: [0.5, 0.25, 0.5]\n")
    told = load_onnx(model)
    vectors = told.opened().encode(pictures)
    np.testing.assert_allclose(vectors, expected(pictures[..., ::-1], [0.5] * 3, [0.5, 0.25, 0.5]), atol=1e-4)
    assert told.fingerprint != plain.fingerprint
    assert "mean" not in told.note
    (tmp_path / "own.onnx.yaml").unlink()
    assert load_onnx(model).fingerprint == plain.fingerprint
    every = {"size": [24, 16], "layout": "NCHW", "channels": "RGB", "mean": list(IMAGENET_MEAN),
             "std": list(IMAGENET_STD), "resize": "stretch"}  # fmt: skip
    (tmp_path / "own.onnx.json").write_text(json.dumps(every))
    assert load_onnx(model).fingerprint == plain.fingerprint
    assert load_onnx(model).note == ""


def test_a_crop_is_the_middle_of_the_picture(tmp_path):
    pixels = np.zeros((16, 48, 3), np.uint8)
    pixels[:, 12:36] = 200
    made = Preparation(size=SIZE, resize="crop").pixels(from_array(pixels))
    assert made.shape == (16, 24, 3)
    assert made.min() == 200
    assert Preparation(size=SIZE).pixels(from_array(pixels)).min() == 0
    assert Preparation(size=(10, 10), resize="crop").pixels(from_array(pixels[:, :7])).shape == (10, 10, 3)


def test_other_weights_are_another_fingerprint(tmp_path):
    one = load_onnx(save_network(tmp_path / "one.onnx", SIZE))
    other = load_onnx(save_network(tmp_path / "other.onnx", SIZE, seed=2))
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint.startswith("onnx-")


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ("sizes: 3", r"own\.onnx\.yaml: unknown setting 'sizes': did you mean 'size'\?"),
        ("size: [0, 3]", r"size must be a side, or \[width, height\], of 1 to 4096, not \[0, 3\]"),
        ("size: 32", r"the network takes \['n', 3, 16, 24\], and pictures are prepared as \['n', 3, 32, 32\]"),
        ("layout: CHW", "layout must be NCHW or NHWC, not 'CHW'"),
        ("mean: 0.5", "mean must be three numbers, not 0.5"),
        (
            "mean: [123.7, 116.3, 103.5]",
            r"mean must be -1 to 1, where white is 1, not .* the 255th part, as 0\.485",
        ),
        ("std: [58.4, 57.1, 57.4]", r"std must be -1 to 1, where white is 1, not .* the 255th part, as 0\.485"),
        ("std: [1, 0, 1]", r"std must be above 0"),
        ("- a", "must hold 'name: value' lines"),
        ("{", "can't read .*own.onnx.yaml: "),
    ],
)
def test_what_is_wrong_beside_a_network_is_named(tmp_path, stated, words):
    model = save_network(tmp_path / "own.onnx", SIZE)
    (tmp_path / "own.onnx.yaml").write_text(stated)
    with pytest.raises(SettingsError, match=words):
        load_onnx(model)


@pytest.mark.parametrize("shape", [["n", 1, 224, 224], [1, 224], ["n", 4, 4, 4]])
def test_a_network_that_takes_no_colour_pictures_is_refused(shape):
    with pytest.raises(SettingsError, match=r"it must take colour pictures, \[n, 3, height, width\] or"):
        Preparation.of({}, shape, "own.onnx")


def test_a_side_that_may_be_any_is_the_default_one():
    assert Preparation.of({}, [1, 3, -1, -1], "own.onnx").size == (224, 224)
    assert Preparation.of({}, [-1, "height", "width", 3], "own.onnx") == Preparation(layout="NHWC")


def test_a_file_that_is_not_there_is_told_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"model_file must be an ONNX model, and there is no file .*none\.onnx"):
        ONNX(tmp_path / "none.onnx")


def test_files_that_are_no_network_are_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("none")
    with pytest.raises(SettingsError, match=r"text\.onnx is no ONNX model that can be loaded"):
        load_onnx(str(tmp_path / "text.onnx"))
    with pytest.raises(SettingsError, match=r"no model file .*none\.onnx: give the file of an ONNX model"):
        load_onnx(str(tmp_path / "none.onnx"))
    with pytest.raises(SettingsError, match=r"needs a network: .* \(--onnx-model\)"):
        load_onnx(None)


def test_says_how_to_install_onnxruntime(tmp_path, monkeypatch):
    model = save_network(tmp_path / "own.onnx", SIZE, seed=9)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SettingsError, match=r"the method onnx needs onnxruntime: pip install 'dedup-core\[onnx\]'"):
        load_onnx(model)


def test_the_method_finds_what_is_alike(tmp_path, pictures):
    (tmp_path / "images").mkdir()
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    Image.fromarray(pictures[2]).save(tmp_path / "images" / "copy.png")
    method = ONNX(save_network(tmp_path / "own.onnx", SIZE), verbose=False)
    found = method.find_duplicates(image_dir=tmp_path / "images", min_similarity_threshold=0.9999)
    assert found == {"0.png": [], "1.png": [], "2.png": ["copy.png"], "3.png": [], "4.png": [], "copy.png": ["2.png"]}
    encoded = method.encode_image(image_file=tmp_path / "images" / "2.png")
    np.testing.assert_allclose(encoded, expected(pictures[2:3]), atol=1e-4)
