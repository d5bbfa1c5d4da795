"""Opening napari: our reader, our docks, a real window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_dense_ssl.cli.window import Shown, has_display, show

from .conftest import Answer

SAMPLE = "sample:em?shape=4x64x64"


def test_without_a_display_open_says_so(call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_dense_ssl.cli.window.sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    answer = call("open", SAMPLE)
    assert answer.status == 2
    assert answer.err.startswith("There is no display")
    assert len(answer.err.splitlines()) == 1


def test_a_bad_volume_is_answered_before_a_window_opens(call: Callable[..., Answer], tmp_path: Path) -> None:
    answer = call("open", tmp_path / "missing.tif")
    assert answer.status == 2
    assert "missing.tif" in answer.err


@pytest.mark.window
@pytest.mark.skipif(not has_display(), reason="NO DISPLAY: run under xvfb-run to test the window")
def test_open_shows_the_volume_with_its_scale_and_all_docks(
    monkeypatch: pytest.MonkeyPatch, make_napari_viewer: Callable[..., object]
) -> None:
    import napari

    viewer = make_napari_viewer(show=True)
    monkeypatch.setattr("napari.Viewer", lambda **_: viewer)
    monkeypatch.setattr("napari.run", lambda: None)
    truth = "sample:em-labels?shape=4x64x64"
    show([Shown(SAMPLE, voxel_size=(40, 8, 8)), Shown(truth, kind="labels", name="truth", visible=False)])
    image, labels = viewer.layers  # type: ignore[attr-defined]
    assert isinstance(image, napari.layers.Image)
    assert tuple(image.scale) == (40, 8, 8)
    assert {str(unit) for unit in image.units} == {"nanometer"}
    assert isinstance(labels, napari.layers.Labels)
    assert (labels.name, labels.visible) == ("truth", False)
    titles = " ".join(viewer.window.dock_widgets)  # type: ignore[attr-defined]
    assert all(name in titles for name in ("Volume", "Train", "Classes"))
