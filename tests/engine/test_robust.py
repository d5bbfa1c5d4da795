"""What training must bear: odd data, tiny volumes, few bits."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from tests.engine.conftest import small_settings

from napari_dense_ssl.core.errors import DenseSSLError
from napari_dense_ssl.core.events import Step
from napari_dense_ssl.engine import TrainSettings, train
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.volume import Volume

EDGE = 96


def tissue(depth: int = 4, smooth: tuple[float, float, float] = (0.5, 3, 3), edge: int = EDGE) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(depth, edge, edge))
    field = ndimage.gaussian_filter(noise, smooth)
    return field / field.std()


def black_slice() -> np.ndarray:
    voxels = (128 + 40 * tissue()).clip(1, 255).astype(np.uint8)
    voxels[1] = 0
    return voxels


def missing_voxels() -> np.ndarray:
    voxels = tissue().astype(np.float32)
    voxels[:, :10] = np.nan
    voxels[2, 40:50, 40:50] = np.inf
    return voxels


CASES = {
    "an all-black slice": black_slice,
    "one slice": lambda: (128 + 40 * tissue(1)).clip(0, 255).astype(np.uint8),
    "16 bit": lambda: (30_000 + 9_000 * tissue()).clip(0, 65_535).astype(np.uint16),
    "signed 16 bit": lambda: (9_000 * tissue()).clip(-32_768, 32_767).astype(np.int16),
    "float, far from 1": lambda: (1e-6 * tissue() + 3e-5).astype(np.float32),
    "NaN and infinity": missing_voxels,
    "two slices, isotropic": lambda: (128 + 40 * tissue(2, (3, 3, 3))).clip(0, 255).astype(np.uint8),
}


@pytest.mark.parametrize(
    ("case", "precision"),
    [*((case, "32") for case in CASES), ("an all-black slice", "bf16"), ("16 bit", "bf16")],
)
def test_it_trains_on(case: str, precision: str, tmp_path: Path) -> None:
    volume = Volume.from_arrays([CASES[case]()])
    settings = small_settings(steps=4, precision=precision)
    losses = [e.losses for e in train(volume, tmp_path / "run", settings) if isinstance(e, Step)]
    assert len(losses) == 4
    assert all(np.isfinite(value) for step in losses for value in step.values())
    encoder = RunFolder.open(tmp_path / "run").load_encoder()
    assert all(bool(np.isfinite(p.numpy(force=True)).all()) for p in encoder.state_dict().values())


def test_neighbouring_slices_are_learned_from_where_they_lie_close(tmp_path: Path) -> None:
    volume = Volume.from_arrays([(128 + 40 * tissue(12, (3, 3, 3))).clip(0, 255).astype(np.uint8)])
    assert volume.slice_step() == pytest.approx(1.0, abs=0.3)
    for _ in train(volume, tmp_path / "run", small_settings(steps=4)):
        pass
    run = RunFolder.open(tmp_path / "run")
    assert run.load_encoder().slices in (5, 7)
    assert run.settings["encoder"]["slices"] is None  # decided on the volume, not written as a setting


def test_a_volume_of_128_px_trains_with_the_default_settings(tmp_path: Path) -> None:
    voxels = (128 + 40 * tissue(3, edge=128)).clip(0, 255).astype(np.uint8)
    settings = TrainSettings.model_validate(
        {
            "steps": 1,
            "minutes": None,
            "device": "cpu",
            "threads": 1,
            "audit_seconds": 0,
            "sampler": {"batch": 2},
            "objective": {"kind": "masked-clusters", "codebook_pixels": 4000, "generations": 1},
        }
    )
    steps = [
        e for e in train(Volume.from_arrays([voxels]), tmp_path / "run", settings) if isinstance(e, Step)
    ]
    assert len(steps) == 1


@pytest.mark.parametrize(
    ("voxels", "why"),
    [
        (np.zeros((3, EDGE, EDGE), np.uint8), "the same value everywhere"),
        (np.full((3, EDGE, EDGE), np.nan, np.float32), "no finite value"),
        ((128 + 40 * tissue(edge=40)).astype(np.uint8), "need 48 x 48"),
    ],
    ids=["constant", "nothing finite", "smaller than a crop"],
)
def test_it_says_why_not(voxels: np.ndarray, why: str, tmp_path: Path) -> None:
    with pytest.raises(DenseSSLError, match=why):
        list(train(Volume.from_arrays([voxels]), tmp_path / "run", small_settings()))
    assert not (tmp_path / "run").exists()
