"""Volumes as napari layers, and layers of any reader as volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pint

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.core.geometry import VoxelSize

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_dense_ssl.volume import Volume

KEY = "napari-dense-ssl"
"""Under this key our layers keep in their metadata where they come from."""

UNITS = ("nm", "nm", "nm")
AXES = ("z", "y", "x")


def nanometres(unit: Any) -> float | None:
    """Return how long one unit of a layer's axis is, nm; None where it is no length (a pixel)."""
    registry: Any = pint.application_registry
    try:
        return float(registry.Quantity(1, unit).to("nm").magnitude)
    except (pint.DimensionalityError, pint.UndefinedUnitError):
        return None


def volume_name(volume: Volume) -> str:
    """Return a short name for a layer: the file's, and the dataset's where there is one."""
    stem = Path(volume.source.split("?")[0].rstrip("/")).name
    for ending in (".zarr", ".tif", ".tiff", ".h5", ".hdf5", ".hdf", ".mrc", ".rec", ".ome"):
        stem = stem.removesuffix(ending)
    return f"{stem} {volume.dataset}" if volume.dataset else stem


def volume_metadata(volume: Volume) -> dict[str, Any]:
    """Return what a layer's metadata keep of a volume, so that it can be opened again."""
    if volume.format == "array":
        return {KEY: {"format": volume.format}}
    return {
        KEY: {
            "source": volume.source,
            "dataset": volume.dataset,
            "format": volume.format,
            "voxel_size_known": volume.voxel_size_known,
            "array": volume.levels[0].name,
        }
    }


def spatial(volume: Volume) -> dict[str, Any]:
    """Return the keywords that place a volume's layer in the world (nm, centre of voxel 0).

    Where the voxel size is not known the unit is the pixel: a scale bar must not show guessed lengths.
    """
    return {
        "scale": tuple(volume.voxel_size),
        "translate": volume.translation,
        "units": UNITS if volume.voxel_size_known else ("pixel",) * 3,
        "axis_labels": AXES,
    }


def looks_like_labels(volume: Volume) -> bool:
    """Whether a volume holds labels: wide integers, or the file, its path or its dataset says so."""
    words = f"{Path(volume.source.split('?')[0]).name}/{volume.dataset or ''}".lower()
    named = any(word in words for word in ("label", "segmentation", "neurons", "-gt.", "_gt."))
    return volume.dtype.kind in "ui" and (volume.labels or named or volume.dtype.itemsize > 2)


def layer_data(volume: Volume) -> tuple[Any, dict[str, Any], str]:
    """Return ``(data, keywords, kind)`` as napari's readers do; reads no more than a lazy sample.

    The error and confidence maps that a prediction wrote are marked ``predicted`` in the metadata.

    Raises
    ------
    VolumeError
        If the file is damaged where the sample was taken.
    """
    from napari_dense_ssl.volume import is_prediction

    many = len(volume.levels) > 1
    keywords: dict[str, Any] = {
        "name": volume_name(volume),
        "metadata": volume_metadata(volume),
        "multiscale": many,
        **spatial(volume),
    }
    data = list(volume.levels) if many else volume.levels[0]
    if looks_like_labels(volume):
        return data, keywords | _class_keywords(volume, keywords["metadata"]), "labels"
    if volume.format.startswith("OME-Zarr") and is_prediction(volume.source):
        keywords["metadata"][KEY]["predicted"] = True
    intensity = volume.intensity()
    low, high = float(intensity.low), float(intensity.high)
    # napari refuses equal limits; a constant volume is shown as mid-grey.
    keywords["contrast_limits"] = (low, high) if high > low else (low - 0.5, low + 0.5)
    keywords["colormap"] = "gray"
    return data, keywords, "image"


