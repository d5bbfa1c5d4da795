"""TIFF, OME-TIFF, BigTIFF, ImageJ hyperstacks: one file, read page by page."""

from __future__ import annotations

import logging
import threading
import weakref
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.volume.pixels import ArrayPixels, FilePixels, Index, Pixels, first_line
from napari_dense_ssl.volume.reader import Found, Level
from napari_dense_ssl.volume.units import nanometres

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".tf2")
_AXES = {"S": "s", "C": "c", "T": "t", "Z": "z", "Y": "y", "X": "x"}


class TiffReader:
    """Reads one TIFF file of any flavour with its first image series."""

    def accepts(self, path: Path) -> bool:
        """Whether a file is called a TIFF, or begins like one."""
        if not path.is_file():
            return False
        if path.suffix.lower() in SUFFIXES:
            return True
        with path.open("rb") as file:
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

    def datasets(self, path: Path) -> tuple[str, ...]:
        """Return nothing: the first series is the image."""
        return ()

    def open(self, path: Path, dataset: str | None) -> Found:
        """Read the page table's ends and the metadata; see :class:`Reader`."""
        tiff = open_tiff(path)
        try:
            return self._found(tiff, path)
        except (ValueError, IndexError, KeyError, TypeError, OSError, ElementTree.ParseError) as error:
            tiff.close()
            raise _damaged(path, error) from error
        except VolumeError:
            tiff.close()
            raise

    def _found(self, tiff: tifffile.TiffFile, path: Path) -> Found:
        with _complaints() as complaints:
            empty = not tiff.pages or not tiff.series
        if any("invalid page offset" in complaint for complaint in complaints):
            raise _damaged(path, ValueError("its list of pages breaks off"))
        if empty:
            raise VolumeError(
                f"The TIFF file {path} has no pages; expected a stack of slices, copy it again."
            )
        series = tiff.series[0]
        check_whole(tiff, series, path)
        axes = "".join(_AXES.get(letter, "?") for letter in series.axes)
        if axes.count("?") == 1 and "z" not in axes:
            axes = axes.replace("?", "z")  # pages without a meaning (I, Q) are slices
        sizes = _voxel_size(tiff, series)
        handle = _Handle(tiff)
        levels = []
        for level in series.levels:
            factor = {a: n / m for a, n, m in zip(axes, series.shape, level.shape, strict=True) if a in "zyx"}
            scale = {a: size * factor[a] for a, size in sizes.items() if a in factor}
            levels.append(Level(_pixels(handle, level, path), scale))
        notes = (f"It holds {len(tiff.series)} images; the first is read.",) if len(tiff.series) > 1 else ()
        kind = "OME-TIFF" if tiff.is_ome else "ImageJ TIFF" if tiff.is_imagej else "TIFF"
        kind = kind.replace("TIFF", "BigTIFF") if tiff.is_bigtiff else kind
        return Found(kind, axes, tuple(levels), bool(sizes), {}, notes=notes)


class _Handle:
    """Keeps a TIFF open for the pixels that read from it, and closes it after the last of them."""

    def __init__(self, tiff: tifffile.TiffFile) -> None:
        self.tiff = tiff
        self.lock = threading.Lock()
        tiff.filehandle.set_lock(True)
        weakref.finalize(self, tiff.close)


class _PagePixels:
    """Pages of a series, decoded one by one; several threads decode at once."""

    def __init__(self, handle: _Handle, series: tifffile.TiffPageSeries) -> None:
        self._handle = handle
        self._pages = series.pages
        self.shape: tuple[int, ...] = tuple(series.shape)
        self.dtype: np.dtype[Any] = np.dtype(series.dtype)
        page = series.keyframe.shape
        self._lead = self.shape[: len(self.shape) - len(page)]
        self.chunks: tuple[int, ...] = (1,) * len(self._lead) + tuple(page)

    def read(self, index: Index) -> np.ndarray[Any, Any]:
        """Decode the pages of a box, and cut the box out of each."""
        lead, inside = index[: len(self._lead)], index[len(self._lead) :]
        counts = [s.stop - s.start for s in lead]
        out = np.empty([*counts, *(s.stop - s.start for s in inside)], self.dtype)
        for position in np.ndindex(*counts):
            place = tuple(p + s.start for p, s in zip(position, lead, strict=True))
            number = int(np.ravel_multi_index(place, self._lead)) if self._lead else 0
            with self._handle.lock:  # the page table is parsed while it is read
                page = self._pages[number]
            out[position] = 0 if page is None else page.asarray()[inside]
        return out


class _StorePixels(ArrayPixels):
    """A tiled level through tifffile's Zarr store, which decodes only the tiles that are touched."""

    def __init__(self, handle: _Handle, series: tifffile.TiffPageSeries) -> None:
        store = series.aszarr(level=0)
        array = zarr.open_array(store, mode="r")
        super().__init__(array, array.chunks)
        self._handle = handle
        weakref.finalize(self, store.close)


