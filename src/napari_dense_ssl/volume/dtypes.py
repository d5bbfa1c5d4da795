"""Which types of values can be used, as they are or converted while reading."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_dense_ssl.core.errors import VolumeError


def usable_dtype(dtype: np.dtype[Any], name: str) -> tuple[np.dtype[Any], str | None]:
    """Return the dtype that values are read as, and a note where that is not the stored one.

    All integers stay what they are (wide ones are segmentation ids, which float32 would change), in the
    machine's byte order; float16 and float64 become float32.

    Raises
    ------
    VolumeError
        If the values are boolean, complex, text or records.
    """
    expected = "expected grey values (uint8, uint16, int16, float32)"
    match dtype.kind:
        case "u" | "i":
            return dtype.newbyteorder("="), None
        case "f" if dtype.itemsize <= 4:  # every float16 is a float32
            return np.dtype(np.float32), None
        case "f":
            return np.dtype(np.float32), f"{name} holds {dtype.name}; it is read as float32."
        case "b":
            raise VolumeError(
                f"{name} holds boolean values, {expected}: it looks like a mask; convert it to uint8 labels,"
                " or open the image that it belongs to."
            )
        case "c":
            raise VolumeError(
                f"{name} holds complex values, {expected}; convert it to its magnitude as float32 first."
            )
        case "V" if dtype.names:
            raise VolumeError(
                f"{name} holds records or RGB values, {expected}; convert it to greyscale first."
            )
        case _:
            raise VolumeError(
                f"{name} holds values of type {dtype}, {expected}; convert it to one of these first."
            )