def _class_keywords(volume: Volume, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the colours, names and groups that lie beside a class map, as keywords of its layer."""
    from napari_dense_ssl.volume.class_labels import found_map_classes

    if volume.dtype != "uint8" or not volume.format.startswith("OME-Zarr"):
        return {}
    saved = found_map_classes(volume.source, volume.dataset)
    if saved is None:
        return {}
    book = saved.book
    colours: dict[int | None, Any] = {None: (0.0, 0.0, 0.0, 0.0)}
    colours |= {label: tuple(colour) for label, colour in enumerate(book.table().tolist())}
    names = [book.name(k) for k in range(book.classes)]
    return {
        "colormap": colours,
        "features": {
            "class": ["not predicted", *names],
            "group": [0, *(number + 1 for number in book.index)],
        },
        "metadata": {KEY: metadata[KEY] | {"classes": saved}},
    }


@dataclass(frozen=True)
class LayerSource:
    """What was read off an image layer in the main thread, so that a worker need not touch it.

    Attributes
    ----------
    name : str
        The layer's name at that moment.
    identity : str
        napari's unique id, which outlives renaming.
    levels : tuple
        The arrays, finest first.
    scale : tuple of float
        Edge lengths of a voxel in the layer's units.
    voxel_size : VoxelSize or None
        In nm; None where the layer has pixels for units.
    placement : mapping
        Keywords that put a layer of ours in the same place in the world: scale, translate, units, axis
        labels, rotation, shear and affine.
    recorded : mapping
        Where our own reader took it from; empty where another did, or its data were replaced since.
    """

    name: str
    identity: str
    levels: tuple[Any, ...]
    rgb: bool
    scale: tuple[float, ...]
    voxel_size: VoxelSize | None
    translation: tuple[float, ...]
    placement: Mapping[str, Any]
    recorded: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the finest level."""
        return tuple(int(n) for n in self.levels[0].shape)

    def same_pixels(self, other: LayerSource) -> bool:
        """Whether another look at a layer found the same layer, arrays and voxel size."""
        return (
            self.identity == other.identity
            and self.voxel_size == other.voxel_size
            and len(self.levels) == len(other.levels)
            and all(a is b for a, b in zip(self.levels, other.levels, strict=True))
        )

    def check(self) -> None:
        """Raise :class:`VolumeError` unless the layer is a stack of grey-value slices."""
        if self.rgb:
            raise VolumeError(
                f"The layer {self.name} is a colour (RGB) image, expected grey values. Open its file in the "
                "Volume dock, which reads the luminance; or split its channels (right click) and choose one."
            )
        if len(self.shape) == 2:
            raise VolumeError(
                f"The layer {self.name} has 2 axes, shape {self.shape}; expected a stack (Z, Y, X). "
                "Open its file in the Volume dock, which makes a volume of one slice of it."
            )
        if len(self.shape) != 3:
            raise VolumeError(
                f"The layer {self.name} has {len(self.shape)} axes, shape {self.shape}; expected a stack of "
                "slices with axes Z, Y, X. Split channels or time points, and choose one."
            )

    def open(self) -> Volume:
        """Return the layer's volume, from its file where our reader made the layer; any thread may.

        Raises
        ------
        VolumeError
            If the layer is no stack of grey-value slices, or its file is gone.
        """
        from napari_dense_ssl.volume import Volume, open_volume

        self.check()
        if self.recorded:
            volume = open_volume(
                self.recorded["source"], dataset=self.recorded["dataset"], voxel_size=self.voxel_size
            )
            if volume.shape == self.shape:
                return volume
        size = self.voxel_size or VoxelSize(*self.scale)
        z, y, x = self.translation
        return Volume.from_arrays(
            self.levels, voxel_size=size, translation=(z, y, x), source=f"the layer {self.name}"
        )


def layer_source(layer: Layer) -> LayerSource:
    """Read off an image layer what a job needs (main thread only)."""
    levels = tuple(layer.data) if layer.multiscale else (layer.data,)
    recorded = dict(layer.metadata.get(KEY, {}))
    lengths = [nanometres(unit) for unit in layer.units]
    scale = tuple(float(s) for s in layer.scale)
    voxel_size, translation = None, tuple(float(t) for t in layer.translate)
    if len(scale) == 3 and all(lengths):
        voxel_size = VoxelSize(*(s * (n or 1.0) for s, n in zip(scale, lengths, strict=True)))
        translation = tuple(t * (n or 1.0) for t, n in zip(translation, lengths, strict=True))
    return LayerSource(
        name=str(layer.name),
        identity=str(layer.unique_id),
        levels=levels,
        rgb=bool(getattr(layer, "rgb", False)),
        scale=scale,
        voxel_size=voxel_size,
        translation=translation,
        placement={
            "scale": scale,
            "translate": tuple(float(t) for t in layer.translate),
            "units": tuple(str(unit) for unit in layer.units),
            "axis_labels": tuple(layer.axis_labels),
            "rotate": layer.rotate,
            "shear": layer.shear,
            "affine": layer.affine.affine_matrix,
        },
        # An array that the user put in the place of the file's has another name, or none.
        recorded=recorded
        if "source" in recorded and recorded.get("array") == getattr(levels[0], "name", None)
        else {},
    )
