"""What a run leaves in its folder: figures, pictures, weights."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.playground.digits.pictures import loss_figure, pca_figure, triplets_figure
from napari_dense_ssl.playground.digits.views import DigitsResult

FIGURES, WEIGHTS = "figures.json", "networks.safetensors"


def ready_folder(folder: Path) -> None:
    """Make the folder, before an hour is spent on what could not be written.

    Raises
    ------
    OutputError
        If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FIGURES).unlink(
            missing_ok=True
        )  # of a run before: it would not be about this one's weights
        writable = os.access(folder, os.W_OK)
    except OSError as error:
        raise _refused(folder, error) from error
    if not writable:
        raise OutputError(f"{folder} cannot be written to; choose a folder that you may write to.")


def save_networks(folder: Path, networks: Mapping[str, nn.Module]) -> Path:
    """Write the weights of networks by name (``encoder.layers.0.0.weight``, ...) and return the path.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written.
    """
    path, aside = folder / WEIGHTS, folder / f".{WEIGHTS}.tmp"
    weights = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    try:
        save_file(weights, aside)
        aside.replace(path)
    except (OSError, SafetensorError) as error:
        aside.unlink(missing_ok=True)
        raise _refused(path, error) from error
    return path


def write_result(folder: Path, result: DigitsResult) -> list[Path]:
    """Write ``figures.json`` and three pictures; return their paths.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written.
    """
    figures = {
        "pca.png": pca_figure(result),
        "reconstructions.png": triplets_figure(result),
        "loss.png": loss_figure(result),
    }
    try:
        for name, figure in figures.items():
            figure.savefig(folder / name, dpi=130)
        (folder / FIGURES).write_text(json.dumps(result.as_dict(), indent=1) + "\n")
    except OSError as error:
        raise _refused(folder, error) from error
    return [folder / name for name in (FIGURES, *figures)]


def _refused(path: Path, error: Exception) -> OutputError:
    reason = getattr(error, "strerror", None) or error
    return OutputError(
        f"{path} cannot be written ({reason}); choose a folder that you may write to, with room."
    )
