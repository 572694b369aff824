"""Embeddings of a network of one's own in an ONNX file, compared by their cosine similarity."""

from __future__ import annotations

from functools import cached_property

from dedup_core import arguments
from dedup_core.encoders.encoder import Decoding, Encoder
from dedup_core.encoders.registry import ENCODERS, Standard
from dedup_core.methods.cnn import CNN
from dedup_core.methods.encoding import AS_STORED, StrPath


class ONNX(CNN):
    """Embeddings of a network of your own, float32 (1, d); all calls are those of `CNN`.

    How the network wants its pictures is read from a file beside it (``FILE.yaml`` or ``FILE.json``), or from the shape
    that its input declares. onnxruntime and the network are loaded when the first image is to be encoded.

    Args:
        model_file: the network's file.
        verbose: as for the hashes.
        batch_size: how many images the network takes at a time, where its file says none.
        decoding: as for the hashes.

    Raises:
        TypeError, ValueError: if an argument is none of these, or there is no such file on this machine.
    """

    name = "onnx"

    def __init__(
        self, model_file: StrPath, verbose: bool = True, *, batch_size: int = 32, decoding: Decoding = AS_STORED
    ) -> None:
        from dedup_core.filesystems import local_path  # loads pyarrow, which who hashes need not wait for

        super().__init__(verbose, batch_size=batch_size, decoding=decoding)
        self._file = str(arguments.path(model_file, "model_file"))
        if (here := local_path(self._file)) is not None:
            arguments.file(here, "model_file", "an ONNX model")

    @cached_property
    def encoder(self) -> Encoder:
        """What makes the embeddings.

        Raises:
            SettingsError: if onnxruntime or the network can't be had.
        """
        return ENCODERS[self.name].encoder(Standard(onnx_model=self._file, onnx_batch_size=self._batch_size))
