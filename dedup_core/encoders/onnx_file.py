"""A network of one's own in an ONNX file: read once where a run starts, tried, and sent to every worker.

onnxruntime is loaded when the first network is opened, never by importing this module.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from dedup_core.encoders.encoder import Encoder
from dedup_core.encoders.preparation import Preparation
from dedup_core.errors import SettingsError, to_install
from dedup_core.filesystems import opened

SIDECARS = (".yaml", ".yml", ".json")
"""Endings of the file that may lie beside a network, after the network's whole name: ``sscd.onnx.yaml``."""

_PROVIDE = "give the file of an ONNX model that takes pictures and gives one vector each"
_KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(frozen=True)
class OnnxNetwork:
    """A network with its weights.

    Attributes:
        content: of its file.
        preparation: of the pictures that it takes.
        batch_size: how many pictures it takes at a time.
        fingerprint: identifies what the embeddings depend on; not for reading.
        note: what nothing was said of, and is assumed.
        name: the method.
    """

    content: bytes = field(repr=False)
    preparation: Preparation
    batch_size: int
    fingerprint: str = ""
    note: str = ""
    name: str = "onnx"

    def opened(self, threads: int | None = None) -> Encoder:
        """Return the encoder that runs this network in this process. The network is loaded once and stays.

        Args:
            threads: cores to use; None for all. The first call in a process decides.
        """
        session, prepare = _session(self.content, threads), self.preparation
        sizes = (prepare.size,) if prepare.resize == "stretch" else ()

        def embed(pixels: np.ndarray) -> np.ndarray:
            return _embedded(session, prepare, self.batch_size, pixels)

        side = max(prepare.size) if prepare.resize == "stretch" else None
        return Encoder(self.name, prepare.pixels, embed, self.fingerprint, self.batch_size, sizes, side)


def load_onnx(model: str | None, batch_size: int = 32) -> OnnxNetwork:
    """Read a network's file and the one beside it, and try the network out.

    Args:
        model: the file, on any filesystem that Arrow knows.
        batch_size: how many pictures it takes at a time, where it does not say itself.

    Raises:
        SettingsError: if onnxruntime or the file can't be had or doesn't fit; says what to provide.
    """
    if model is None:
        raise SettingsError(f"the method onnx needs a network: {_PROVIDE} (--onnx-model)")
    content = _read(model)
    if content is None:
        raise SettingsError(f"no model file {model}: {_PROVIDE}")
    session = _session(content, None, model)
    taken = _input_of(session, model)
    stated, beside = _sidecar(model)
    preparation = Preparation.of(stated, taken.shape, beside or model)
    own = taken.shape[0]
    network = OnnxNetwork(content, preparation, own if isinstance(own, int) and own > 0 else batch_size)
    _try(session, network, model)
    digest = hashlib.sha256(hashlib.sha256(content).digest() + preparation.text.encode()).hexdigest()
    return replace(network, fingerprint=f"onnx-{digest[:12]}-v1", note=_note(model, preparation, stated, beside))


def _note(model: str, preparation: Preparation, stated: dict[str, Any], beside: str | None) -> str:
    assumed = {name: getattr(preparation, name) for name in preparation.__dataclass_fields__ if name not in stated}
    if not assumed:
        return ""
    told = ", ".join(f"{name} {json.dumps(value)}" for name, value in assumed.items())
    return f"{model} is taken to want {told}: what else it wants, say in {beside or model + SIDECARS[0]}"


def _input_of(session: Any, name: str) -> Any:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise SettingsError(f"{name} has {len(inputs)} inputs and {len(outputs)} outputs; one of each is needed")
    if inputs[0].type not in _KINDS:
        raise SettingsError(f"{name} takes {inputs[0].type}; it must take {' or '.join(_KINDS)}")
    return inputs[0]


def _try(session: Any, network: OnnxNetwork, name: str) -> None:
    width, height = network.preparation.size
    blank = np.zeros((1, height, width, 3), np.uint8)
    try:
        vectors = _embedded(session, network.preparation, network.batch_size, blank)
    except Exception as error:  # onnxruntime has errors of its own for each thing
        raise SettingsError(f"{name} can't be run on pictures of {width} x {height} ({_line(error)})") from error
    if vectors.shape[1] < 2:
        raise SettingsError(f"{name} gives one number a picture; it must give a vector")


def _embedded(session: Any, prepare: Preparation, batch_size: int, pixels: np.ndarray) -> np.ndarray:
    """Return a vector a picture, float32 (n, d). Every call is a full batch: none depends on how many came with it."""
    taken = session.get_inputs()[0]
    parts = []
    for start in range(0, len(pixels), batch_size):
        some = pixels[start : start + batch_size]
        filled = np.zeros((batch_size, *pixels.shape[1:]), np.uint8)
        filled[: len(some)] = some
        (given,) = session.run(None, {taken.name: prepare.numbers(filled).astype(_KINDS[taken.type], copy=False)})
        if len(given) != batch_size:
            raise ValueError(f"it gives {len(given)} vectors for {batch_size} pictures")
        parts.append(np.asarray(given, np.float32).reshape(batch_size, -1)[: len(some)])
    return np.concatenate(parts)


def _session(content: bytes, threads: int | None, name: str = "the network") -> Any:
    """Return the process's session of a network: one network at a time, as each holds some hundred megabytes."""
    key = hashlib.sha256(content).hexdigest()
    if key not in _SESSIONS:
        onnxruntime = _onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.inter_op_num_threads = 1
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            session = onnxruntime.InferenceSession(content, options, _providers(onnxruntime))
        except Exception as error:
            raise SettingsError(f"{name} is no ONNX model that can be loaded ({_line(error)})") from error
        _SESSIONS.clear()
        _SESSIONS[key] = session
    return _SESSIONS[key]


_SESSIONS: dict[str, Any] = {}


def _providers(onnxruntime: Any) -> list[str]:
    """Return where it runs: on a GPU where the package has been built for one."""
    there = onnxruntime.get_available_providers()
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise SettingsError(f"the method onnx needs onnxruntime: {to_install('onnx')} ({error})") from error
    return onnxruntime


def _sidecar(model: str) -> tuple[dict[str, Any], str | None]:
    """Return what the file beside a network states, and where that is; nothing and None where there is none."""
    for ending in SIDECARS:
        place = f"{model}{ending}"
        content = _read(place)
        if content is not None:
            stated = _parsed(content, place)
            if not isinstance(stated, dict):
                raise SettingsError(f"{place} must hold 'name: value' lines")
            return stated, place
    return {}, None


def _parsed(content: bytes, place: str) -> Any:
    try:
        if place.endswith(".json"):
            return json.loads(content)
        import yaml  # of the extra spark; JSON needs nothing

        return yaml.safe_load(content)
    except ImportError as error:
        raise SettingsError(f"{place} needs PyYAML: {to_install('spark')}, or write it as .json") from error
    except Exception as error:
        raise SettingsError(f"can't read {place}: {_line(error)}") from error


def _read(location: str) -> bytes | None:
    """Return a file's bytes, None where there is none."""
    try:
        filesystem, path = opened(location)
        with filesystem.open_input_file(path) as file:
            return bytes(file.readall())
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException) as error:
        raise SettingsError(f"can't read {location} ({_line(error)}); {_PROVIDE}") from error


def _line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
