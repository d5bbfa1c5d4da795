"""Maps of a slice while training goes on: the live one in the window, and pictures in the run folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import torch

from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.core.events import Beat, Preview
from napari_dense_ssl.core.geometry import Box, Grid
from napari_dense_ssl.core.tiles import tiles
from napari_dense_ssl.model import DenseEncoder, Device
from napari_dense_ssl.volume import Intensity, Volume

WINDOWS = {"cpu": 560, "cuda": 1024, "mps": 512}
"""Edge of the tiles that a map is made of, px, by the kind of device."""

SMALLEST_WINDOW = 128
"""Below this edge, px, a map would be halo for the most part."""

_MOST_EDGE = 1024
"""Edge of the largest preview, px: its middle is shown where more is in view."""


def preview(
    encoder: DenseEncoder,
    device: Device,
    volume: Volume,
    intensity: Intensity,
    view: Box,
    step: int,
    window: int | None = None,
) -> Iterator[Beat | Preview]:
    """Compute the class map of a part of one slice, tile by tile; the map comes last, in one piece.

    Parameters
    ----------
    encoder : DenseEncoder
        Put into evaluation mode.
    device : Device
    volume : Volume
    intensity : Intensity
        What the training normalises with.
    view : Box
        One slice; cut down to its middle 1024 x 1024 px.
    step : int
        Passed on to the event.
    window : int, optional
        Edge of the tiles, px; by default the device's of :data:`WINDOWS`.
    """
    encoder.eval()
    box = _middle(view.intersect(Box.whole(volume.shape)))
    if box.size == 0:
        return
    z = box.start[0]
    plane = volume.shape[1:]
    low, high = box.start[1:], box.stop[1:]
    classes = np.zeros(box.shape[1:], dtype=np.uint8)
    wanted = ((low[0], high[0]), (low[1], high[1]))
    halo = encoder.default_halo
    window = max(WINDOWS[device.kind] if window is None else window, 4 * halo)
    for tile in tiles(plane, wanted, window=window, halo=halo, multiple=encoder.multiple):
        (y0, y1), (x0, x1) = tile.outer
        inside = Box((z, y0, x0), (z + 1, min(y1, plane[0]), min(x1, plane[1])))
        pixels = intensity.normalise(volume.read_around(inside, encoder.slices // 2))
        missing = ((0, 0), (0, y1 - inside.stop[1]), (0, x1 - inside.stop[2]))
        pixels = np.pad(pixels, missing, mode="symmetric")
        with torch.inference_mode(), device.autocast():
            image = device.to_device(torch.from_numpy(pixels)[None])
            best = encoder(image.contiguous(memory_format=torch.channels_last)).logits[0].argmax(0)
        (a, b), (c, d) = tile.inner
        found = best[tile.crop_slices].to(torch.uint8).cpu().numpy()
        classes[a - low[0] : b - low[0], c - low[1] : d - low[1]] = found + 1
        yield Beat()
    yield Preview(z=z, box=box, grid=Grid((float(low[0]), float(low[1]))), classes=classes, step=step)


def save_picture(path: Path, classes: np.ndarray[Any, Any]) -> None:
    """Write a class map, shape (Y, X) of argmax + 1, uint8, as a PNG in distinct colours."""
    palette = np.round(255 * class_colours()[:, :3]).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    imageio.imwrite(path, palette[classes])


def _middle(box: Box) -> Box:
    start, stop = list(box.start), list(box.stop)
    for axis in (1, 2):
        surplus = stop[axis] - start[axis] - _MOST_EDGE
        if surplus > 0:
            start[axis] += surplus // 2
            stop[axis] = start[axis] + _MOST_EDGE
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
