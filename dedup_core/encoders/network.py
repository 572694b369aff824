"""Embeddings: batches of RGB pixels to float32 vectors, by MobileNet or by a Keras model of the user's.

TensorFlow is loaded with the first `Embedder`, never by importing this module.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dedup_core.errors import SettingsError, first_line, to_install

MOBILENET_SIZE = (224, 224)
IMAGENET = "imagenet"
RELEASE = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/mobilenet_1_0_224_tf_no_top.h5"
PROVIDE = f"give a file of MobileNet's weights without its top, as Keras publishes it: {RELEASE}"

PROVIDE_MODEL = "give a file that Keras's model.save wrote (.keras or .h5)"


class Embedder:
    """A network that stays in memory and turns pixels into vectors.

    The network is frozen: its weights become constants, so TensorFlow folds the batch normalisations into the
    convolutions and fuses what is left. Every call has the same batch shape, the last one filled up with zeros:
    nothing is traced or planned twice, and no image's vector depends on how many came with it.

    Attributes:
        size: (width, height) of the pictures that the network takes.
        length: numbers in a vector.
        digest: SHA-256 of the weights, or of the model's file: vectors of different digests must not be compared.
    """

    def __init__(
        self,
        weights: str | Path | None = IMAGENET,
        model: str | Path | None = None,
        batch_size: int = 32,
        threads: int | None = None,
    ) -> None:
        """Load the network.

        Args:
            weights: MobileNet's weights: "imagenet" for Keras's own download and cache, or a .weights.h5, .h5 or
                .keras file. None, or anything else beside ``model``, is ignored where a model is given.
            model: a Keras model's file to use instead of MobileNet. It takes float32 RGB pictures of a fixed size, 0
                to 255 (what else it wants, its own layers do), and gives one vector each.
            batch_size: pictures computed at a time.
            threads: cores to use; None for all. TensorFlow takes it once in a process, when it starts.

        Raises:
            SettingsError: if TensorFlow, the weights or the model can't be had or don't fit.
        """
        if batch_size < 1 or (threads is not None and threads < 1):
            raise SettingsError(f"batch_size and threads must be 1 or more, not {batch_size} and {threads}")
        tensorflow = _tensorflow(threads)
        if model is not None:
            network, self.digest = _own_model(tensorflow, Path(model))
        else:
            network, self.digest = _mobilenet(tensorflow, weights)
        height, width, _ = network.input_shape[1:]
        self.size: tuple[int, int] = (width, height)
        self.length: int = network.output_shape[1]
        self._batch_size = batch_size
        scale = tensorflow.keras.applications.mobilenet.preprocess_input if model is None else lambda pixels: pixels
        self._run = _frozen(tensorflow, lambda pixels: network(scale(pixels), training=False), self._shape())

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Return one vector a picture, float32 (n, length).

        Args:
            pixels: uint8 (n, height, width, 3), RGB, of `size`.

        Raises:
            ValueError: if the pixels have another shape or dtype.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != self._shape()[1:]:
            raise ValueError(f"pixels must be uint8 {('n', *self._shape()[1:])}, not {pixels.dtype} {pixels.shape}")
        vectors = np.empty((len(pixels), self.length), np.float32)
        for start in range(0, len(pixels), self._batch_size):
            batch = pixels[start : start + self._batch_size]
            filled = batch
            if len(batch) < self._batch_size:
                filled = np.zeros(self._shape(), np.uint8)
                filled[: len(batch)] = batch
            vectors[start : start + len(batch)] = self._run(filled)[: len(batch)]
        return vectors

    def _shape(self) -> tuple[int, int, int, int]:
        width, height = self.size
        return (self._batch_size, height, width, 3)


def _tensorflow(threads: int | None) -> Any:
    """TensorFlow, quiet, on so many cores. Both must be said before it starts; a later Embedder finds it started."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # twice as fast on CPU, and off by default on some
    try:
        import tensorflow
    except ImportError as error:
        raise SettingsError(f"CNN needs TensorFlow: {to_install('cnn')} ({error})") from error
    try:
        if threads is not None:
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
            tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        for gpu in tensorflow.config.list_physical_devices("GPU"):
            # Other workers may share the card: take memory as it is needed, not all of it.
            tensorflow.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        pass  # it is running already, with what the first Embedder said
    return tensorflow


