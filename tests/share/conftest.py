"""Small runs that were never trained, as folders: all that sharing looks at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from napari_dense_ssl.core.class_book import ClassBook
from napari_dense_ssl.core.events import Event
from napari_dense_ssl.model import DenseEncoder, EncoderSettings, RunFolder
from napari_dense_ssl.model.checkpoint import save_checkpoint
from napari_dense_ssl.volume import open_volume
from napari_dense_ssl.volume.class_file import SavedClasses, write_classes

SOURCE = "sample:em?shape=6x160x192&seed=1"
CLASSES = 5


def make_run(path: Path, slices: int = 1, source: str = SOURCE, scale: float = 1) -> RunFolder:
    """Write a run folder whose network has random weights of a size that matters."""
    torch.manual_seed(0)
    settings = EncoderSettings(stages=2, depths=(1, 1), widths=(8, 8), features=8, detail=4, slices=slices)
    encoder = DenseEncoder(settings, CLASSES)
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.ndim == 4:
                parameter.mul_(2.0)
        encoder.filter_weight.normal_()
    volume = open_volume(source)
    facts = {
        "software": "napari-dense-ssl 0.1.0",
        "volume": {
            "source": source,
            "dataset": None,
            "format": volume.format,
            "shape": list(volume.shape),
            "dtype": str(volume.dtype) if scale == 1 else "float32",
            "voxel_size": [50.0, 4.6, 4.6],
            "intensity": {
                name: scale * value if name in ("mean", "std", "low", "high") else value
                for name, value in volume.intensity().as_dict().items()
            },
        },
        "encoder": {"slices": slices, "slice_step": 1.0},
    }
    table = {
        "recipe": "masked-clusters",
        "classes": CLASSES,
        "roi": None,
        "encoder": settings.model_dump(mode="json"),
    }
    run = RunFolder.create(path, table, facts)
    weights = {f"average.{name}": value for name, value in encoder.state_dict().items()}
    save_checkpoint(run.checkpoints, 7, weights, {"step": 7, "seconds": 90.0})
    audited = {
        "event": "Audited",
        "verdict": "content",
        "step": 6,
        "figures": {"content": 0.61, "leak": 0.02},
    }
    saved = {"event": "Saved", "path": "x", "step": 7, "seconds": 90.0}
    run.events.write_text("".join(json.dumps(record) + "\n" for record in (audited, saved)))
    write_classes(path / "classes.json", SavedClasses(ClassBook(CLASSES).rename(0, "membrane")))
    return run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that looks at one slice; not to be changed."""
    return make_run(tmp_path_factory.mktemp("runs") / "my run")


@pytest.fixture(scope="session")
def package(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of that run; not to be changed."""
    from napari_dense_ssl.share import ExportSettings, export_model

    path = tmp_path_factory.mktemp("packages") / "model.zip"
    settings = ExportSettings(authors=("Ada Lovelace (Analytical Engines)",), tags=("drosophila",))
    list(export_model(run, path, settings))
    return path


@pytest.fixture
def last() -> Callable[[list[Event]], dict[str, object]]:
    """The summary that a job ended with."""
    return lambda events: dict(events[-1].summary)  # type: ignore[union-attr]
