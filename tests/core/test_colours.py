import numpy as np

from napari_dense_ssl.core.colours import class_colours


def test_classes_have_distinct_colours_and_the_background_none() -> None:
    colours = class_colours()
    assert colours.shape == (256, 4)
    assert not colours[0].any()
    assert len(np.unique(colours[1:255].round(6), axis=0)) == 254
    assert (colours[1:, 3] == 1).all()
