"""Which planes a volume is predicted in, and the blocks and chunks that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.geometry import Box, Triple
from napari_dense_ssl.predict.blocks import cube_blocks, cube_edges, flat_blocks
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.settings import PredictSettings
from napari_dense_ssl.predict.windows import SMALLEST
from napari_dense_ssl.volume import Volume
from napari_dense_ssl.volume.isotropy import isotropy

_MEMORY = {"cpu": 512, "cuda": 4096, "mps": 1024}
"""For the probabilities of a block, MiB."""

_CHUNK = 64
"""Largest edge of the output's chunks, px."""


def is_ortho(predictor: Predictor) -> bool:
    """Whether the predictor's settings ask for three planes."""
    settings = predictor.settings
    return isinstance(settings, PredictSettings) and settings.planes == "ortho"


def decided(
    predictor: Predictor, volume: Volume, region: Box, what: Sequence[str]
) -> tuple[Predictor, tuple[str, ...]]:
    """Decide which planes a volume is predicted in.

    Returns
    -------
    predictor : Predictor
        Its ``planes`` are ``"xy"``, or ``"ortho"`` with a number for ``memory``.
    notes : tuple of str
        What the user should know about the choice.

    Raises
    ------
    SettingsError
        If the embedding is asked for in three planes.
    """
    settings = predictor.settings
    if not isinstance(settings, PredictSettings):
        return predictor, ()
    notes: tuple[str, ...] = ()
    planes = settings.planes
    if planes == "auto":
        planes, notes = _by_isotropy(predictor, volume, region, what)
    if planes == "ortho" and "embedding" in what:
        raise SettingsError(
            "The embedding is one plane's features, whose mean over three planes has no meaning; ask for it "
            "with planes xy, or for classes and error alone."
        )
    if planes == "xy":
        return predictor.with_settings(planes=planes, memory=None), notes
    memory = settings.memory or _MEMORY[predictor.device.kind]
    return predictor.with_settings(planes=planes, memory=memory), notes


def _by_isotropy(
    predictor: Predictor, volume: Volume, region: Box, what: Sequence[str]
) -> tuple[Literal["xy", "ortho"], tuple[str, ...]]:
    found = isotropy(volume)
    if not found.isotropic:
        return "xy", () if volume.voxel_size_known else (f"Each slice is predicted alone: {found.reason}.",)
    least = SMALLEST * predictor.encoder.multiple
    if "embedding" in what:
        why = "the embedding is one plane's"
    elif min(region.shape) < least:
        why = f"the region {region} is less than {least} px thick"
    else:
        return "ortho", (
            f"The planes xy, xz and yz are averaged: {found.reason}. Planes xy takes a fraction of the time.",
        )
    return "xy", (f"Only the plane xy is predicted: {why}.",)


def chunk_of(predictor: Predictor) -> Triple:
    """Return the chunks of the output, px along Z, Y and X."""
    chunk = predictor.settings.chunk
    if not is_ortho(predictor):
        return (1, chunk, chunk)
    edge = min(chunk, _CHUNK)
    return (edge, edge, edge)


def blocks_of(predictor: Predictor, region: Box, what: Sequence[str]) -> Iterator[tuple[str, Box]]:
    """Yield the blocks that cover a region, each with its key in the manifest."""
    settings = predictor.settings
    if not is_ortho(predictor):
        return flat_blocks(region, settings.chunk, with_embedding="embedding" in what)
    assert isinstance(settings, PredictSettings)
    assert settings.memory is not None
    chunk = chunk_of(predictor)[0]
    voxels = settings.memory * 2**20 // (4 * predictor.encoder.classes)
    edges = cube_edges(region, chunk, voxels, predictor.layout(what).halo)
    return cube_blocks(region, chunk, edges)
