"""Every recipe trains a few steps on a small volume."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.engine.test_train import weights_of

from napari_dense_ssl.core.errors import DeviceMemoryError
from napari_dense_ssl.core.events import Beat, Noted, Preview, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import View, Watch
from napari_dense_ssl.engine import RECIPES, TrainSettings, train
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.objectives import OBJECTIVES
from napari_dense_ssl.engine.processes import Processes
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.volume import Volume

OTHERS = [name for name in RECIPES if name != "masked-clusters"]
FAMILIES = ["exp4-cross-sample", *(name for name in OTHERS if name.startswith("dense"))]
EMBEDDINGS = ["dense-contrastive", "dense-jepa", "dense-lejepa", "dense-dsm"]


def small(name: str, objective: dict[str, object] | None = None, **changes: object) -> TrainSettings:
    """A recipe, its parts and flaws unchanged, on a network and crops for a second's work."""
    table = RECIPES[name].settings().model_dump()
    table["encoder"] |= {"stages": 2, "depths": (1, 1), "widths": (8, 8), "features": 8, "detail": 4}
    table["sampler"] |= {"crop": 32, "block": 64, "batch": 3, "pool": 4, "reuse": 4}
    small_parts = {"pixels": 32, "codebook_pixels": 1000, "border_trim": 4, "predictor_width": 8}
    table["objective"] |= {k: v for k, v in small_parts.items() if k in table["objective"]}
    table["objective"] |= objective or {}
    table |= {"classes": 6, "minutes": None, "steps": 3, "device": "cpu", "threads": 1}
    table |= {"checkpoint_seconds": 3600}
    for key, value in changes.items():
        table[key] = table[key] | value if isinstance(value, dict) else value
    return TrainSettings.model_validate(table)


def steps_of(volume: Volume, out: Path, settings: TrainSettings) -> list[Step]:
    steps = [e for e in train(volume, out, settings) if isinstance(e, Step)]
    assert len(steps) == settings.steps
    assert all(np.isfinite(list(step.losses.values())).all() for step in steps)
    return steps


def test_every_objective_has_a_recipe() -> None:
    assert {r.settings().objective.kind for r in RECIPES.values()} == set(OBJECTIVES)


@pytest.mark.parametrize("name", OTHERS)
def test_a_recipe_trains_what_it_says(volume: Volume, tmp_path: Path, name: str) -> None:
    settings = small(name)
    before = Networks(settings, Processes(settings), OBJECTIVES[settings.objective.kind].student).weights()
    assert len(steps_of(volume, tmp_path / "run", settings)) == 3
    after = weights_of(tmp_path / "run")
    assert before.keys() == after.keys()
    moved = {k for k, v in after.items() if not torch.equal(v, before[k])}
    named = {"dense-swav": "student.reader.", "dense-dsm": "student.reader."}
    assert any(k.startswith(named.get(name, "student.encoder.")) for k in moved)
    assert RunFolder.open(tmp_path / "run").load_encoder().classes == 6


@pytest.mark.parametrize("name", FAMILIES)
def test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one(
    volume: Volume, tmp_path: Path, name: str
) -> None:
    settings = small(name)
    steps_of(volume, tmp_path / "whole", settings)
    job = train(volume, tmp_path / "cut", settings)
    for event in job:
        if isinstance(event, Step) and event.index == 2:
            break
    job.close()  # type: ignore[attr-defined]
    assert [
        e.index for e in train(volume, tmp_path / "cut", settings, resume=True) if isinstance(e, Step)
    ] == [3]
    whole, cut = weights_of(tmp_path / "whole"), weights_of(tmp_path / "cut")
    for key, value in whole.items():
        assert torch.equal(value, cut[key]), key


@pytest.mark.parametrize("name", FAMILIES)
def test_half_precision_and_constant_slices_give_numbers(tmp_path: Path, name: str) -> None:
    voxels = np.random.default_rng(0).normal(128, 30, (7, 64, 64)).clip(0, 255).astype(np.uint8)
    voxels[::2] = 0
    volume = Volume.from_arrays([voxels], voxel_size=(50, 5, 5))
    steps_of(volume, tmp_path / "run", small(name, precision="bf16", steps=2))