def _mobilenet(tensorflow: Any, weights: str | Path | None) -> tuple[Any, str]:
    """MobileNet v1 with those weights, and the digest of their values: the same from any file that holds them."""
    if weights is None:
        raise SettingsError(f"CNN needs weights or a model: {PROVIDE}")
    path = imagenet_file() if str(weights) == IMAGENET else _file(weights, "weights", PROVIDE)
    network = tensorflow.keras.applications.MobileNet(
        include_top=False, pooling="avg", input_shape=(*MOBILENET_SIZE, 3), weights=None
    )
    _load_weights(network, path)
    digest = hashlib.sha256()
    for values in network.get_weights():
        digest.update(f"{values.dtype}{values.shape}".encode())
        digest.update(np.ascontiguousarray(values).data)
    return network, digest.hexdigest()


def imagenet_file() -> Path:
    """Return the file of MobileNet's ImageNet weights in Keras's own cache, downloaded if it isn't there.

    Raises:
        SettingsError: if TensorFlow is missing or the download fails.
    """
    keras = _tensorflow(None).keras
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # Keras prints a progress bar
            return Path(keras.utils.get_file(RELEASE.rsplit("/", 1)[1], RELEASE, cache_subdir="models"))
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise SettingsError(f"can't download MobileNet's ImageNet weights ({_line(error)}); {PROVIDE}") from error


def _load_weights(network: Any, path: Path) -> None:
    """Load the network's weights, all of them: Keras warns of those that the file lacks and leaves them random."""
    network.set_weights([np.full_like(values, np.nan) for values in network.get_weights()])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.load_weights(path)
    except Exception as error:  # h5py, zipfile and Keras each have their own
        raise SettingsError(f"{path} holds no weights of MobileNet ({_line(error)}); {PROVIDE}") from error
    if not all(np.isfinite(values).all() for values in network.get_weights()):
        raise SettingsError(f"{path} holds no weights of MobileNet (some are missing or not finite); {PROVIDE}")


def _own_model(tensorflow: Any, model: Path) -> tuple[Any, str]:
    """The user's model, and the digest of its file."""
    path = _file(model, "model", PROVIDE_MODEL)
    try:
        network = tensorflow.keras.models.load_model(path, compile=False)
    except Exception as error:  # h5py, zipfile and Keras each have their own
        raise SettingsError(f"{path} is no Keras model that can be loaded ({_line(error)})") from error
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise SettingsError(
            f"{path} has {len(network.inputs)} inputs and {len(network.outputs)} outputs; one of each is needed"
        )
    taken, given = network.input_shape, network.output_shape
    if len(taken) != 4 or taken[3] != 3 or None in taken[1:]:
        raise SettingsError(
            f"{path} takes {taken}; it must take RGB pictures of a fixed size: (None, height, width, 3)"
        )
    if len(given) != 2 or given[1] is None:
        raise SettingsError(f"{path} gives {given}; it must give one vector a picture: (None, length)")
    return network, hashlib.sha256(path.read_bytes()).hexdigest()


def _frozen(
    tensorflow: Any, network: Callable[[Any], Any], shape: tuple[int, ...]
) -> Callable[[np.ndarray], np.ndarray]:
    """The network as one graph of constants over batches of that shape: measured in benchmarks/cnn.py."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    pixels = tensorflow.TensorSpec(shape, tensorflow.uint8)
    traced = tensorflow.function(lambda batch: network(tensorflow.cast(batch, tensorflow.float32)))
    graph = convert_variables_to_constants_v2(traced.get_concrete_function(pixels))
    return lambda batch: graph(tensorflow.constant(batch))[0].numpy()


def _file(path: str | Path, what: str, provide: str) -> Path:
    if not Path(path).is_file():
        raise SettingsError(f"no {what} file {path}; {provide}")
    return Path(path)


def _line(error: Exception) -> str:
    """The first line of what an error says: Keras's run to pages."""
    return first_line(error)[:200]
