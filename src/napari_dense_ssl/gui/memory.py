"""How much memory the docks' maps may take."""

from __future__ import annotations

from importlib import import_module

DEFAULT_MB = 512


def cache_bytes() -> int:
    """Return the limit from napari's Preferences, bytes."""
    try:
        preferences = import_module("napari_dense_ssl.gui.preferences").preferences
    except ImportError:
        return DEFAULT_MB * 10**6
    return int(preferences().cache_mb) * 10**6
