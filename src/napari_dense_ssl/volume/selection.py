"""From the axes of a file to ``(Z, Y, X)``: what is dropped silently, chosen, or refused with advice."""

from __future__ import annotations

from collections.abc import Sequence

from napari_dense_ssl.core.errors import PlaneChoiceError, VolumeError
from napari_dense_ssl.volume.dtypes import usable_dtype
from napari_dense_ssl.volume.pixels import PlanarPixels
from napari_dense_ssl.volume.reader import Found

_NAMES = {"c": "channels", "t": "time points", "s": "colour samples", "?": "planes of an unknown axis"}
_CHOICES = {"c": "channel", "t": "timepoint"}

ONE_SLICE = "It is a 2-D image, read as a volume of one slice."
COLOURS = (
    "It is a colour image, of which the luminance is read (0.2125 red + 0.7154 green + 0.0721 blue); for "
    "another mixture, convert it to greyscale first."
)


def planar(
    found: Found, name: str, *, channel: int | None = None, timepoint: int | None = None
) -> tuple[list[PlanarPixels], list[str]]:
    """Return the levels of what was found as ``(Z, Y, X)`` pixels, and notes for the user.

    Axes of length 1 are dropped; longer channel and time axes need an index. A 2-D image is one slice, and of
    colours the luminance is read.

    Parameters
    ----------
    found : Found
        What the reader found.
    name : str
        What messages call it.
    channel, timepoint : int, optional
        Which to take.

    Raises
    ------
    PlaneChoiceError
        If there are several channels or time points and none was chosen.
    VolumeError
        If the image has another long axis, or a dtype that cannot be used.
    """
    first = found.levels[0].pixels
    axes, notes = stacked_axes(found.axes, first.shape)
    shape = " × ".join(str(n) for n in first.shape)
    dtype, note = usable_dtype(first.dtype, name)
    fixed: dict[str, int] = {}
    for axis, length in zip(axes, first.shape, strict=True):
        if axis in "zyx":
            continue
        if axis == "s" and length > 1:  # of grey and alpha, grey
            if length > 2:
                notes = [*notes, COLOURS]
            fixed[axis] = 0
            continue
        index = {"c": channel, "t": timepoint}.get(axis)
        if index is None and length > 1:
            what = f"{name} has {len(axes)} axes, with {length} {_NAMES[axis]} ({shape}), expected one stack"
            if axis in _CHOICES:
                raise PlaneChoiceError(
                    f"{what} of slices (Z, Y, X); choose one of them ({_CHOICES[axis]} 0 to {length - 1}).",
                    _CHOICES[axis],
                    length,
                )
            raise VolumeError(f"{what} of slices (Z, Y, X); save the stack that you want by itself.")
        if index is not None and not 0 <= index < length:
            raise VolumeError(
                f"{name} has {length} {_NAMES[axis]}, but {_CHOICES[axis]} {index} was asked for; choose one"
                f" from 0 to {length - 1}."
            )
        fixed[axis] = index or 0
    if not {"y", "x"} <= set(axes):
        raise VolumeError(
            f"{name} has {len(axes)} axes ({shape}), expected a stack (Z, Y, X) or an image (Y, X); "
            "choose another file."
        )
    if "z" not in axes:
        notes = [*notes, ONE_SLICE]
    if 0 in first.shape:
        raise VolumeError(
            f"{name} is empty ({shape}), expected at least one voxel; choose another file or dataset."
        )
    pixels = [PlanarPixels(level.pixels, axes, fixed, dtype, name) for level in found.levels]
    return pixels, notes + ([f"{note}"] if note else [])


def stacked_axes(axes: str, shape: Sequence[int]) -> tuple[str, list[str]]:
    """Return the axes with the only long one beside Y and X called Z, and a note where it had another name.

    Stacks are often saved as time series, or as channels (of which there are more than four then).

    Examples
    --------
    >>> stacked_axes("tcyx", (30, 1, 512, 512))
    ('zcyx', ['It has no Z axis; its 30 time points are read as slices.'])
    """
    long = [axis for axis, n in zip(axes, shape, strict=True) if n > 1 and axis not in "yx"]
    if "z" not in axes and len(long) == 1:
        count = shape[axes.index(long[0])]
        if long[0] == "t" or (long[0] == "c" and count > 4):
            notes = [f"It has no Z axis; its {count} {_NAMES[long[0]]} are read as slices."]
            return axes.replace(long[0], "z"), notes
    return axes, []


def unnamed_axes(shape: Sequence[int]) -> str:
    """Name the axes of an array that comes without names.

    The last three are Z, Y, X, before them channel and time; a last axis of 3 or 4 behind two long ones is
    a colour.

    Examples
    --------
    >>> [unnamed_axes(shape) for shape in ((9, 9), (9, 9, 9), (2, 9, 9, 9), (9, 64, 64, 3), (64, 64, 3))]
    ['yx', 'zyx', 'czyx', 'zyxs', 'yxs']
    """
    ndim = len(shape)
    if ndim in (3, 4) and shape[-1] in (3, 4) and min(shape[-3:-1]) > 16:
        return "zyxs"[4 - ndim :]
    if ndim < 2:
        return "x"[:ndim]
    return "?" * max(0, ndim - 5) + "tczyx"[-min(ndim, 5) :]
