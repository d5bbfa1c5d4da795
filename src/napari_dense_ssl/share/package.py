"""What lies in a package, by name: written by ``export.py``, looked for by ``importing.py``."""

from __future__ import annotations

from napari_dense_ssl.model.checkpoint_folder import CHECKSUMS as CHECKSUMS
from napari_dense_ssl.model.run_folder import RUN, SETTINGS

KEY = "napari_dense_ssl"
"""Our part of the description's ``config``, which other tools leave alone."""

FORMAT = 1
"""Version of that part; raised when older programs could not read it."""

DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml")
"""Names under which a package describes itself."""

WEIGHTS = "weights.safetensors"
"""As in a checkpoint; named here without torch."""

TORCHSCRIPT = "weights.torchscript.pt"
TEST_INPUT, TEST_OUTPUT = "test_input.npy", "test_output.npy"
README, COVER = "README.md", "cover.png"

NEEDED = (SETTINGS, RUN, WEIGHTS, CHECKSUMS)
"""Attachments that make a run folder again."""

TOLERANCE = 1e-3
"""How far logits may differ, as a share of the greatest one, and which share of the classes."""
