"""Watch one slice while it trains, without a window: each preview becomes a PNG.

This is what the Train dock does with the slice in view; `Watch` tells the job where to look.
"""

import os
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from napari_dense_ssl import open_volume, train
from napari_dense_ssl.core.events import Preview
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import View, Watch
from napari_dense_ssl.engine import TrainSettings

STEPS = int(os.environ.get("DENSE_SSL_EXAMPLE_STEPS", "150"))  # the tests ask for a few only

volume = open_volume("sample:em?shape=4x192x192&seed=2")
watch = Watch(View(Box.whole(volume.shape).plane(2)))
colours = np.random.default_rng(0).integers(40, 255, (256, 3)).astype(np.uint8)
colours[0] = 0  # not predicted

small = {"sampler": {"batch": 4}, "objective": {"kind": "masked-clusters", "codebook_pixels": 20_000}}
settings = TrainSettings(steps=STEPS, minutes=None, classes=12, preview_seconds=0.2, **small)
maps = Path("maps")
maps.mkdir()
for event in train(volume, Path("run"), settings, watch=watch):
    match event:
        case Preview(z=z, step=step, classes=classes):
            iio.imwrite(maps / f"z{z}-step{step:04}.png", colours[classes])
print(f"{len(list(maps.iterdir()))} maps in {maps}")
