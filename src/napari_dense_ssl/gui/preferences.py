"""What the user set for this plugin in napari's Preferences, with safe defaults."""

from __future__ import annotations

from dataclasses import dataclass, fields

from pydantic import TypeAdapter, ValidationError

_PLUGIN = "napari-dense-ssl"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The settings under Preferences ▸ Dense SSL; the manifest declares them (``configurations``).

    Attributes
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        Where the docks compute unless another device is chosen in them.
    preview_seconds : float
        Shortest time between two live maps, s.
    cache_mb : int
        How much memory the maps of one run may take, MB (10⁶ bytes).
    """

    device: str = "auto"
    preview_seconds: float = 4.0
    cache_mb: int = 1024


def preferences() -> Preferences:
    """Return what is set now.

    The defaults stand in where napari is older than 0.9, does not know the plugin (a dock opened by a
    script), or keeps values that cannot be used.
    """
    try:
        from napari.settings import get_plugin_settings

        found = get_plugin_settings(_PLUGIN).docks
        values = {field.name: getattr(found, field.name) for field in fields(Preferences)}
        return TypeAdapter(Preferences).validate_python(values)
    except (ImportError, KeyError, AttributeError, ValidationError):
        return Preferences()
