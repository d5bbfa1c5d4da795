"""What the Classes dock keeps and counts between its window and its workers; none of it touches Qt."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_dense_ssl.core.events import Preview
from napari_dense_ssl.gui.colours import class_colormap
from napari_dense_ssl.gui.layers import KEY, layer_data
from napari_dense_ssl.gui.results import CLASSES_LOOK, CLASSES_MEAN, ERROR_LOOK, ERROR_MEANS, error_limit


class PredictorKeeper:
    """Keeps the network that was used last, so that the next slice need not load it; any thread may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[str, str] | None = None
        self._predictor: Any = None

    def open(self, run: str, device: str) -> Any:
        """Return the predictor of a run's newest checkpoint, from memory where it is the same."""
        from napari_dense_ssl.model import RunFolder
        from napari_dense_ssl.predict import Predictor

        folder = RunFolder.open(run)
        key = (folder.fingerprint(), device)
        with self._lock:
            if key != self._key:
                self._key, self._predictor = None, None
                self._predictor = Predictor.open(folder, device=device)
                self._key = key
            return self._predictor

    def clear(self) -> None:
        """Let go of it."""
        with self._lock:
            self._key, self._predictor = None, None


class Tally:
    """Counts what a job's previews show: classes that occur, mean error."""

    def __init__(self) -> None:
        self._counts = np.zeros(256, np.int64)
        self._error, self._pixels = 0.0, 0

    def add(self, preview: Preview) -> None:
        """Count a preview."""
        self._counts += np.bincount(preview.classes.ravel(), minlength=256)
        if preview.error is not None:
            self._error += float(preview.error.sum(dtype=np.float64))
            self._pixels += preview.error.size

    def __str__(self) -> str:
        used = int(np.count_nonzero(self._counts[1:]))
        text = f"{used} classes occur"
        if self._pixels:
            text += f", mean equivariance error {self._error / self._pixels:.3f} (0 to 1)"
        return f"{text}."


def output_layers(out: Path, run: str, what: tuple[str, ...], of: str) -> Iterator[tuple[Any, Any, str]]:
    """Return the layers of a predicted OME-Zarr: the error where it was asked for, and the classes."""
    from napari_dense_ssl.volume import open_volume

    if "error" in what:
        data, keywords, _ = layer_data(open_volume(out))
        # The sample of the contrast gives the 99.5th percentile: end at the round number above it.
        high = error_limit(np.asarray(keywords["contrast_limits"][1]))
        keywords |= {
            "name": f"{of} equivariance error (0 to 1)",
            "contrast_limits": (0.0, high),
            **ERROR_LOOK,
        }
        keywords["metadata"][KEY] |= {"run": run, "of": of, "values": ERROR_MEANS, "unit": "share"}
        yield data, keywords, "image"
    data, keywords, _ = layer_data(open_volume(out, dataset="labels/classes"))
    keywords.pop("contrast_limits", None)
    keywords |= {"name": f"{of} classes", "colormap": class_colormap(), **CLASSES_LOOK}
    keywords["metadata"][KEY] |= {"run": run, "of": of, "values": CLASSES_MEAN}
    yield data, keywords, "labels"
