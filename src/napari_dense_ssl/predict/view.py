"""The maps of what a person looks at, shown tile by tile and kept in memory by whoever asked."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from napari_dense_ssl.core.events import Beat, Event, Finished, Noted, Preview, Started
from napari_dense_ssl.core.geometry import Box, Grid
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.predict.predictor import Predictor, check_what
from napari_dense_ssl.predict.progress import Progress
from napari_dense_ssl.volume import Volume


def predict_view(
    volume: Volume,
    predictor: Predictor,
    box: Box,
    *,
    what: Sequence[str] = ("classes", "error"),
) -> Generator[Event]:
    """Compute the maps of a box of any number of slices, for display.

    Parameters
    ----------
    volume : Volume
    predictor : Predictor
        Opened once and used for many views.
    box : Box
        In voxels of the finest level.
    what : sequence of {"classes", "error"}
        Classes are always given; the error costs a forward pass for each view that is compared.

    Yields
    ------
    Event
        ``Started`` (counting tiles), ``Noted`` where the volume differs from the training's, then for each
        tile ``Preview`` and ``Step`` with ``Beat`` between forward passes, and ``Finished`` without a path.

    Raises
    ------
    RegionError
        If the box is empty or reaches outside the volume.
    SettingsError
        If something unknown is asked for.
    DeviceMemoryError, VolumeError
        See :meth:`Predictor.parts`.
    """
    check_what(what)
    box.check(volume.shape)
    total = predictor.count(volume, (box,), what)
    yield Started(
        "predict",
        total,
        "tile",
        {"device": predictor.device.description, "halo": predictor.halo, "region": str(box)},
    )
    intensity, notes = predictor.intensity(volume)
    for note in notes:
        yield Noted(note)
    progress = Progress(total, box.size)
    with closing(predictor.parts(volume, (box,), what, intensity)) as parts:
        for part in parts:
            match part:
                case PlanePart(box=where):
                    z, y, x = where.start
                    yield Preview(z, where, Grid((float(y), float(x))), part.classes, part.error)
                    yield progress.step(where.size)
                case Beat() | Noted():
                    yield part
    yield Finished(None, {"pixels": progress.finished_pixels, "seconds": progress.seconds})
