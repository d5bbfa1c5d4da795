import numpy as np
import pytest

from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.predict.class_figures import ClassFigures
from napari_dense_ssl.predict.counting import count_classes, counted_slices
from napari_dense_ssl.volume import Volume


@pytest.mark.parametrize(
    ("shape", "count"), [((20, 1024, 1024), 20), ((1000, 1000, 1000), 200), ((5, 40_000, 40_000), 1)]
)
def test_as_many_slices_as_time_allows(shape, count):
    slices = counted_slices(shape)
    assert len(slices) == count
    assert 0 <= slices[0] <= slices[-1] < shape[0]


def test_a_volume_is_counted_block_by_block():
    random = np.random.default_rng(0)
    classes = random.integers(0, 5, (2, 1100, 30)).astype(np.uint8)
    error = random.random(classes.shape).astype(np.float32)
    grey = random.integers(0, 255, classes.shape).astype(np.uint8)
    figures = ClassFigures()
    volumes = [Volume.from_arrays([array]) for array in (classes, error, grey)]
    beats = list(count_classes(figures, *volumes))
    assert len(beats) == 4
    assert all(isinstance(beat, Beat) for beat in beats)
    wanted = ClassFigures.of(classes, error, grey)
    np.testing.assert_allclose(figures.sums, wanted.sums)
    np.testing.assert_allclose(figures.errors, wanted.errors)
