"""Sample data for napari's File menu: the synthetic EM volume and its truth."""

from __future__ import annotations

from napari_dense_ssl.gui.reader import LayerData, read


def synthetic_em() -> list[LayerData]:
    """Return the synthetic EM volume."""
    return read("sample:em")


def synthetic_em_labels() -> list[LayerData]:
    """Return the synthetic EM volume and the truth over it."""
    return [*read("sample:em"), *read("sample:em-labels")]
