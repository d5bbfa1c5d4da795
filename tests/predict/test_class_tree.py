"""How classes meet under turns and shifts, and the tree that comes of it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.events import Beat, Event, Finished, Noted, Pictured, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict import ClassFigures, Predictor, PredictSettings, grow_tree, write_class_csv
from napari_dense_ssl.predict.class_meetings import meetings, sampled_boxes
from napari_dense_ssl.predict.windows import Layout
from napari_dense_ssl.volume import Volume

from .conftest import PointwiseEncoder, PositionalEncoder


def run(job: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    """Return what a generator yields, and what it returns."""
    seen = []
    while True:
        try:
            seen.append(next(job))
        except StopIteration as end:
            return seen, end.value


def grown(job: Generator[Event]) -> tuple[list[Event], ClassTree]:
    """Return all events, and the tree that one of them shows."""
    seen = list(job)
    (tree,) = [event.picture for event in seen if isinstance(event, Pictured)]
    return seen, tree


def predictor(encoder: Any, cpu: Any, **settings: Any) -> Predictor:
    return Predictor(encoder, cpu, PredictSettings(tile=64, halo=8, **settings))


def test_an_equivariant_network_confuses_nothing(volume, pointwise, cpu):
    seen, found = run(meetings(predictor(pointwise, cpu), volume, [Box((1, 10, 5), (2, 42, 37))]))
    assert [type(event) for event in seen] == [Beat] * 10, "eight symmetries and two shifts, one window"
    np.testing.assert_array_equal(found.counts, np.diag(np.diag(found.counts)))
    assert found.pixels.sum() == 32 * 32
    np.testing.assert_array_equal(np.diag(found.counts), 9 * found.pixels)
    np.testing.assert_allclose(found.chances.sum(), 9 * 32 * 32, rtol=1e-5)


def test_centres_are_the_mean_embeddings(volume, pointwise, cpu):
    box = Box((1, 10, 5), (2, 42, 37))
    seen, found = run(meetings(predictor(pointwise, cpu), volume, [box], transforms=False))
    assert len(seen) == 1
    grey = volume.intensity().normalise(volume.read(box)[0])
    classes = (-((grey[None] - np.linspace(-1.5, 1.5, 4)[:, None, None]) ** 2)).argmax(0)
    means, spread = found.centres()
    for k in range(4):
        np.testing.assert_allclose(means[k, 0], grey[classes == k].mean(), rtol=1e-3, atol=1e-4)
    within = sum(((grey[classes == k] - grey[classes == k].mean()) ** 2).sum() for k in range(4))
    np.testing.assert_allclose(spread[0], np.sqrt(within / grey.size), rtol=1e-3)


def test_a_code_for_the_row_meets_its_mirror_image(volume, cpu):
    encoder = PositionalEncoder(classes=4)
    _, found = run(
        meetings(predictor(encoder, cpu, symmetries=2, shifts=()), volume, [Box((0, 8, 8), (1, 40, 40))])
    )
    # rows of a window in four bands: turned by 180 degrees, band i is band 3 - i
    assert found.counts[1, 2] > 0
    assert found.counts[1, 1] == 0


class Twins(PointwiseEncoder):
    """Four grey classes, the two brightest told apart by the direction of the slope: a turn swaps them."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, features = super().forward(images)
        slope = torch.diff(images, dim=-1, append=images[..., -1:])
        bright = logits[:, 2:].amax(1, keepdim=True)
        return torch.cat([logits[:, :2], bright + slope, bright - slope], 1), features


def test_the_tree_joins_what_a_turn_swaps(volume, cpu):
    seen, tree = grown(grow_tree(volume, predictor(Twins(), cpu), way="confusion", squares=4))
    assert tree.way == "confusion"
    assert tree.cut(3) == ((0,), (1,), (2, 3))
    steps = [event for event in seen if isinstance(event, Step)]
    assert isinstance(seen[0], Started)
    assert steps[-1].fraction == 1
    assert seen[0].total == len(steps)
    assert isinstance(seen[-1], Finished)
    assert all(isinstance(event, Event) for event in seen)


def test_classes_that_do_not_occur_are_told_of(cpu):
    flat = Volume.from_arrays(
        [np.tile(np.array([0, 0, 0, 255], np.uint8), (2, 64, 16))], voxel_size=(50.0, 5.0, 5.0)
    )
    seen, tree = grown(grow_tree(flat, predictor(PointwiseEncoder(), cpu), way="centres", squares=2))
    (note,) = [event for event in seen if isinstance(event, Noted)]
    assert note.message == "2 classes did not occur; each was joined to the class nearest to it."
    # three in four pixels are 0: -0.58 and 1.73 of the spread, so classes 1 (-0.5) and 3 (1.5)
    assert all(len({1, 3} & set(group)) == 1 for group in tree.cut(2))


def test_an_unknown_way(volume, pointwise, cpu):
    with pytest.raises(SettingsError, match="no way 'colour' to order classes; choose of centres, confusion"):
        next(grow_tree(volume, predictor(pointwise, cpu), way="colour"))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3, 40, 500), (40, 90, 90), (1, 300, 300)])
def test_squares_lie_inside_and_in_all_depths(shape):
    boxes = sampled_boxes(
        Volume.from_arrays([np.zeros(shape, np.uint8)], voxel_size=(1, 1, 1)), Layout(560, 64, 8), 12
    )
    assert len(boxes) == 12
    for box in boxes:
        box.check(shape)
        assert box.shape == (1, min(256, shape[1]), min(256, shape[2]))
    assert {box.start[0] for box in boxes} >= {0, shape[0] - 1}


def test_figures_of_groups_are_sums() -> None:
    classes = np.array([1, 1, 2, 3, 3, 3], np.uint8)
    figures = ClassFigures.of(classes, np.array([0, 0.2, 0.5, 1, 1, np.nan]), np.array([2, 4, 9, 1, 1, 1]))
    leaders = np.arange(256)
    leaders[2] = 1
    grouped = figures.grouped(leaders)
    assert grouped.labels.tolist() == [1, 3]
    assert grouped.share()[1] == 0.5
    assert grouped.mean_grey()[1] == 5
    assert grouped.mean_error()[1] == pytest.approx(0.7 / 3)
    assert grouped.kept(0.5) == figures.kept(0.5)


def test_the_table_as_a_file(tmp_path) -> None:
    from napari_dense_ssl.core.class_book import ClassBook

    book = ClassBook(3).merge([0, 2]).rename(0, 'dark, "quoted"').recolour(0, (1, 2, 255))
    figures = ClassFigures.of(np.array([1, 1, 2, 1], np.uint8), None, np.array([1.0, 2.0, 7.5, 3.0]))
    write_class_csv(tmp_path / "t.csv", book, figures)
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[1] == '0,1,"dark, ""quoted""",1,#0102ff,0.75,2,'
    assert lines[2].startswith("1,2,1,2,#")
    assert lines[2].endswith(",0.25,7.5,")
    assert lines[3] == '2,3,"dark, ""quoted""",1,#0102ff,0,,'
