import numpy as np
import pytest
from scipy import ndimage

from napari_dense_ssl.engine import TrainSettings
from napari_dense_ssl.volume import Volume


@pytest.fixture
def volume() -> Volume:
    return made_volume()


def made_volume() -> Volume:
    noise = np.random.default_rng(0).normal(size=(6, 96, 96))
    smooth = ndimage.gaussian_filter(noise, (0.5, 3, 3))
    return Volume.from_arrays([(128 + 300 * smooth).clip(0, 255).astype(np.uint8)], voxel_size=(50, 5, 5))


@pytest.fixture
def settings() -> TrainSettings:
    return small_settings()


def small_settings(**changes: object) -> TrainSettings:
    """A training of a second: two stages, crops of 32 px, a codebook from a thousand pixels."""
    table: dict[str, object] = {
        "classes": 6,
        "minutes": None,
        "steps": 6,
        "device": "cpu",
        "threads": 1,
        "checkpoint_seconds": 3600,
        "audit_seconds": 0,
        "encoder": {"stages": 2, "depths": (1, 1), "widths": (8, 8), "features": 8, "detail": 4},
        "sampler": {"crop": 32, "view_shift": 16, "block": 64, "batch": 4, "pool": 4, "reuse": 4},
        "objective": {"codebook_pixels": 2000, "mask_size": 8, "generations": 2, "first_share": 0.4},
    }
    return TrainSettings.model_validate(table | changes)
