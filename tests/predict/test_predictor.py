import numpy as np
import pytest
import torch

from napari_dense_ssl.core.errors import DeviceMemoryError, SettingsError
from napari_dense_ssl.core.events import Beat, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict import PlanePart, Predictor, PredictSettings
from napari_dense_ssl.volume import Volume


def stitched(predictor, volume, z=0, what=("classes",), wanted=None):
    """Return classes, confidence, error, embedding of a slice, and how often each pixel was given."""
    wanted = wanted or Box.whole(volume.shape).plane(z)
    maps, count = {}, np.zeros(wanted.shape[1:], int)
    for part in predictor.plane(volume, z, wanted, what):
        if not isinstance(part, PlanePart):
            continue
        assert part.box.start[0] == z
        y, x = (
            slice(part.box.start[i] - wanted.start[i], part.box.stop[i] - wanted.start[i]) for i in (1, 2)
        )
        count[y, x] += 1
        for name in ("classes", "confidence", "error", "embedding"):
            values = getattr(part, name)
            if values is not None:
                target = maps.setdefault(name, np.zeros((*values.shape[:-2], *count.shape), values.dtype))
                target[..., y, x] = values
    assert (count == 1).all()
    return maps


def test_classes_are_argmax_plus_one(pointwise, cpu, volume):
    predictor = Predictor(pointwise, cpu, PredictSettings(tile=48))
    maps = stitched(predictor, volume, z=1)
    pixels = volume.intensity().normalise(volume.read(Box.whole(volume.shape).plane(1))[0])
    levels = np.linspace(-1.5, 1.5, 4)
    expected = np.abs(pixels[None] - levels[:, None, None]).argmin(0) + 1
    assert (maps["classes"] == expected).mean() > 0.9999
    assert maps["classes"].dtype == np.uint8
    assert set(np.unique(maps["classes"])) <= {1, 2, 3, 4}
    assert "error" not in maps
    assert maps["confidence"].dtype == np.float32
    assert 0.25 <= maps["confidence"].min() <= maps["confidence"].max() <= 1


def test_an_equivariant_encoder_has_no_error_and_a_positional_one_much(pointwise, positional, cpu, volume):
    content = stitched(Predictor(pointwise, cpu), volume, what=("error",))["error"]
    assert content.max() < 1e-5
    place = stitched(Predictor(positional, cpu), volume, what=("error",))["error"]
    assert place.mean() > 0.5
    assert place.max() <= 1


def test_a_grid_of_the_stride_is_seen_by_the_shifts_only(cpu, volume):
    """A code that repeats with the stride is unchanged by turns about the window's middle, not by shifts."""

    class Grid(torch.nn.Module):
        classes, feature_channels, multiple, default_halo, slices = 2, 1, 8, 8, 1

        def forward(self, images):
            _, _, height, width = images.shape
            y, x = (torch.arange(n) % 8 for n in (height, width))
            inside = ((y[:, None] - 3.5).abs() < 2) & ((x[None] - 3.5).abs() < 2)
            logits = torch.stack([inside, ~inside]).float()[None] * 30
            return logits.expand(len(images), -1, -1, -1), images

    turned = Predictor(Grid(), cpu, PredictSettings(shifts=()))
    assert stitched(turned, volume, what=("error",))["error"].max() < 1e-5
    moved = Predictor(Grid(), cpu, PredictSettings(symmetries=1))
    assert stitched(moved, volume, what=("error",))["error"].mean() > 0.2


def test_embedding_is_that_of_the_untouched_view(pointwise, cpu, volume):
    maps = stitched(Predictor(pointwise, cpu, PredictSettings(tile=48)), volume, what=("embedding", "error"))
    pixels = volume.intensity().normalise(volume.read(Box.whole(volume.shape).plane(0))[0])
    assert maps["embedding"].dtype == np.float16
    assert maps["embedding"].shape == (3, 90, 70)
    assert np.allclose(maps["embedding"][0], pixels, atol=2e-3)


def test_with_a_halo_of_the_receptive_radius_tiled_equals_untiled(small_encoder, cpu, texture):
    volume = Volume.from_arrays([texture((1, 290, 301))])
    radius = small_encoder.receptive_radius
    whole = PredictSettings(tile=512, halo=radius)
    small = PredictSettings(tile=2 * radius + 56, halo=radius)
    what = ("classes", "error", "embedding")
    untiled = stitched(Predictor(small_encoder, cpu, whole), volume, what=what)
    predictor = Predictor(small_encoder, cpu, small)
    assert predictor.count(volume, [Box.whole(volume.shape)], what) >= 4
    tiled = stitched(predictor, volume, what=what)
    assert np.abs(tiled["confidence"] - untiled["confidence"]).max() < 1e-5
    assert np.abs(tiled["error"] - untiled["error"]).max() < 1e-5
    assert (tiled["classes"] != untiled["classes"]).mean() < 1e-4  # ties of the last digit
    assert untiled["error"].std() > 1e-3  # the comparison is of something
    assert len(np.unique(untiled["classes"])) > 2


def test_with_the_default_halo_seams_stay_invisible(small_encoder, cpu, texture):
    volume = Volume.from_arrays([texture((1, 256, 272))])
    halo = small_encoder.default_halo
    untiled = stitched(Predictor(small_encoder, cpu, PredictSettings(tile=512)), volume)
    tiled = stitched(Predictor(small_encoder, cpu, PredictSettings(tile=2 * halo + 64)), volume)
    assert np.abs(tiled["confidence"] - untiled["confidence"]).max() < 0.02
    assert (tiled["classes"] != untiled["classes"]).mean() < 0.002


