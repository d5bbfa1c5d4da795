"""Scribbles to a segmentation of the whole volume, on the features of a trained run."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.core.events import Event, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.predict.blocks import Plan, flat_blocks
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.probe_encoder import ProbeEncoder
from napari_dense_ssl.predict.probe_settings import ProbeSettings
from napari_dense_ssl.predict.refined_fit import fit_probe
from napari_dense_ssl.predict.scribbles import Scribbles, read_scribbles
from napari_dense_ssl.predict.views import compared_views
from napari_dense_ssl.predict.whole import prepare_output, provenance_of, write_blocks
from napari_dense_ssl.volume import Volume

LABEL = "segmentation"


def probe(
    volume: Volume,
    run: RunFolder | Predictor | os.PathLike[str] | str,
    scribbles: str | os.PathLike[str] | Volume | Scribbles | Any,
    out: os.PathLike[str] | str,
    *,
    region: Box | None = None,
    fit_region: Box | None = None,
    settings: ProbeSettings | None = None,
    overwrite: bool = False,
    resume: bool = False,
    device: str = "auto",
    precision: str = "auto",
) -> Generator[Event]:
    """Segment a volume as a few scribbles say.

    A small classifier is fitted to the features of the scribbled pixels and applied to every pixel. Only
    windows with scribbles, and with a few random squares of the same slices, are encoded for fitting. The
    output is written as :func:`~napari_dense_ssl.predict.predict` writes its own: ``labels/segmentation``
    holds the scribbles' own numbers, uint8, 0 where nothing was predicted; the group is the confidence, the
    probability of that class, float16 in [0, 1].

    Parameters
    ----------
    volume : Volume
    run : RunFolder, Predictor or path
        What was trained. A predictor brings its own encoder, device and run.
    scribbles : path, Volume or array, shape of the volume, or Scribbles
        0 = not scribbled; any other whole numbers up to 255.
    out : path
        OME-Zarr to be written.
    region : Box, optional
        Segment only this; the rest stays unwritten and reads as 0.
    fit_region : Box, optional
        Where scribbles may lie, and class areas are estimated in the slices that have some; by default
        `region`.
    settings : ProbeSettings, optional
    overwrite : bool
        Replace an existing output.
    resume : bool
        Go on with an output that was not finished. The classifier is fitted again, to the same result.
    device, precision : str
        See :func:`~napari_dense_ssl.model.device.choose_device`.

    Yields
    ------
    Event
        ``Started`` (counting blocks of slices), ``Beat`` while the classifier is fitted, ``Noted`` with the
        estimated class areas, then as :func:`~napari_dense_ssl.predict.predict` does; previews hold the
        scribbles' numbers.

    Raises
    ------
        See :func:`~napari_dense_ssl.predict.scribbles.read_scribbles`.
    RunError, DeviceError, DeviceMemoryError, VolumeError, RegionError
        See :class:`~napari_dense_ssl.predict.predictor.Predictor`.
    OutputError
        If the output exists, is the input, cannot be written, or belongs to another run, volume, other
        scribbles or settings.
    """
    settings = settings or ProbeSettings()
    box = Box.whole(volume.shape) if region is None else region
    box.check(volume.shape)
    _keep_apart(scribbles, Path(out))
    learned = box if fit_region is None else fit_region
    learned.check(volume.shape)
    named = read_scribbles(scribbles, volume.shape, learned)
    trained = run if isinstance(run, Predictor) else Predictor.open(_run(run), device, precision)
    encoder = ProbeEncoder(trained.encoder, settings, len(named.ids))
    predictor = Predictor(encoder, trained.device, settings, trained.run)
    # The views that the equivariance error compares are those that probabilities are averaged over.
    what = ("classes", "error") if compared_views(settings) else ("classes",)
    facts = provenance_of(volume, predictor, (LABEL,), box) | {
        "what": [LABEL],
        "scribbles": named.fingerprint(),
        "ids": named.ids.tolist(),
    }
    if learned != box:
        facts["fit_region"] = str(learned)
    output = prepare_output(
        Path(out),
        volume,
        predictor,
        facts,
        image="confidence",
        label=LABEL,
        overwrite=overwrite,
        resume=resume,
    )
    plan = Plan.of(output, box, flat_blocks(box, settings.chunk))
    yield plan.started(
        "probe",
        predictor,
        {
            "features": settings.features,
            "classifier": settings.classifier,
            "classes": len(named.ids),
            "scribbled_pixels": len(named.classes),
        },
    )
    intensity, notes = predictor.intensity(volume)
    for note in notes:
        yield Noted(note)
    if plan.rest:
        encoder.classifier = yield from fit_probe(predictor, volume, named, learned, intensity, settings)
    yield from write_blocks(volume, predictor, plan, what, intensity, ids=named.ids)


def _keep_apart(scribbles: Any, out: Path) -> None:
    """Refuse an output whose overwriting would remove the scribbles."""
    source = scribbles.source if isinstance(scribbles, Volume) else scribbles
    if isinstance(source, str | os.PathLike):
        target, origin = out.expanduser().resolve(), Path(source).expanduser().resolve()
        if origin.exists() and (target == origin or target in origin.parents):
            raise OutputError(f"The output {out} holds the scribbles {origin}; choose another path for it.")


def _run(run: RunFolder | os.PathLike[str] | str) -> RunFolder | Path:
    return run if isinstance(run, RunFolder) else Path(run)
