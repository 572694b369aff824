"""Which network makes the embeddings: read once where a run starts, and small enough to travel to every worker."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from dedup_core.encoders.encoder import Encoder, Precision
from dedup_core.encoders.network import IMAGENET, PROVIDE, PROVIDE_MODEL, Embedder, imagenet_file
from dedup_core.errors import SettingsError
from dedup_core.filesystems import opened
from dedup_core.images.picture import Picture

_ENDINGS = (".weights.h5", ".h5", ".hdf5", ".keras")


@dataclass(frozen=True)
class Network:
    """A network with its weights.

    Attributes:
        content: the file of the weights or of the model.
        ending: the ending of the file's name, by which Keras knows its format.
        is_model: whether the file is a whole model instead of MobileNet's weights.
        batch_size: how many images it takes at a time.
        precision: "float16" rounds the embeddings to half precision, which compresses better.
        fingerprint: identifies what the embeddings depend on; not for reading.
        name: the method.
    """

    content: bytes = field(repr=False)
    ending: str
    is_model: bool
    batch_size: int
    precision: Precision
    fingerprint: str
    name: str = "cnn"

    def opened(self, threads: int | None = None) -> Encoder:
        """Return the encoder that runs this network in this process. The network is loaded once and stays.

        Args:
            threads: cores to use; None for all. The first call in a process decides.
        """
        embedder, is_rounded = _embedder(self, threads), self.precision == "float16"

        def embed(pixels: np.ndarray) -> np.ndarray:
            vectors = embedder.embed(pixels)
            return vectors.astype(np.float16).astype(np.float32) if is_rounded else vectors

        pixels = functools.partial(Picture.rgb, size=embedder.size)
        size = embedder.size
        return Encoder(self.name, pixels, embed, self.fingerprint, self.batch_size, (size,), max(size))


def load_network(
    weights: str = IMAGENET, model: str | None = None, batch_size: int = 32, precision: Precision = "float32"
) -> Network:
    """Read a network's file and try it out.

    Args:
        weights: "imagenet" for Keras's own download and cache, or a file of MobileNet's weights.
        model: a Keras model's file to use instead. Either may lie on any filesystem that Arrow knows.
        batch_size: how many images the network takes at a time.
        precision: of the embeddings that are kept.

    Raises:
        SettingsError: if TensorFlow, the weights or the model can't be had or don't fit; says what to provide.
    """
    location = model or (str(imagenet_file()) if weights == IMAGENET else weights)
    ending = next((ending for ending in _ENDINGS if location.endswith(ending)), ".h5")
    network = Network(_read(location, is_model=model is not None), ending, model is not None, batch_size, precision, "")
    suffix = "" if precision == "float32" else f"-{precision}"
    digest = _embedder(network, None, location).digest
    return Network(network.content, ending, network.is_model, batch_size, precision, f"cnn-{digest[:12]}-v2{suffix}")


def _embedder(network: Network, threads: int | None, name: str | None = None) -> Embedder:
    """Return the process's embedder; errors name the file that the user gave, and not our copy of it."""
    key = hashlib.sha256(network.content).hexdigest(), network.is_model, network.batch_size
    if key not in _EMBEDDERS:
        _EMBEDDERS.clear()  # one network at a time: each holds some hundred megabytes
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"network{network.ending}")
            path.write_bytes(network.content)
            try:
                _EMBEDDERS[key] = _load(path, network, threads)
            except SettingsError as error:
                raise SettingsError(str(error).replace(str(path), name or path.name)) from error
    return _EMBEDDERS[key]


def _load(path: Path, network: Network, threads: int | None) -> Embedder:
    if network.is_model:
        return Embedder(None, path, network.batch_size, threads)
    return Embedder(path, None, network.batch_size, threads)


_EMBEDDERS: dict[tuple[str, bool, int], Embedder] = {}


def _read(location: str, is_model: bool) -> bytes:
    what, provide = ("model", PROVIDE_MODEL) if is_model else ("weights", PROVIDE)
    try:
        filesystem, path = opened(location)
        with filesystem.open_input_file(path) as file:
            return bytes(file.readall())
    except FileNotFoundError as error:
        raise SettingsError(f"no {what} file {location}; {provide}") from error
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"can't read the {what} file {location} ({reason}); {provide}") from error