def _pixels(handle: _Handle, series: tifffile.TiffPageSeries, path: Path) -> Pixels:
    """Choose the way that reads least: the file's bytes, tiles, or whole pages."""
    contiguous = series.dataoffset
    if contiguous is not None and not series.keyframe.is_tiled and series.keyframe.fillorder == 1:
        dtype = np.dtype(series.dtype).newbyteorder(handle.tiff.byteorder)
        return FilePixels(path, dtype, contiguous, tuple(series.shape))
    if series.keyframe.is_tiled:
        return _StorePixels(handle, series)
    return _PagePixels(handle, series)


def open_tiff(path: Path) -> tifffile.TiffFile:
    """Open a TIFF file; the caller closes it.

    Raises
    ------
    VolumeError
        If it is none, or is damaged.
    """
    try:
        return tifffile.TiffFile(path)
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError) as error:
        with path.open("rb") as file:
            start = file.read(4)
        if start[:2] in (b"II", b"MM"):
            raise _damaged(path, error) from error
        raise VolumeError(
            f"{path} is called a TIFF but is none (it begins with {start!r}); open the file that holds the"
            " image, or give this one its true ending."
        ) from error


def check_whole(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> None:
    """Raise :class:`VolumeError` where the file ends before its last page does."""
    size = tiff.filehandle.size
    end = 0
    if series.dataoffset is not None:
        end = series.dataoffset + series.nbytes
    else:
        last = series.pages[-1]
        if last is not None:
            end = max((o + n for o, n in zip(last.dataoffsets, last.databytecounts, strict=True)), default=0)
    if end > size:
        raise VolumeError(
            f"The TIFF file {path} is truncated: it has {size:,} bytes, its pages need {end:,}; copy it"
            " again."
        )


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what tifffile logs in this thread where it raises nothing: it becomes a sentence."""
    said: list[str] = []
    thread = threading.get_ident()

    def listen(record: logging.LogRecord) -> bool:
        if record.thread == thread:
            said.append(record.getMessage())
        return record.thread != thread

    logger = logging.getLogger("tifffile")
    logger.addFilter(listen)
    try:
        yield said
    finally:
        logger.removeFilter(listen)


def _damaged(path: Path, error: BaseException) -> VolumeError:
    return VolumeError(f"The TIFF file {path} is truncated or damaged ({first_line(error)}); copy it again.")


def _voxel_size(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> dict[str, float]:
    """Return voxel edge lengths in nm by axis; only what comes with a unit of length is trusted."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome_size(tiff.ome_metadata)
    if tiff.is_imagej:
        meta = tiff.imagej_metadata or {}
        factor = nanometres(str(meta.get("unit", "")))
        if factor is None:
            return {}
        sizes = {a: size * factor for a, size in _tag_size(series).items()}
        spacing = meta.get("spacing")
        if isinstance(spacing, int | float) and spacing > 0:
            sizes["z"] = float(spacing) * factor
        return sizes
    tag = series.keyframe.tags.get("ResolutionUnit")  # inch by default, which no one means
    unit = {2: 25.4e6, 3: 10e6}.get(int(tag.value)) if tag is not None else None  # inch, centimetre
    sizes = _tag_size(series)
    # 72 to 600 dots an inch are printers' defaults, not a microscope's
    if unit is None or not sizes or max(sizes.values()) * unit > 40e3:
        return {}
    return {a: size * unit for a, size in sizes.items()}


def _tag_size(series: tifffile.TiffPageSeries) -> dict[str, float]:
    """Return pixel edge lengths from the resolution tags (pixels a unit), in that unit."""
    tags = series.keyframe.tags
    sizes: dict[str, float] = {}
    for axis, name in (("y", "YResolution"), ("x", "XResolution")):
        tag = tags.get(name)
        if tag is not None and tag.value[0] > 0 and tag.value[1] > 0:
            sizes[axis] = tag.value[1] / tag.value[0]
    return sizes


def _ome_size(xml: str) -> dict[str, float]:
    """Return the pixel size of the first OME image in nm (µm where no unit is given, as OME says)."""
    images = [e for e in ElementTree.fromstring(xml).iter() if e.tag.endswith("}Pixels") or e.tag == "Pixels"]
    if not images:
        return {}
    sizes: dict[str, float] = {}
    for axis in "zyx":
        value = images[0].get(f"PhysicalSize{axis.upper()}")
        factor = nanometres(images[0].get(f"PhysicalSize{axis.upper()}Unit", "µm"))
        if value is not None and factor is not None and float(value) > 0:
            sizes[axis] = float(value) * factor
    return sizes
