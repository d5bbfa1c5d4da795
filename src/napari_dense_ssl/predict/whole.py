"""A whole volume, or a region of it, to OME-Zarr: block by block, so that it can be stopped and resumed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import OutputError, VolumeError
from napari_dense_ssl.core.events import Event, Finished, Noted, Preview, Saved
from napari_dense_ssl.core.geometry import Box, Grid
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.predict.blocks import Plan
from napari_dense_ssl.predict.cluster import Done, hand_out, work_of, workers_for
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.predict.ortho import block_parts
from napari_dense_ssl.predict.planes import blocks_of, chunk_of, decided, is_ortho
from napari_dense_ssl.predict.predictor import Predictor, check_what
from napari_dense_ssl.predict.progress import Progress
from napari_dense_ssl.predict.settings import PredictSettings
from napari_dense_ssl.predict.writing import Block, Writer, beats_while
from napari_dense_ssl.volume import Intensity, Output, Volume, create_output, open_output

_Result = TypeVar("_Result")

_FREE_TO_DIFFER = ("software", "device", "run", "created")
"""Provenance in which a resumed session may differ: the run may have been moved, not changed."""


def predict(
    volume: Volume,
    run: RunFolder | Predictor | os.PathLike[str] | str,
    out: os.PathLike[str] | str,
    *,
    what: Sequence[str] = ("classes", "error"),
    roi: Box | None = None,
    overwrite: bool = False,
    resume: bool = False,
    device: str = "auto",
    precision: str = "auto",
    settings: PredictSettings | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Generator[Event]:
    """Predict a volume to OME-Zarr.

    The output has the shape, scale, units and translation of the volume. The group is the equivariance
    error where that was asked for, else the confidence (the greatest probability), float16 in [0, 1];
    ``labels/classes`` is the class map, argmax + 1, uint8, 0 where nothing was predicted; ``embedding``,
    on request, is ``(D, Z, Y, X)`` float16 at the volume's full resolution, the encoder's own output
    resolution. Memory is bounded by a block of 1024 px of one slice, or by the settings' ``memory`` where
    three planes are averaged, whatever the volume's size.

    Parameters
    ----------
    volume : Volume
    run : RunFolder, Predictor or path
        What was trained. A predictor brings its own device and settings.
    out : path
        OME-Zarr to be written.
    what : sequence of {"classes", "error", "embedding"}
        Classes are always written. The error costs a forward pass for each view that is compared.
    roi : Box, optional
        Predict only this; the rest stays unwritten and reads as 0.
    overwrite : bool
        Replace an existing output.
    resume : bool
        Go on with an output that was not finished: only blocks that are not in its manifest are computed,
        and the result is the same, byte for byte on the same device.
    device, precision : str
        See :func:`~napari_dense_ssl.model.device.choose_device`.
    settings : PredictSettings, optional
    workers : int, optional
        Compute in that many processes of this machine, one network each.
    scheduler : str, optional
        Compute on the workers of this dask scheduler: ``tcp://host:8786``, or a scheduler file. They must
        see the run, the volume and the output under the same paths.

    Yields
    ------
    Event
        ``Started`` (counting blocks), ``Noted`` which planes are predicted and where the volume differs from
        the training's, for each block ``Preview`` of its middle slice, and ``Step`` once it is on disk,
        ``Beat`` between forward passes, at last ``Saved`` and ``Finished`` with pixels, seconds, mean error
        and effective classes of this session.

    Raises
    ------
    RunError, DeviceError, DeviceMemoryError, VolumeError, RegionError, SettingsError
        See :class:`Predictor`, :meth:`Box.check`.
    OutputError
        If the output exists, is the input, cannot be written, or belongs to another run, volume or other
        settings.
    """
    check_what(what)
    region = Box.whole(volume.shape) if roi is None else roi
    region.check(volume.shape)
    predictor = run if isinstance(run, Predictor) else Predictor.open(_run(run), device, precision, settings)
    predictor, about_planes = decided(predictor, volume, region, what)
    provenance = provenance_of(volume, predictor, what, region)
    with workers_for(volume, predictor, workers, scheduler) as client:
        output = prepare_output(
            Path(out),
            volume,
            predictor,
            provenance,
            image="error" if "error" in what else "confidence",
            with_embedding="embedding" in what,
            overwrite=overwrite,
            resume=resume,
        )
        plan = Plan.of(output, region, blocks_of(predictor, region, what))
        planes = "xy, xz, yz" if is_ortho(predictor) else "xy"
        yield plan.started("predict", predictor, {"what": ", ".join(what), "planes": planes})
        intensity, notes = predictor.intensity(volume)
        for note in (*about_planes, *notes):
            yield Noted(note)
        if client is None:
            yield from write_blocks(volume, predictor, plan, what, intensity)
            return
        yield Noted(f"The workers can be watched at {client.dashboard_link}")
        work = work_of(volume, predictor, output.path, what, intensity, workers)
        yield from gather(plan, _explained(hand_out(client, work, plan.rest), output))


def _explained(results: Iterable[_Result], output: Output) -> Generator[_Result]:
    """Pass results on; where the volume cannot be read on, say that what is finished can be gone on with."""
    try:
        yield from results
    except VolumeError as error:
        raise VolumeError(
            f"{error} What is finished is kept in {output.path}: when the volume is there again, go on with "
            "--resume."
        ) from error


def write_blocks(
    volume: Volume,
    predictor: Predictor,
    plan: Plan,
    what: Sequence[str],
    intensity: Intensity,
    *,
    ids: NDArray[np.uint8] | None = None,
) -> Generator[Event]:
    """Compute the blocks of a plan and write them; the common part of :func:`predict` and :func:`probe`.

    Parameters
    ----------
    volume : Volume
    predictor : Predictor
    plan : Plan
    what : sequence of str
        What the predictor is asked for.
    intensity : Intensity
        What grey values are normalised with.
    ids : ndarray, shape (K,), uint8, optional
        What stands for each class on disk; by default 1 to K.

    Yields
    ------
    Event
        See :func:`predict`.
    """
    output, rest = plan.output, plan.rest
    progress = Progress(plan.total, sum(box.size for box in rest.values()), plan.total - len(rest))
    tally = _Tally()
    writer = Writer(output)
    with closing(block_parts(predictor, volume, rest.values(), what, intensity)) as parts, closing(writer):
        keys = iter(rest)
        block: Block | None = None
        for part in _explained(parts, output):
            if not isinstance(part, PlanePart):
                yield part
                continue
            if block is None:
                key = next(keys)
                block = Block(key, rest[key])
            block.add(part if ids is None else replace(part, classes=ids[part.classes - 1]))
            if not block.whole:
                continue
            tally.add(block)
            yield _preview(block)
            for size in writer.write(block):
                yield progress.step(size)
            block = None
        for size in writer.rest():
            yield progress.step(size)
    yield from _finished(output, progress, tally)


def _preview(block: Block) -> Preview:
    """Return the middle slice of a block."""
    depth = block.box.shape[0]
    z, y, x = block.box.start
    middle, error = depth // 2, block.maps.get("error")
    return Preview(
        z + middle,
        block.box.plane(z + middle),
        Grid((float(y), float(x))),
        block.maps["classes"][middle],
        None if error is None else error[middle],
    )


def gather(plan: Plan, results: Generator[Event | Done]) -> Generator[Event]:
    """Enter what workers have written into the manifest, and finish the output.

    Yields
    ------
    Event
        As :func:`predict`, without previews: the maps go from the workers to the disk.
    """
    output = plan.output
    left = sum(box.size for box in plan.rest.values())
    progress = Progress(plan.total, left, plan.total - len(plan.rest))
    tally = _Tally()
    with closing(results):
        for result in results:
            if not isinstance(result, Done):
                yield result
                continue
            tally.add_done(result)
            for key, size in result.sizes.items():
                output.mark(key)
                yield progress.step(size)
    yield from _finished(output, progress, tally)


def _finished(output: Output, progress: Progress, tally: _Tally) -> Generator[Event]:
    yield from beats_while(output.complete)
    yield Saved(output.path)
    yield Finished(
        output.path,
        {"pixels": progress.finished_pixels, "seconds": round(progress.seconds, 3)} | tally.summary(),
    )


def _run(run: RunFolder | os.PathLike[str] | str) -> RunFolder | Path:
    return run if isinstance(run, RunFolder) else Path(run)


def provenance_of(volume: Volume, predictor: Predictor, what: Sequence[str], region: Box) -> dict[str, Any]:
    """Return what an output is made from and with."""
    run = predictor.run
    # How many windows are computed at once changes the speed only.
    settings = predictor.settings.model_dump(mode="json", exclude={"batch"})
    return {
        "software": f"napari-dense-ssl {version('napari-dense-ssl')}",
        "device": predictor.device.description,
        "run": None if run is None else str(run.path.absolute()),
        "checkpoint": None if run is None else run.latest().name,
        "fingerprint": None if run is None else run.fingerprint(),
        "precision": predictor.device.precision,
        "what": sorted({"classes", *what}),
        "region": str(region),
        "halo": predictor.halo,
        "settings": settings,
        "settings_hash": hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16],
        "volume": {
            "source": str(volume.source),
            "dataset": volume.dataset,
            "shape": list(volume.shape),
            "dtype": str(volume.dtype),
            "voxel_size_nm": [float(edge) for edge in volume.voxel_size],
        },
    }


def prepare_output(
    path: Path,
    volume: Volume,
    predictor: Predictor,
    provenance: Mapping[str, Any],
    *,
    image: Literal["error", "confidence"],
    label: str = "classes",
    with_embedding: bool = False,
    overwrite: bool,
    resume: bool,
) -> Output:
    """Create the output, or open the one to be resumed and see that it is the same job.

    Raises
    ------
    OutputError
        See :func:`predict`.
    """
    if resume and path.exists():
        output = open_output(path)
        if label not in output.labels:
            raise OutputError(
                f"{path} cannot be resumed: it holds {', '.join(output.labels)}, not {label}. Repeat the "
                "command it was begun with, or choose another output."
            )
        for name, wanted in provenance.items():
            found = output.provenance.get(name)
            if name not in _FREE_TO_DIFFER and found != wanted:
                raise OutputError(
                    f"{path} cannot be resumed: its {name} is {found}, now it would be {wanted}. "
                    "Repeat the command it was begun with, or choose another output."
                )
        return output
    settings = predictor.settings
    return create_output(
        path,
        volume,
        image=image,
        image_dtype="float16",
        labels=(label,),
        embedding=predictor.encoder.feature_channels if with_embedding else None,
        provenance=provenance,
        chunk=chunk_of(predictor),
        overwrite=overwrite,
        version=settings.ngff,
    )


class _Tally:
    """Figures of what was predicted in this session."""

    def __init__(self) -> None:
        self._classes = np.zeros(256, np.int64)
        self._error = 0.0
        self._with_error = False

    def add(self, block: Block) -> None:
        self._classes += np.bincount(block.maps["classes"].ravel(), minlength=256)
        if "error" in block.maps:
            self._with_error = True
            self._error += float(block.maps["error"].sum(dtype=np.float64))

    def add_done(self, done: Done) -> None:
        self._classes += done.counts
        if done.error is not None:
            self._with_error = True
            self._error += done.error

    def summary(self) -> dict[str, float | int]:
        total = int(self._classes.sum())
        if total == 0:
            return {}
        share = self._classes[self._classes > 0] / total
        figures: dict[str, float | int] = {
            "effective_classes": float(np.exp(-(share * np.log(share)).sum())),
            "classes_used": len(share),
        }
        return figures | ({"mean_error": self._error / total} if self._with_error else {})
