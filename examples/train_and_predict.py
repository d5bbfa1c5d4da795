"""Train on a synthetic volume, predict it, and score the classes against its truth: about two minutes."""

import os
from pathlib import Path

from napari_dense_ssl import evaluate, open_volume, predict, train
from napari_dense_ssl.core.events import Noted, Step
from napari_dense_ssl.engine import TrainSettings

SAMPLE = "?shape=8x256x256&seed=1"
STEPS = int(os.environ.get("DENSE_SSL_EXAMPLE_STEPS", "150"))  # the tests ask for a few only

volume = open_volume(f"sample:em{SAMPLE}")
print(volume.shape, volume.dtype, f"voxels of {volume.voxel_size} nm")

# A job is a generator of events: it works while it is iterated, and may be stopped at any event.
# Settings are checked when they are made; small ones keep the example quick, the defaults learn more.
small = {"sampler": {"batch": 4}, "objective": {"kind": "masked-clusters", "codebook_pixels": 20_000}}
settings = TrainSettings(steps=STEPS, minutes=None, classes=16, roi="0:6,:,:", seed=1, **small)
for event in train(volume, Path("run"), settings):
    match event:
        case Step(index=index, losses=losses) if index % 25 == 0 or index == STEPS:
            print(f"step {index}: " + ", ".join(f"{name} {value:.3f}" for name, value in losses.items()))
        case Noted(message=message):
            print(message)

for _ in predict(volume, "run", "prediction.zarr", what=("classes", "error")):
    pass

# Classes have no names: they are named by majority on slices 0-5 and scored on slices 6 and 7.
scores = evaluate("prediction.zarr", f"sample:em-labels{SAMPLE}", fit=slice(0, 6), score=slice(6, 8))
print(f"mi_frac {scores.mi_frac:.3f}, mIoU {scores.miou:.3f}, {scores.classes_used} classes in use")
