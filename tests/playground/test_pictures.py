"""Pictures and animations."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.playground.frames import Film, Frame, Scene, frame_steps
from napari_dense_ssl.playground.pictures import draw_frame, write_animation, write_picture


@pytest.fixture
def film() -> Film:
    axis = np.linspace((-2, -1), (2, 3), 9).T
    rng = np.random.default_rng(0)
    scene = Scene(
        "vicreg",
        "rings",
        axis,
        rng.normal(size=(4, 2)),
        rng.normal(size=(30, 2)),
        rng.integers(0, 2, 30),
        np.zeros((9, 9)),
    )
    frames = [
        Frame(
            step,
            f"step {step}",
            rng.random((9, 9)),
            rng.random((4, 2)),
            rng.random((30, 2)),
            np.zeros((5, 2)),
        )
        for step in (0, 3, 9)
    ]
    return Film(scene, frames)


def test_a_picture_has_its_axes_in_data_units_and_says_what_it_shows(film: Film) -> None:
    figure = draw_frame(film, film.frames[1])
    landscape = figure.axes[0]
    assert landscape.get_xlim() == (-2, 2)
    assert landscape.get_ylim() == (-1, 3)
    assert figure.get_suptitle() == "vicreg on rings: step 3"


def test_png_and_gif(film: Film, tmp_path: Path) -> None:
    write_picture(film, tmp_path / "a.png")
    assert iio.imread(tmp_path / "a.png").shape[2] in (3, 4)
    assert list(write_animation(film, tmp_path / "a.gif", dots=40)) == [1, 2, 3]
    assert len(iio.imread(tmp_path / "a.gif")) == 3


def test_what_cannot_be_written_is_said_before_anything_is_drawn(film: Film, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.gif or \.mp4"):
        write_animation(film, tmp_path / "a.avi")
    with pytest.raises(OutputError, match="run the method first"):
        write_animation(Film(film.scene), tmp_path / "a.gif")
    with pytest.raises(OutputError, match=r"ends in \.png"):
        write_picture(film, tmp_path / "a.xyz")


def test_pictures_lie_closer_at_the_start_and_reach_the_end() -> None:
    steps = frame_steps(1000, 11)
    assert (steps[0], steps[-1]) == (0, 1000)
    gaps = np.diff(steps)
    assert (np.diff(gaps) > 0).all()
    assert frame_steps(2, 40) == [0, 1, 2]
