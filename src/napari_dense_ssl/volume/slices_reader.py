"""A folder of TIFF or PNG slices, in the order of the numbers in their names; or a single PNG."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.volume.pixels import Index
from napari_dense_ssl.volume.reader import Found, Level
from napari_dense_ssl.volume.selection import ONE_SLICE
from napari_dense_ssl.volume.tiff_reader import SUFFIXES as TIFF_SUFFIXES
from napari_dense_ssl.volume.tiff_reader import TiffReader, open_tiff

_SUFFIXES = (*TIFF_SUFFIXES, ".png")


class SlicesReader:
    """Reads a folder in which every image is one slice, or one PNG."""

    def accepts(self, path: Path) -> bool:
        """Whether a folder holds at least one TIFF or PNG, or a file is called a PNG."""
        if path.is_file():
            return _kind(path) == "PNG"
        return path.is_dir() and any(_is_slice(child) for child in path.iterdir())

    def datasets(self, path: Path) -> tuple[str, ...]:
        """Return nothing: the slices are one volume."""
        return ()

    def open(self, path: Path, dataset: str | None) -> Found:
        """List the folder and read the metadata of its first slice."""
        alone = path.is_file()
        files = [path] if alone else sorted(filter(_is_slice, path.iterdir()), key=_natural)
        endings: dict[str, int] = {}
        for file in files:
            endings[_kind(file)] = endings.get(_kind(file), 0) + 1
        if len(endings) > 1:
            found = " and ".join(f"{count} {kind}" for kind, count in sorted(endings.items()))
            raise VolumeError(
                f"The folder {path} holds {found} images, expected slices of one kind; move the others away."
            )
        first = files[0]
        shape, dtype, sizes = _tiff_facts(first) if _kind(first) == "TIFF" else _png_facts(first)
        if len(shape) != 2 and not (len(shape) == 3 and shape[-1] in (2, 3, 4)):
            raise VolumeError(
                f"The slice {first} is {_described(shape)}, expected a 2-D image; open that file by itself."
            )
        pixels = _SlicePixels(files, shape, dtype)
        format_ = "PNG" if alone else f"folder of {_kind(first)} slices"
        axes = "zyx" if len(shape) == 2 else "zyxs"
        return Found(format_, axes, (Level(pixels, sizes),), bool(sizes), {}, notes=(ONE_SLICE,) * alone)


class _SlicePixels:
    """One lazy chunk for each file."""

    def __init__(self, files: list[Path], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._files = files
        self.shape = (len(files), *shape)
        self.dtype = dtype
        self.chunks = (1, *shape)

    def read(self, index: Index) -> np.ndarray[Any, Any]:
        """Decode the slices of a box and cut the box out of each."""
        z, *within = index
        parts = [self._slice(self._files[k])[tuple(within)] for k in range(z.start, z.stop)]
        if not parts:
            return np.empty((0, *(s.stop - s.start for s in within)), self.dtype)
        return np.stack(parts)

    def _slice(self, file: Path) -> np.ndarray[Any, Any]:
        if _kind(file) == "TIFF":
            values: np.ndarray[Any, Any] = tifffile.imread(file).squeeze()
        else:
            values = np.asarray(imagecodecs.png_decode(file.read_bytes()))
        if values.shape != self.shape[1:] or values.dtype.newbyteorder("=") != self.dtype.newbyteorder("="):
            raise VolumeError(
                f"The slice {file} is {_described(values.shape)} of {values.dtype}, the first of its folder"
                f" {_described(self.shape[1:])} of {self.dtype}; move it elsewhere, or pad it."
            )
        return values


def _is_slice(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()


def _kind(path: Path) -> str:
    return "PNG" if path.suffix.lower() == ".png" else "TIFF"


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key in which ``slice_9`` comes before ``slice_10``."""
    return [
        (int(part), "") if part.isdigit() else (0, part.lower()) for part in re.split(r"(\d+)", path.name)
    ]


def _described(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape)


def _tiff_facts(path: Path) -> tuple[tuple[int, ...], np.dtype[Any], dict[str, float]]:
    """Return shape, dtype and pixel size (nm, Y and X) of a slice; its file is closed again."""
    open_tiff(path).close()  # refuses what is no TIFF
    found = TiffReader().open(path, None)
    level = found.levels[0]
    shape = (
        tuple(n for n in level.pixels.shape if n > 1) if len(level.pixels.shape) > 2 else level.pixels.shape
    )
    return shape, level.pixels.dtype, {a: s for a, s in level.scale.items() if a in "yx"}


def _png_facts(path: Path) -> tuple[tuple[int, ...], np.dtype[Any], dict[str, float]]:
    """Return shape and dtype of a slice, from the header that PNGs begin with (PNG specification 11.2).

    The pixel sizes that PNGs give are a screen's or a printer's, so none is taken.
    """
    with path.open("rb") as file:
        start = file.read(26)
    if len(start) < 26 or start[:8] != b"\x89PNG\r\n\x1a\n" or start[12:16] != b"IHDR":
        raise VolumeError(f"The slice {path} is no PNG or is damaged; copy it again, or move it elsewhere.")
    width, height, depth, colour = struct.unpack(">IIBB", start[16:26])
    samples = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(colour, 1)  # grey, RGB, palette, grey and alpha, RGBA
    shape = (height, width) if samples == 1 else (height, width, samples)
    return shape, np.dtype(np.uint16 if depth == 16 else np.uint8), {}
