"""Fields that several docks use."""

from __future__ import annotations

import pytest

from napari_dense_ssl.gui.fields import is_missing, paragraph

PATH = "/data/a-very-long-folder-name-of-a-microscope/session_2026_11_24/stack.zarr"


def test_a_sentence_breaks_inside_of_a_path_and_is_handed_out_whole(qtbot):
    label = paragraph()
    qtbot.addWidget(label)
    label.setText(f"There is no {PATH}.")
    assert label.text() == f"There is no {PATH}."
    label.resize(200, 10)
    widest = max(label.fontMetrics().horizontalAdvance(line) for line in lines(label))
    assert widest <= 200
    assert label.heightForWidth(200) >= 3 * label.fontMetrics().height()


def lines(label) -> list[str]:
    """Return the pieces that may not be broken."""
    return super(type(label), label).text().replace("\u200b", " ").split(" ")


def test_short_words_are_left_alone(qtbot):
    label = paragraph("3 × 96 × 128 voxels, 4.6 nm/px")
    qtbot.addWidget(label)
    assert "\u200b" not in super(type(label), label).text()


@pytest.mark.parametrize("path", ["sample:em", "https://example.org/a.zarr", "s3://bucket/a.zarr"])
def test_what_is_not_on_this_machine_is_not_missing(path):
    assert not is_missing(path)


def test_missing(tmp_path):
    assert not is_missing(str(tmp_path))
    assert is_missing(str(tmp_path / "gone"))
