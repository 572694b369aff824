"""How a network of one's own wants its pictures: read from a file beside it, or from the shape that it declares."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dedup_core.errors import SettingsError, nearest
from dedup_core.images.picture import Picture

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DEFAULT_SIDE = 224
LAYOUTS, ORDERS, RESIZES = ("NCHW", "NHWC"), ("RGB", "BGR"), ("stretch", "crop")
_COLOURS = 3
_ANY = -1  # where any side may be, if it has no name
_MOST_SIDE = 4096


@dataclass(frozen=True)
class Preparation:
    """What is done to a picture before a network sees it.

    Attributes:
        size: width and height of what the network sees.
        layout: "NCHW" or "NHWC", in which the numbers lie.
        channels: "RGB" or "BGR", their order.
        mean: of each channel as the network has it, where white is 1: what is subtracted.
        std: by what it is then divided.
        resize: "stretch" makes the whole picture of that size, "crop" its middle, as large as it fits.
    """

    size: tuple[int, int] = (DEFAULT_SIDE, DEFAULT_SIDE)
    layout: str = "NCHW"
    channels: str = "RGB"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    resize: str = "stretch"

    @classmethod
    def of(cls, stated: Mapping[str, Any], shape: Sequence[Any], where: str) -> Preparation:
        """Return what is stated, and for the rest what the network's input declares.

        Args:
            stated: by the file beside the network; empty where there is none.
            shape: of the network's input: whole numbers, and anything else where any number may be.
            where: what to call the file in a message.

        Raises:
            SettingsError: if something is stated that there is not or can't be, or the input takes no pictures.
        """
        if unknown := [str(name) for name in stated if name not in cls.__dataclass_fields__]:
            raise SettingsError(
                f"{where}: unknown setting {unknown[0]!r}: {nearest(unknown[0], cls.__dataclass_fields__)}"
            )
        layout = _one_of(stated, "layout", LAYOUTS, where) or _layout_of(shape)
        size = _size(stated["size"], where) if "size" in stated else _size_of(shape, layout)
        made = cls(
            size,
            layout,
            _one_of(stated, "channels", ORDERS, where) or ORDERS[0],
            _three(stated, "mean", IMAGENET_MEAN, where),
            _three(stated, "std", IMAGENET_STD, where),
            _one_of(stated, "resize", RESIZES, where) or RESIZES[0],
        )
        if min(made.std) <= 0:
            raise SettingsError(f"{where}: std must be above 0, not {list(made.std)}")
        for name in ("mean", "std"):
            if max(map(abs, values := getattr(made, name))) > 1:
                raise SettingsError(
                    f"{where}: {name} must be -1 to 1, where white is 1, not {list(values)}: of numbers to 255, as "
                    "123.7, write the 255th part, as 0.485"
                )
        made.check(shape, where)
        return made

    def check(self, shape: Sequence[Any], where: str) -> None:
        """Refuse a network whose input is of another shape.

        Raises:
            SettingsError: with both.
        """
        if len(shape) != 4 or not (_may_be(shape[1], _COLOURS) or _may_be(shape[3], _COLOURS)):
            raise SettingsError(
                f"{where}: the network takes {list(shape)}; it must take colour pictures, [n, 3, height, width] or "
                "[n, height, width, 3]"
            )
        if not all(map(_may_be, shape[1:], self.shape)):
            raise SettingsError(
                f"{where}: the network takes {list(shape)}, and pictures are prepared as {['n', *self.shape]}: set "
                "size and layout in a file beside it"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one picture, as the network sees it."""
        width, height = self.size
        return (_COLOURS, height, width) if self.layout == "NCHW" else (height, width, _COLOURS)

    @property
    def text(self) -> str:
        """What identifies it, in one line."""
        return json.dumps({name: getattr(self, name) for name in self.__dataclass_fields__})

    def pixels(self, picture: Picture) -> np.ndarray:
        """Return a picture of `size`, uint8 (height, width, 3), RGB."""
        if self.resize == "stretch":
            return picture.rgb(self.size)
        width, height = self.size
        ratio = max(width / picture.width, height / picture.height)
        whole = max(width, round(picture.width * ratio)), max(height, round(picture.height * ratio))
        left, top = (whole[0] - width) // 2, (whole[1] - height) // 2
        return np.ascontiguousarray(picture.rgb(whole)[top : top + height, left : left + width])

    def numbers(self, pixels: np.ndarray) -> np.ndarray:
        """Return pixels as the network takes them: uint8 (n, height, width, 3) to float32 (n, *shape)."""
        ordered = pixels if self.channels == "RGB" else pixels[..., ::-1]
        mean, std = (np.array(values, np.float32) for values in (self.mean, self.std))
        scaled = (ordered.astype(np.float32) / np.float32(255) - mean) / std
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2) if self.layout == "NCHW" else scaled)


def _may_be(side: Any, wanted: int) -> bool:
    """Return whether a declared side is the one that is wanted, or any may be there."""
    return not isinstance(side, int) or side in (wanted, _ANY)


def _layout_of(shape: Sequence[Any]) -> str:
    return "NHWC" if len(shape) == 4 and shape[3] == _COLOURS != shape[1] else "NCHW"


def _size_of(shape: Sequence[Any], layout: str) -> tuple[int, int]:
    if len(shape) != 4:
        return DEFAULT_SIDE, DEFAULT_SIDE
    height, width = shape[2:4] if layout == "NCHW" else shape[1:3]
    sides = (side if isinstance(side, int) and side != _ANY else DEFAULT_SIDE for side in (width, height))
    return next(sides), next(sides)


def _size(value: Any, where: str) -> tuple[int, int]:
    sides = [value, value] if isinstance(value, int) else value
    is_size = isinstance(sides, list) and len(sides) == 2 and all(type(side) is int for side in sides)
    if not is_size or not all(1 <= side <= _MOST_SIDE for side in sides):
        raise SettingsError(f"{where}: size must be a side, or [width, height], of 1 to {_MOST_SIDE}, not {value!r}")
    return sides[0], sides[1]


def _one_of(stated: Mapping[str, Any], name: str, known: Sequence[str], where: str) -> str | None:
    value = stated.get(name)
    if value is not None and value not in known:
        raise SettingsError(f"{where}: {name} must be {' or '.join(known)}, not {value!r}")
    return value


def _three(stated: Mapping[str, Any], name: str, default: tuple[float, ...], where: str) -> tuple[float, ...]:
    values = stated.get(name, list(default))
    is_number = isinstance(values, list) and all(type(value) in (int, float) for value in values)
    if not is_number or len(values) != _COLOURS or not np.isfinite(values).all():
        raise SettingsError(f"{where}: {name} must be three numbers, not {values!r}")
    return tuple(float(value) for value in values)