@pytest.mark.parametrize("name", [n for n in FAMILIES if n.startswith("dense")])
def test_one_slice_is_enough_without_context(volume: Volume, tmp_path: Path, name: str) -> None:
    steps_of(volume, tmp_path / "run", small(name, roi="2:3,:,:", steps=2))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_that_does_not_fit_is_halved_and_it_says_how(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    backward, failures = Networks.backward, iter([True])

    def failing(self: Networks, loss: torch.Tensor, *, last: bool) -> None:
        if next(failures, False):
            raise torch.OutOfMemoryError("CUDA out of memory")
        backward(self, loss, last=last)

    monkeypatch.setattr(Networks, "backward", failing)
    events = list(train(volume, tmp_path / "run", small(name)))
    (note,) = (e.message for e in events if isinstance(e, Noted) and e.lasting)
    whole = name in ("dense-jepa", "dense-dsm")
    assert ("2 crops at a time (the result is the same" in note) is whole
    assert ("batches of 2 crops in place of 3" in note) is not whole
    steps = [e for e in events if isinstance(e, Step)]
    assert len(steps) == 3
    assert all(np.isfinite(value) for step in steps for value in step.losses.values())


@pytest.mark.parametrize(("name", "least"), [("dense-iic", "two crops"), ("dense-dsm", "one crop")])
def test_when_nothing_is_left_to_halve_it_says_so(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, least: str
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Networks, "backward", failing)
    with pytest.raises(DeviceMemoryError, match=f"Not even {least} of"):
        list(train(volume, tmp_path / "run", small(name)))


@pytest.mark.parametrize("name", [*EMBEDDINGS, "dense-swav"])
def test_a_stopped_run_has_its_classes(volume: Volume, tmp_path: Path, name: str) -> None:
    """K classes of the embedding, not those of a head that was never trained."""
    job = train(volume, tmp_path / "run", small(name))
    for event in job:
        if isinstance(event, Step) and event.index == 2:
            break
    job.close()  # type: ignore[attr-defined]
    images = torch.from_numpy(np.asarray(volume.data[:4], dtype=np.float32))[:, None]
    images = (images - images.mean()) / images.std()
    with torch.no_grad():
        probabilities = RunFolder.open(tmp_path / "run").load_encoder().probabilities(images)
    used = probabilities.argmax(1).unique()
    assert len(used) >= (4 if name in EMBEDDINGS else 2)
    if name in EMBEDDINGS:
        assert float(probabilities.max(1).values.mean()) == pytest.approx(0.7, abs=0.1)


def test_the_live_map_shows_the_embedding_s_classes(volume: Volume, tmp_path: Path) -> None:
    settings = small("dense-dsm", preview_seconds=0.2, steps=200)
    view = View(Box((3, 0, 0), (4, 96, 96)))
    previews = [
        e for e in train(volume, tmp_path / "run", settings, watch=Watch(view)) if isinstance(e, Preview)
    ]
    assert previews
    assert len(np.unique(previews[0].classes)) >= 4


def test_the_experiments_switch_their_parts_on(volume: Volume, tmp_path: Path) -> None:
    expected = {
        "exp1-sigreg": {"sigreg"},
        "exp2-diversity": {"shortfall", "blur"},
        "exp3-ema": {"shortfall", "blur"},
        "exp4-cross-sample": {"shortfall", "blur", "variance"},
        "exp5-equivariance": {"shortfall", "blur", "variance", "equivariance"},
    }
    for name, parts in expected.items():
        (step,) = steps_of(volume, tmp_path / name, small(name, steps=1))
        assert set(step.losses) == {"loss", "prediction"} | parts
        settings = RECIPES[name].settings()
        weights = settings.objective.model_dump()
        named = {
            "prediction": weights["prediction_weight"],
            "sigreg": weights["sigreg_weight"],
            "shortfall": weights["diversity_weight"],
            "blur": weights["sharpness_weight"],
            "variance": -weights["cross_sample_weight"],
            "equivariance": weights["equivariance_weight"],
        }
        total = sum(named[k] * v for k, v in step.losses.items() if k != "loss")
        assert step.losses["loss"] == pytest.approx(total, rel=1e-5)
        assert (settings.encoder.padding, settings.sampler.view_shift) == ("zeros", 0)


def test_the_guards_can_be_switched_on_one_at_a_time(volume: Volume, tmp_path: Path) -> None:
    changes = (
        {"encoder": {"padding": "reflect"}},
        {"sampler": {"view_shift": 16, "photometric": 0.4}, "objective": {"same_window": False}},
        {"sampler": {"view_shift": 16}, "objective": {"equivariance_shift": True}},
        {"objective": {"marginal": "batch"}},
    )
    for number, change in enumerate(changes):
        steps_of(volume, tmp_path / f"{number}", small("exp5-equivariance", steps=2, **change))


def test_without_gradient_the_prediction_does_not_reach_the_encoder(volume: Volume, tmp_path: Path) -> None:
    silent = {"sigreg_weight": 0, "diversity_weight": 0, "sharpness_weight": 0}
    for name, learns in (("exp1-sigreg", False), ("exp3-ema", True)):
        settings = small(name, silent, optimiser={"weight_decay": 0})
        steps_of(volume, tmp_path / name, settings)
        before = Networks(settings, Processes(settings), OBJECTIVES["cross-slice"].student).weights()
        after = weights_of(tmp_path / name)
        key = "student.encoder.head.weight"
        assert torch.equal(before[key], after[key]) != learns
        assert not torch.equal(before["student.predictor.0.weight"], after["student.predictor.0.weight"])


def test_beats_come_often(volume: Volume, tmp_path: Path) -> None:
    events = list(train(volume, tmp_path / "run", small("dense-jepa")))
    assert sum(isinstance(e, Beat) for e in events) >= 6


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("exp3-ema", {"context": 0}, "set context 2"),
        ("dense-iic", {"context": 2}, "set context 0"),
        ("exp3-ema", {"objective": {"border_trim": 12}}, "less than 16 px"),
        ("exp3-ema", {"objective": {"same_window": False}}, "view_shift above 0"),
        ("dense-dsm", {"objective": {"lowest_noise": 2}}, "above the highest"),
        ("dense-dsm", {"objective": {"kind": "magic"}}, "dense-swav"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    name: str, change: dict[str, object], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        small(name, **change)
