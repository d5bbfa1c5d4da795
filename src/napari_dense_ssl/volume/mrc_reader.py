"""MRC and REC files of electron tomography, memory-mapped."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import mrcfile.utils
import numpy as np

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.volume.pixels import FilePixels
from napari_dense_ssl.volume.reader import Found, Level
from napari_dense_ssl.volume.warn import quiet

_SUFFIXES = (".mrc", ".rec", ".map", ".st", ".ali", ".preali")
_HEADER = 1024
_ANGSTROM = 0.1  # nm


class MrcReader:
    """Reads MRC2014 and older IMOD files."""

    def accepts(self, path: Path) -> bool:
        """Whether a file has a name that MRC files have."""
        return path.is_file() and path.suffix.lower() in _SUFFIXES

    def datasets(self, path: Path) -> tuple[str, ...]:
        """Return nothing: a file is one volume."""
        return ()

    def open(self, path: Path, dataset: str | None) -> Found:
        """Read the header."""
        try:
            # Old and IMOD headers break the letter of MRC2014: permissive reads them and warns.
            with (
                quiet(RuntimeWarning),
                mrcfile.open(path, mode="r", permissive=True, header_only=True) as mrc,
            ):
                header = mrc.header.copy()
            dtype = mrcfile.utils.data_dtype_from_header(header)
            shape = mrcfile.utils.data_shape_from_header(header)
        except (ValueError, OverflowError) as error:
            raise VolumeError(
                f"{path} is no MRC file or its header is damaged ({error}); copy it again, or choose another."
            ) from error
        offset = _HEADER + int(header.nsymbt)
        need, size = offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize, path.stat().st_size
        if min(shape) < 1 or need > size:
            raise VolumeError(
                f"The MRC file {path} is truncated or damaged: it has {size:,} bytes, its header asks for"
                f" {need:,}; copy it again."
            )
        cells = {"z": header.cella.z, "y": header.cella.y, "x": header.cella.x}
        counts = {"z": header.mz, "y": header.my, "x": header.mx}
        known = all(float(cells[a]) > 0 and int(counts[a]) > 0 for a in "zyx")
        scale = {a: float(cells[a]) / int(counts[a]) * _ANGSTROM for a in "zyx"} if known else {}
        # cells as long as their counts are what programs write that know no size
        if known and all(float(cells[a]) == int(counts[a]) for a in "zyx"):
            scale = {}
        origin = {a: float(header.origin[a]) * _ANGSTROM for a in "zyx"} if scale else {}
        axes = {2: "yx", 3: "zyx", 4: "?zyx"}[len(shape)]
        pixels = FilePixels(path, np.dtype(dtype), offset, tuple(shape))
        return Found("MRC", axes, (Level(pixels, scale),), bool(scale), origin)
