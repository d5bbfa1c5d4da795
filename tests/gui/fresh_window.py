"""Open files in a window of napari with one plugin's reader, and tell what there is to see, as JSON.

    python fresh_window.py PLUGIN PATH ... [--picture PNG]

A process of its own: nothing of what wrote the files is in its memory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Labels
from npe2 import PluginManager, PluginManifest

OURS = "napari-dense-ssl"


def told(layer: Any) -> dict[str, Any]:
    """Return what a layer looks like."""
    facts = {
        "name": layer.name,
        "kind": type(layer).__name__,
        "shape": [int(n) for n in (layer.data[0] if layer.multiscale else layer.data).shape],
        "scale": [float(s) for s in layer.scale[-3:]],
        "units": [str(unit) for unit in layer.units[-3:]],
    }
    if isinstance(layer, Labels):
        labels = np.unique(np.asarray(layer.data[0] if layer.multiscale else layer.data))
        labels = labels[labels > 0]
        features = layer.features
        column = "name" if "name" in features else "class"
        rows = features["index"].tolist() if "index" in features else list(range(len(features)))
        named = dict(zip(rows, features[column].tolist(), strict=True)) if column in features else {}
        facts["names"] = {int(k): str(named[k]) for k in labels.tolist() if k in named}
        facts["colours"] = {
            int(k): np.round(255 * layer.colormap.map(np.array([k], labels.dtype))[0, :3])
            .astype(int)
            .tolist()
            for k in labels
        }
    return facts


def main(plugin: str, paths: list[str]) -> None:
    manager = PluginManager.instance()
    if plugin == OURS and OURS not in manager:  # a checkout that is not installed
        import napari_dense_ssl

        manager.register(PluginManifest.from_file(Path(napari_dense_ssl.__file__).with_name("napari.yaml")))
    viewer = napari.Viewer(show=True)
    if plugin != OURS and OURS in manager:
        manager.disable(OURS)
    for path in paths:
        viewer.open(path, plugin=plugin)
    picture = viewer.screenshot(canvas_only=False, flash=False)
    assert picture.std() > 0, "the window is drawn"
    if plugin != OURS:
        assert not any(name.startswith("napari_dense_ssl.") for name in sys.modules), "another program"
    facts = [told(layer) for layer in viewer.layers]
    viewer.close()
    print(json.dumps(facts))  # noqa: T201 - for the process that asked


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
