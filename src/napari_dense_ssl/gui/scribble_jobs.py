"""What the Scribble dock's workers do; none of it touches Qt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_dense_ssl.core.events import Beat, Event, Finished, Saved, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import Desk
from napari_dense_ssl.gui.layers import LayerSource, layer_data
from napari_dense_ssl.gui.prediction import PredictorKeeper
from napari_dense_ssl.predict.label_counts import LabelCounts
from napari_dense_ssl.predict.map_cache import MapCache
from napari_dense_ssl.predict.sparse_labels import SparseLabels


def scribbled(
    keeper: PredictorKeeper,
    source: LayerSource,
    run: str,
    device: str,
    settings: dict[str, Any],
    desk: Desk[Any],
    cache: MapCache,
    limit: int,
) -> Iterator[Event]:
    """Segment what is in view as scribbles say, until closed."""
    from napari_dense_ssl.predict import ProbeSettings, scribble

    chosen = ProbeSettings.model_validate(settings)
    predictor = keeper.open(run, device)
    yield from scribble(keeper.volume(source), predictor, desk, cache, settings=chosen, limit=limit)


def applied(
    keeper: PredictorKeeper,
    source: LayerSource,
    run: str,
    device: str,
    settings: dict[str, Any],
    scribbles: Any,
    region: Box | None,
    out: Path,
    found: dict[str, Any],
    counts: LabelCounts,
    facts: dict[str, Any],
) -> Iterator[Event]:
    """Segment a region or the whole volume to disk; put layers in `found`, name and count, at the end."""
    from napari_dense_ssl.predict import ProbeSettings, probe
    from napari_dense_ssl.predict.scribble_files import name_labels

    chosen = ProbeSettings.model_validate(settings)
    volume = keeper.volume(source)
    yield from probe(
        volume,
        keeper.open(run, device),
        scribbles,
        out,
        region=region,
        fit_region=Box.whole(volume.shape),
        settings=chosen,
        resume=out.exists(),
    )
    name_labels(out, scribbles.ids, facts)
    yield from counted(out, region, counts)
    found.update(segmentation_layers(out))


def counted(out: Path, region: Box | None, counts: LabelCounts) -> Iterator[Event]:
    """Count the labels of a segmentation on disk, slice by slice."""
    from napari_dense_ssl.volume import open_volume

    labels = open_volume(out, dataset="labels/segmentation")
    yield from counts.count(labels, region or Box.whole(labels.shape))


def segmentation_layers(out: Path) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return data and keywords of the layers of a segmentation on disk."""
    from napari_dense_ssl.volume import open_volume

    data, keywords, _ = layer_data(open_volume(out))
    found = {"confidence": (data, keywords)}
    data, keywords, _ = layer_data(open_volume(out, dataset="labels/segmentation"))
    keywords.pop("contrast_limits", None)
    found["segmentation"] = (data, keywords)
    return found


def loaded(
    path: str, shape: tuple[int, ...], found: list[tuple[SparseLabels, dict[str, Any]]]
) -> Iterator[Event]:
    """Read scribbles from a file."""
    from napari_dense_ssl.predict.scribble_files import reading

    yield Beat()
    for done, total, result in reading(path, shape):
        if result is not None:
            found.append(result)
        yield Step(done, total, done / max(1, total), None, 0.0)
    yield Finished(None)


def saved(path: Path, labels: SparseLabels, world: Any, facts: dict[str, Any]) -> Iterator[Event]:
    """Write scribbles into a file."""
    from napari_dense_ssl.predict.scribble_files import writing_scribbles

    yield Beat()
    for done, total in writing_scribbles(path, labels, world, facts):
        yield Step(done, total, done / max(1, total), None, 0.0)
    yield Saved(path)
    yield Finished(path)
