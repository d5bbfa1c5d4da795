"""Scribbles on disk: TIFF or OME-Zarr labels, with the names and colours of their labels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_dense_ssl.core.errors import OutputError, ScribbleError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.scribbles import labels_of
from napari_dense_ssl.predict.sparse_labels import SparseLabels, as_bytes
from napari_dense_ssl.volume import Part, World, open_volume, writing

_KEY = "napari_dense_ssl"
_TIFF_LIMIT = 4 * 10**9  # bytes; every slice is written, also those without scribbles
_TIFF = (".tif", ".tiff")


def writing_scribbles(
    path: str | os.PathLike[str], labels: SparseLabels, world: World, facts: Mapping[str, Any] | None = None
) -> Iterator[tuple[int, int]]:
    """Write scribbles; earlier scribbles at the same path are replaced, and nothing else is.

    Parameters
    ----------
    path : path
        Ends in ``.tif`` (compressed, every slice) or ``.zarr`` (OME-Zarr labels; only what was painted).
    labels : SparseLabels
    world : World
        Where its voxels lie.
    facts : mapping
        Names and colours, as JSON has it.

    Yields
    ------
    tuple of int
        How many pieces are written, and how many there are.

    Raises
    ------
    OutputError
        If the path has another ending, something else lies there, or the disk does not take it.
    """
    place = Path(path).expanduser()
    kept = dict(facts or {})
    match place.suffix.lower():
        case ".zarr":
            ours = place.exists() and _is_scribbles(place)
            part = Part("scribbles", labels, world, labels=True, facts=kept)
            yield from writing(place, [part], overwrite=ours)
        case suffix if suffix in _TIFF:
            yield from _writing_tiff(place, labels, world, kept)
        case suffix:
            raise OutputError(
                f"Scribbles are saved as .tif or .zarr, but {place.name} ends in {suffix or 'nothing'}; "
                "choose one of the two."
            )


def name_labels(out: str | os.PathLike[str], labels: Iterable[int], facts: Mapping[str, Any]) -> None:
    """Write names and colours into a segmentation's metadata, as OME-Zarr keeps them for label images.

    Parameters
    ----------
    out : path
        What ``probe`` wrote.
    labels : iterable of int
    facts : mapping
        ``names`` (text) and ``colours`` (RGB in [0, 1]), each by label.

    Raises
    ------
    OutputError
        If the disk does not take it.
    """
    import zarr

    names, colours = facts.get("names", {}), facts.get("colours", {})
    try:
        group = zarr.open_group(str(Path(out) / "labels" / "segmentation"), mode="r+")
        attributes = dict(group.attrs)
        within: Any = attributes.get("ome", attributes)  # 0.5 keeps all under one key, 0.4 beside each other
        listed = sorted({int(label) for label in labels})
        image = dict(within.get("image-label", {}))
        image["colors"] = [
            {"label-value": k, "rgba": [round(255 * c) for c in colours[str(k)]] + [255]}
            for k in listed
            if str(k) in colours
        ]
        image["properties"] = [{"label-value": k, "name": names.get(str(k), f"label {k}")} for k in listed]
        group.attrs.update(
            {"ome": {**within, "image-label": image}} if "ome" in attributes else {"image-label": image}
        )
    except OSError as error:
        raise OutputError(f"The names cannot be written into {out} ({error}).") from error


def reading(
    path: str | os.PathLike[str], shape: Sequence[int]
) -> Iterator[tuple[int, int, tuple[SparseLabels, dict[str, Any]] | None]]:
    """Read scribbles of any format that ``open_volume`` opens, slice by slice.

    Parameters
    ----------
    path : path
    shape : sequence of int
        Of the image that they belong to, (Z, Y, X).

    Yields
    ------
    tuple
        How many slices are read, how many there are, and at last the scribbles with what is known of their
        names and colours.

    Raises
    ------
    ScribbleError
        If the shape is another, or the values are no labels.
    VolumeError
        If it cannot be opened.
    """
    volume = labels_of(open_volume(path))
    if volume.shape != tuple(shape):
        raise ScribbleError(
            f"The scribbles in {path} have the shape {volume.shape}, the image {tuple(shape)} (Z, Y, X); "
            "choose those that were drawn on this image."
        )
    depth, height, width = volume.shape
    labels = SparseLabels((depth, height, width))
    for z in range(depth):
        plane = volume.read(Box((z, 0, 0), (z + 1, height, width)))[0]
        if plane.any():
            labels[z] = as_bytes(plane)
        yield z + 1, depth, None
    yield depth, depth, (labels, _facts(Path(path).expanduser()))


def _writing_tiff(
    place: Path, labels: SparseLabels, world: World, facts: dict[str, Any]
) -> Iterator[tuple[int, int]]:
    import tifffile

    if labels.size > _TIFF_LIMIT:
        raise OutputError(
            f"A TIFF of these scribbles would take {labels.size / 1e9:.0f} GB, since it holds every slice; "
            "save them as .zarr, which holds only what was painted."
        )
    if place.is_dir():
        raise OutputError(f"{place} is a folder; choose another name for the scribbles.")
    depth = labels.shape[0]
    text = json.dumps({_KEY: {**facts, "kind": "scribbles", "voxel_size": list(world.voxel_size)}})
    unfinished = place.with_name(f".{place.name}.part")
    try:
        with tifffile.TiffWriter(unfinished, bigtiff=labels.size > 2 * 10**9) as file:
            for z in range(depth):
                file.write(
                    labels[z],
                    photometric="minisblack",
                    compression="zlib",
                    description=text if z == 0 else None,
                    contiguous=False,
                    metadata=None,
                )
                yield z + 1, depth
        unfinished.replace(place)
    except OSError as error:
        raise OutputError(f"{place} cannot be written ({error}); choose another folder.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _facts(place: Path) -> dict[str, Any]:
    """Return the names and colours that were saved with scribbles; none where another program made them."""
    found: Any = None
    if place.suffix.lower() in _TIFF and place.is_file():
        import tifffile

        with tifffile.TiffFile(place) as file:
            text = file.pages.first.description
        try:
            found = json.loads(text)[_KEY]
        except (json.JSONDecodeError, KeyError, TypeError):
            return {}
    elif place.is_dir():
        parts = _attributes(place).get("parts")
        found = next(iter(parts.values()), {}) if isinstance(parts, Mapping) else {}
    return dict(found) if isinstance(found, Mapping) else {}


def _is_scribbles(place: Path) -> bool:
    return _attributes(place).get("kind") == "labels"


def _attributes(place: Path) -> Mapping[str, Any]:
    import zarr

    try:
        found = zarr.open_group(str(place), mode="r").attrs.get(_KEY)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, Mapping) else {}
