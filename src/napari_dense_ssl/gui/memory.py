"""How much memory the docks' maps may take."""

from __future__ import annotations

from napari_dense_ssl.gui.preferences import preferences


def cache_bytes() -> int:
    """Return the limit that is set in napari's Preferences, bytes."""
    return preferences().cache_mb * 10**6
