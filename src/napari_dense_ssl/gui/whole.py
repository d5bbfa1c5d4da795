"""A whole volume to OME-Zarr from the Classes dock: where to, is there room, and its layers at the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_dense_ssl.gui.class_model import ClassModel
from napari_dense_ssl.gui.fields import size_text
from napari_dense_ssl.gui.layers import KEY, LayerSource
from napari_dense_ssl.gui.map_array import Threshold, TrustedMap
from napari_dense_ssl.gui.results import (
    CLASSES_LOOK,
    CLASSES_MEAN,
    ERROR_LOOK,
    ERROR_MEANS,
    add_over,
    error_limit,
    is_result,
)

if TYPE_CHECKING:
    from napari import Viewer

_KEPT = ("name", "opacity", "visible", "blending")  # of the layers that those from disk take the place of


def ask_where(
    parent: QWidget, suggestion: Path, title: str = "OME-Zarr to write, or an unfinished one to go on with"
) -> Path | None:
    """Ask for the OME-Zarr to write, or an unfinished one to go on with; None where the user does not say."""
    text, _ = QFileDialog.getSaveFileName(
        parent,
        title,
        str(suggestion),
        "OME-Zarr (*.zarr)",
        options=QFileDialog.Option.DontConfirmOverwrite,
    )
    if not text:
        return None
    return Path(text) if text.endswith(".zarr") else Path(f"{text}.zarr")


def room_for(out: Path, shape: tuple[int, ...], what: tuple[str, ...]) -> str:
    """Return a sentence about the room on the disk; begins with a warning where it may not be enough.

    Class maps compress to a tenth or less, errors hardly: the sentence gives what they take at most.
    """
    voxels = int(np.prod(shape, dtype=np.int64))
    most = voxels * 4 / 3 * (3 if "error" in what else 2)  # a byte, and two for error or confidence; pyramids
    place = next((p for p in out.absolute().parents if p.is_dir()), Path.home())
    free = shutil.disk_usage(place).free
    text = f"takes up to {size_text(most)}, {size_text(free)} are free on that disk"
    return f"It may not fit: it {text}." if free < most else f"It {text}."


def add_output(
    viewer: Viewer,
    found: dict[str, tuple[Any, dict[str, Any]]],
    source: LayerSource,
    run: str,
    out: Path,
    model: ClassModel,
    threshold: Threshold,
) -> dict[str, Any]:
    """Add the layers of an output on disk in the place of earlier ones of the same run and image.

    Parameters
    ----------
    viewer : napari.Viewer
    found : dict
        Data and keywords, as :func:`~napari_dense_ssl.gui.prediction.output_layers` returns them.
    source : LayerSource
        The image.
    run : str
        The run folder.
    out : Path
        The OME-Zarr.
    model : ClassModel
        How its classes look.
    threshold : Threshold
        Beyond which error classes are not shown.

    Returns
    -------
    dict
        The layers, by what they show.
    """
    made: dict[str, Any] = {}
    levels = {kind: list(data) if isinstance(data, list) else [data] for kind, (data, _) in found.items()}
    for kind in ("error", "classes"):
        if kind not in found:
            continue
        before = [layer for layer in viewer.layers if is_result(layer, kind, run, source.identity)]
        kept = {name: getattr(before[-1], name) for name in _KEPT} if before else {}
        place = viewer.layers.index(before[-1]) if before else len(viewer.layers)
        for old in before:
            viewer.layers.remove(old)
        facts = found[kind][1]["metadata"][KEY]
        metadata = {
            **facts,
            "run": run,
            "of": source.name,
            "of_id": source.identity,
            "kind": kind,
            "out": str(out),
        }
        if kind == "error":
            high = error_limit(np.asarray(found[kind][1]["contrast_limits"][1]))
            layer = add_over(
                viewer,
                "image",
                levels[kind],
                source,
                kept.pop("name", f"{source.name} equivariance error (0 to 1)"),
                metadata | {"values": ERROR_MEANS, "unit": "share"},
                **({"contrast_limits": (0.0, high)} | ERROR_LOOK | kept),
            )
            layer.contrast_limits_range = (0.0, 1.0)
        else:
            data = levels[kind]
            if "error" in levels:
                data = [TrustedMap(c, e, threshold) for c, e in zip(data, levels["error"], strict=True)]
            layer = add_over(
                viewer,
                "labels",
                data,
                source,
                kept.pop("name", f"{source.name} classes"),
                metadata | {"values": CLASSES_MEAN, "classes": model.saved},
                colormap=model.colormap(),
                **(CLASSES_LOOK | kept),
            )
            layer.editable = False
        viewer.layers.move(len(viewer.layers) - 1, min(place, len(viewer.layers) - 1))
        made[kind] = layer
    return made
