"""Predictions averaged over three planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from napari_dense_ssl.core.errors import OutputError, SettingsError
from napari_dense_ssl.core.events import Finished, Noted, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.planes import PLANES
from napari_dense_ssl.predict import PlanePart, Predictor, PredictSettings, predict
from napari_dense_ssl.predict.blocks import cube_blocks, cube_edges
from napari_dense_ssl.volume import Output, Volume, open_output, open_volume

ORTHO = PredictSettings(planes="ortho", chunk=16, memory=1)
SHAPE = (40, 48, 56)


def cube(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    smooth = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return np.clip(128 + 250 * smooth, 0, 255).astype(np.uint8)


def isotropic(voxels: np.ndarray) -> Volume:
    return Volume.from_arrays([voxels], voxel_size=(8.0, 8.0, 8.0))


class Oriented(nn.Module):
    """Looks at the gradient along rows and at the slice above: each plane gives another answer."""

    slices, classes, feature_channels, multiple, default_halo = 3, 4, 3, 8, 8

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        above, own, below = images.unbind(1)
        down = torch.diff(own, dim=1, append=own[:, -1:])
        logits = torch.stack([3 * down, 2 * (above - own), own, below - 2 * own], 1)
        return logits, images


@pytest.fixture
def oriented(cpu) -> Predictor:
    return Predictor(Oriented().eval(), cpu, ORTHO)


def predicted(volume: Volume, predictor: Predictor, out: Path, **more) -> list:
    return list(predict(volume, predictor, out, **more))


def maps(out: Path) -> tuple[np.ndarray, np.ndarray]:
    output = open_output(out)
    return output.label("classes")[:], output.image[:]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("zarr.json", "finished.txt")
    }


def planar(predictor: Predictor, voxels: np.ndarray, what: tuple[str, ...]) -> np.ndarray:
    """Predict each slice alone: confidence (0) and error (1), as :meth:`Predictor.parts` gives them."""
    volume = isotropic(voxels)
    found = np.zeros((2, *voxels.shape), np.float32)
    for part in predictor.parts(volume, [Box.whole(voxels.shape)], what, volume.intensity()):
        if isinstance(part, PlanePart):
            found[0][part.box.slices] = part.confidence
            found[1][part.box.slices] = 0 if part.error is None else part.error
    return found


def test_maps_are_the_mean_over_the_three_planes_as_worked_out_by_hand(oriented, cpu, tmp_path):
    voxels = cube((32, 32, 40))
    events = predicted(isotropic(voxels), oriented, tmp_path / "out.zarr", what=("classes",))
    assert events[0].details["planes"] == "xy, xz, yz"
    pixels = torch.from_numpy(isotropic(voxels).intensity().normalise(voxels))
    total = torch.zeros(4, *voxels.shape)
    for plane in PLANES:
        stack = pixels.permute(plane.axes)
        # mirrored beyond the ends, the end slices not repeated
        around = torch.cat([stack[1:2], stack, stack[-2:-1]])
        # windows are padded by reflection to whole strides, which all of these edges are
        images = torch.stack([around[:-2], around[1:-1], around[2:]], 1)
        probabilities = Oriented()(images)[0].softmax(1)  # (N, K, rows, columns)
        total += probabilities.movedim(1, 0).permute(0, *(1 + axis for axis in plane.inverse))
    confidence, best = (total / 3).max(0)
    classes, image = maps(tmp_path / "out.zarr")
    assert np.abs(image.astype(np.float32) - confidence.numpy()).max() < 1e-3
    sure = (total / 3).topk(2, 0).values
    sure = ((sure[0] - sure[1]) > 1e-5).numpy()
    assert sure.mean() > 0.99
    assert (classes == best.numpy() + 1)[sure].all()


def test_the_error_is_the_mean_over_the_three_planes(oriented, cpu, tmp_path):
    voxels = cube((32, 32, 40))
    predicted(isotropic(voxels), oriented, tmp_path / "out.zarr")
    one = Predictor(oriented.encoder, cpu, PredictSettings(planes="xy"))
    errors = [planar(one, plane.see(voxels), ("error",))[1].transpose(plane.inverse) for plane in PLANES]
    assert np.ptp(np.stack(errors), axis=0).mean() > 0.01, "planes differ, or this test says nothing"
    assert np.abs(maps(tmp_path / "out.zarr")[1] - np.mean(errors, axis=0)).max() < 2e-3


@pytest.mark.parametrize("axes", [(1, 2, 0), (2, 0, 1)])
def test_the_prediction_of_a_turned_volume_is_the_turned_prediction(small_encoder, cpu, tmp_path, axes):
    voxels = cube()
    predictor = Predictor(small_encoder, cpu, ORTHO)
    predicted(isotropic(voxels), predictor, tmp_path / "a.zarr", what=("classes",))
    predicted(isotropic(voxels.transpose(axes)), predictor, tmp_path / "b.zarr", what=("classes",))
    (classes, image), (turned_classes, turned_image) = maps(tmp_path / "a.zarr"), maps(tmp_path / "b.zarr")
    assert np.abs(image.transpose(axes).astype(np.float32) - turned_image).max() < 2e-3
    assert (classes.transpose(axes) == turned_classes).mean() > 0.999
    # A single plane does not pass this.
    flat = Predictor(small_encoder, cpu, ORTHO.model_copy(update={"planes": "xy"}))
    predicted(isotropic(voxels), flat, tmp_path / "c.zarr", what=("classes",))
    predicted(isotropic(voxels.transpose(axes)), flat, tmp_path / "d.zarr", what=("classes",))
    assert (maps(tmp_path / "c.zarr")[0].transpose(axes) == maps(tmp_path / "d.zarr")[0]).mean() < 0.99


def test_blocks_leave_no_seam(small_encoder, cpu, tmp_path):
    """With a halo as wide as the network sees, blocks of any size give the same."""
    voxels = cube((40, 40, 72))
    settings = ORTHO.model_copy(update={"halo": small_encoder.receptive_radius, "tile": 512})
    for memory in (1, 64):
        one = Predictor(small_encoder, cpu, settings.model_copy(update={"memory": memory}))
        events = predicted(isotropic(voxels), one, tmp_path / f"{memory}.zarr", what=("classes",))
        assert (events[0].total == 1) == (memory == 64)
    (classes, image), (whole_classes, whole_image) = maps(tmp_path / "1.zarr"), maps(tmp_path / "64.zarr")
    assert np.abs(image.astype(np.float32) - whole_image).max() < 1e-3
    assert (classes == whole_classes).mean() > 0.9999


@pytest.mark.parametrize("stop_after", [1, 2])
def test_resuming_gives_the_same_bytes(small_encoder, cpu, tmp_path, stop_after):
    volume = isotropic(cube((32, 40, 112)))
    settings = ORTHO.model_copy(update={"symmetries": 1, "shifts": ((1, 3),)})
    predictor = Predictor(small_encoder, cpu, settings)
    events = predicted(volume, predictor, tmp_path / "whole.zarr")
    assert events[0].total > stop_after
    job, steps = predict(volume, predictor, tmp_path / "parts.zarr"), 0
    for event in job:
        steps += isinstance(event, Step)
        if steps == stop_after:
            break
    job.close()
    done = open_output(tmp_path / "parts.zarr").finished()
    assert stop_after <= len(done) < events[0].total
    again = predicted(volume, predictor, tmp_path / "parts.zarr", resume=True)
    assert sum(isinstance(event, Step) for event in again) == events[0].total - len(done)
    assert files(tmp_path / "parts.zarr") == files(tmp_path / "whole.zarr")
    with pytest.raises(OutputError, match="its settings is"):
        predicted(volume, predictor.with_settings(planes="xy"), tmp_path / "parts.zarr", resume=True)


def test_a_region_is_predicted_as_it_is_in_the_whole_volume(oriented, tmp_path):
    volume = isotropic(cube())
    roi = Box((10, 16, 9), (26, 40, 33))
    predicted(volume, oriented, tmp_path / "whole.zarr", what=("classes",))
    events = predicted(volume, oriented, tmp_path / "part.zarr", what=("classes",), roi=roi)
    assert events[-1].summary["pixels"] == roi.size
    classes, _ = maps(tmp_path / "part.zarr")
    assert (classes[roi.slices] == maps(tmp_path / "whole.zarr")[0][roi.slices]).all()
    assert np.count_nonzero(classes) == roi.size


class Counted(Volume):
    """Keeps how many voxels were read at once."""

    reads: list[int]

    def read(self, box: Box, level: int = 0):
        self.__dict__.setdefault("reads", []).append(box.size)
        return super().read(box, level)


@pytest.mark.parametrize("shape", [(48, 48, 48), (64, 96, 192)])
def test_what_is_in_memory_at_a_time_does_not_grow_with_the_volume(oriented, tmp_path, monkeypatch, shape):
    written: list[tuple[int, int, int]] = []
    write = Output.write

    def counting(self, name, box, values):
        written.append(box.shape)
        write(self, name, box, values)

    monkeypatch.setattr(Output, "write", counting)
    volume = Counted.from_arrays([cube(shape)], voxel_size=(8.0, 8.0, 8.0))
    volume.intensity()
    volume.__dict__["reads"] = []
    predicted(volume, oriented, tmp_path / "out.zarr", what=("classes",))
    reads = volume.__dict__["reads"]
    # Probabilities of four classes, four bytes each, within the memory asked for.
    assert max(np.prod(block) for block in written) * 4 * 4 <= 2**20
    # A block is read once, with its halo of 8 px, to whole strides of 8 px at most, on either side.
    assert len(reads) == len(written) // 2, "image and classes are written"
    assert max(reads) <= max(np.prod([edge + 2 * 16 for edge in block]) for block in written)


def test_blocks_are_as_large_as_the_memory_allows():
    region = Box.whole((500, 500, 500))
    edges = cube_edges(region, 64, 128**3, 48)
    assert sorted(edges) == [128, 128, 128]
    # A thin volume is cut within its planes only.
    assert cube_edges(Box.whole((60, 2000, 2000)), 64, 128**3, 48)[0] == 64
    assert cube_edges(region, 64, 10, 48) == (64, 64, 64), "one chunk at least"
    boxes = dict(cube_blocks(Box((10, 0, 70), (130, 64, 300)), 64, (64, 64, 128)))
    assert sum(box.size for box in boxes.values()) == 120 * 64 * 230
    for box in boxes.values():
        assert all(a % 64 == 0 or a == low for a, low in zip(box.start, (10, 0, 70), strict=True))


def test_auto_follows_the_voxel_size_and_says_so(oriented, tmp_path):
    auto = oriented.with_settings(planes="auto")
    voxels = cube((32, 32, 32))

    def planes(volume: Volume, name: str, **more) -> tuple[str, str]:
        events = predicted(volume, auto, tmp_path / name, **more)
        assert isinstance(events[0], Started)
        notes = [event.message for event in events if isinstance(event, Noted)]
        return events[0].details["planes"], " ".join(notes)

    found, said = planes(isotropic(voxels), "a.zarr")
    assert found == "xy, xz, yz"
    assert "voxels measure 8 x 8 x 8 nm" in said
    flat = Volume.from_arrays([voxels], voxel_size=(40.0, 8.0, 8.0))
    assert planes(flat, "b.zarr") == ("xy", "")
    found, said = planes(Volume.from_arrays([voxels]), "c.zarr")
    assert found == "xy, xz, yz"
    assert "measured on the images" in said
    found, said = planes(isotropic(voxels), "d.zarr", what=("classes", "embedding"))
    assert found == "xy"
    assert "embedding" in said
    found, said = planes(isotropic(voxels), "e.zarr", roi=Box((0, 0, 0), (4, 32, 32)))
    assert found == "xy"
    assert "thick" in said


def test_the_embedding_is_refused_before_anything_is_written(oriented, tmp_path):
    with pytest.raises(SettingsError, match="planes xy"):
        predicted(isotropic(cube((32, 32, 32))), oriented, tmp_path / "out.zarr", what=("embedding",))
    assert not (tmp_path / "out.zarr").exists()


def test_others_open_it_and_previews_show_what_is_on_disk(oriented, tmp_path):
    volume = isotropic(cube())
    events = predicted(volume, oriented, tmp_path / "out.zarr")
    assert isinstance(events[-1], Finished)
    made = open_volume(tmp_path / "out.zarr" / "labels" / "classes")
    assert made.voxel_size == volume.voxel_size
    assert made.shape == volume.shape
    assert made.chunks == (16, 16, 16)
    classes, _ = maps(tmp_path / "out.zarr")
    for preview in (event for event in events if isinstance(event, Preview)):
        assert preview.box.shape[0] == 1
        assert (classes[preview.box.slices][0] == preview.classes).all()