@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 5, 120), (1, 1, 1), (1, 33, 31)])
def test_planes_smaller_than_a_window(small_encoder, cpu, texture, shape):
    maps = stitched(Predictor(small_encoder, cpu), Volume.from_arrays([texture(shape)]), what=("error",))
    assert maps["classes"].shape == shape[1:]
    assert maps["classes"].min() >= 1
    assert np.isfinite(maps["error"]).all()


def test_a_region_equals_its_part_of_the_plane(small_encoder, cpu, texture):
    volume = Volume.from_arrays([texture((1, 200, 200))])
    predictor = Predictor(small_encoder, cpu, PredictSettings(halo=small_encoder.receptive_radius))
    whole = stitched(predictor, volume, what=("error",))
    part = stitched(predictor, volume, what=("error",), wanted=Box((0, 51, 60), (1, 80, 133)))
    assert np.abs(part["error"] - whole["error"][51:80, 60:133]).max() < 1e-5
    assert np.abs(part["confidence"] - whole["confidence"][51:80, 60:133]).max() < 1e-5


def test_batches_change_nothing(small_encoder, cpu, volume):
    alone = stitched(
        Predictor(small_encoder, cpu, PredictSettings(tile=64, halo=16)), volume, what=("error",)
    )
    settings = PredictSettings(tile=64, halo=16, batch=40)
    joined = stitched(Predictor(small_encoder, cpu, settings), volume, what=("error",))
    assert np.abs(alone["error"] - joined["error"]).max() < 1e-5


def test_a_beat_comes_with_every_forward_pass(pointwise, cpu, volume):
    predictor = Predictor(pointwise, cpu)
    events = list(predictor.parts(volume, [Box.whole(volume.shape)], ("error",)))
    beats = sum(isinstance(event, Beat) for event in events)
    assert beats == len(pointwise.sizes) == 3 * 10
    assert all(size[0] == 1 for size in pointwise.sizes)


def test_no_mode_of_torch_leaks_out_of_the_generator(pointwise, cpu, volume):
    for _ in Predictor(pointwise, cpu).parts(volume, [Box.whole(volume.shape)], ("error",)):
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()


def test_when_memory_runs_out_the_batch_is_halved_and_said(pointwise, cpu, volume):
    plain = stitched(Predictor(pointwise, cpu, PredictSettings(tile=48)), volume, what=("error",))

    class Greedy(type(pointwise)):
        def forward(self, images):
            if len(images) > 3:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
            return super().forward(images)

    predictor = Predictor(Greedy(), cpu, PredictSettings(tile=48, batch=16))
    events = list(predictor.plane(volume, 0, Box.whole(volume.shape).plane(0), ("error",)))
    notes = [event.message for event in events if isinstance(event, Noted)]
    assert len(notes) == 2
    assert "going on with" in notes[0]
    assert np.allclose(stitched(predictor, volume, what=("error",))["error"], plain["error"], atol=1e-6)


def test_when_one_window_does_not_fit_the_message_says_what_to_do(pointwise, cpu, volume):
    class Hungry(type(pointwise)):
        def forward(self, images):
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to")

    with pytest.raises(DeviceMemoryError, match="choose a smaller tile"):
        list(Predictor(Hungry(), cpu).parts(volume, [Box.whole(volume.shape)]))


def test_other_errors_of_the_network_are_not_taken_for_memory(pointwise, cpu, volume):
    class Broken(type(pointwise)):
        def forward(self, images):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        list(Predictor(Broken(), cpu).parts(volume, [Box.whole(volume.shape)]))


def test_what_cannot_be_predicted_is_refused(pointwise, cpu, volume):
    with pytest.raises(SettingsError, match=r"depth.*classes, error, embedding"):
        list(Predictor(pointwise, cpu).parts(volume, [Box.whole(volume.shape)], ("depth",)))
    pointwise.classes = 300
    with pytest.raises(SettingsError, match="255 at most"):
        Predictor(pointwise, cpu)


class Run:
    """What a predictor asks of a run folder."""

    def __init__(self, mean: float, std: float, voxel_size=(50.0, 4.6, 4.6)) -> None:
        self.intensity = {"mean": mean, "std": std, "low": 0.0, "high": 255.0}
        self.voxel_size = voxel_size


def test_the_runs_own_grey_values_are_used_where_the_volume_looks_like_them(pointwise, cpu, volume):
    own = volume.intensity()
    near = Run(own.mean + 0.05 * own.std, own.std * 1.02)
    intensity, notes = Predictor(pointwise, cpu, run=near).intensity(volume)
    assert (intensity.mean, intensity.std) == (near.intensity["mean"], near.intensity["std"])
    assert notes == ()
    intensity, notes = Predictor(pointwise, cpu, run=Run(own.mean, 3 * own.std)).intensity(volume)
    assert intensity == own
    assert "normalised by the volume's own" in notes[0]


def test_another_voxel_size_is_said(pointwise, cpu, volume):
    own = volume.intensity()
    run = Run(own.mean, own.std, (50.0, 8.0, 4.6))
    (note,) = Predictor(pointwise, cpu, run=run).intensity(volume)[1]
    assert "along y is 4.6 nm" in note
    assert "8 nm" in note


def test_a_constant_volume_is_predicted_and_said(small_encoder, cpu):
    volume = Volume.from_arrays([np.full((1, 40, 40), 7, np.uint8)])
    predictor = Predictor(small_encoder, cpu)
    assert "same value everywhere" in predictor.intensity(volume)[1][0]
    assert stitched(predictor, volume)["classes"].min() >= 1
