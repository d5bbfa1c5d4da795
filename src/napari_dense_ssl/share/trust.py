"""What must hold of files from elsewhere before they become a run folder; none of it runs code from a file.

Weights come from safetensors, which hold numbers only; the training state is read with ``weights_only=True``,
which builds tensors and plain values and nothing else; tables are JSON and YAML's safe subset.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_dense_ssl.core.errors import DenseSSLError, RunError
from napari_dense_ssl.model.checkpoint import STATE, load_state
from napari_dense_ssl.model.encoder import DenseEncoder
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.model.settings import EncoderSettings
from napari_dense_ssl.share.network import same_answers
from napari_dense_ssl.volume import Intensity

_WIDEST, _DEEPEST = 4096, 256
"""Channels and blocks of a stage that are believed: what settings ask for must not fill the memory."""


def checked_run(folder: Path) -> tuple[RunFolder, DenseEncoder]:
    """Open a run folder that came from elsewhere and load all of it once.

    Raises
    ------
    RunError
        If it is no whole run, its records are no such records, its weights do not fit its settings, or its
        training state holds more than tensors and plain values.
    """
    run = RunFolder.open(folder)
    _check_facts(run)
    _check_settings(run)
    checkpoint = run.latest()
    encoder = run.load_encoder()
    if not all(bool(value.isfinite().all()) for value in encoder.state_dict().values()):
        raise RunError("The weights hold values that are no numbers; ask for the run again.")
    if (checkpoint / STATE).is_file():
        load_state(checkpoint)
    return run, encoder


def _check_facts(run: RunFolder) -> None:
    try:
        intensity, size = Intensity(**run.intensity), run.voxel_size
        numbers = (intensity.mean, intensity.std, intensity.low, intensity.high, *size)
        good = all(math.isfinite(number) for number in numbers) and min(intensity.std, *size) > 0
    except (TypeError, ValueError) as error:
        raise RunError(
            f"Its run.json gives no such grey values and voxel size as a run has ({error})."
        ) from error
    if not good:
        raise RunError("Its run.json gives grey values or a voxel size that cannot be.")


def _check_settings(run: RunFolder) -> None:
    try:
        encoder = EncoderSettings(**(dict(run.settings["encoder"]) | dict(run.facts.get("encoder", {}))))
        classes = int(run.settings["classes"])
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise RunError(
            f"Its settings.yaml is none of this program ({str(error).splitlines()[0]})."
        ) from error
    modest = all(width <= _WIDEST for width in encoder.widths or ()) and all(
        depth <= _DEEPEST for depth in encoder.depths or ()
    )
    if not modest or not 1 <= classes <= 255:
        raise RunError("Its settings.yaml asks for a network larger than any that this program trains.")


def check_test_output(
    run: RunFolder, encoder: DenseEncoder, pixels: NDArray[Any], logits: NDArray[Any]
) -> float:
    """Run the network on the package's test input, and return how far it is from the test output.

    Parameters
    ----------
    pixels : ndarray, shape (1, C, Y, X)
        Raw.
    logits : ndarray, shape (1, K, Y, X)

    Returns
    -------
    float
        Greatest difference, as a share of the greatest logit.

    Raises
    ------
    RunError
        If shapes do not fit, or the difference is larger than a tolerance for other machines' arithmetic.
    """
    wanted = (1, encoder.classes, *pixels.shape[-2:])
    multiple = encoder.multiple
    fits = pixels.ndim == 4 and pixels.shape[:2] == (1, encoder.slices) and logits.shape == wanted
    if not fits or any(edge % multiple for edge in pixels.shape[-2:]) or pixels.dtype.kind not in "iuf":
        raise RunError(
            f"Its test input and output have shapes {pixels.shape} and {logits.shape}, which do not fit."
        )
    normalised = Intensity(**run.intensity).normalise(pixels[0])
    with torch.inference_mode():
        found = encoder(torch.from_numpy(normalised)[None]).logits.float().numpy()
    difference = float(np.abs(found - logits).max() / max(1e-6, float(np.abs(found).max())))
    if not same_answers(found, logits.astype(np.float32)):
        raise RunError(
            f"Its weights do not give its own test output (off by {difference:.2g} of the greatest logit)."
        )
    return difference


def explained(error: DenseSSLError, folder: Path, source: Path) -> RunError:
    """Return an error that speaks of what the user named, not of the folder it was unpacked to."""
    text = " ".join(str(error).replace(str(folder), str(source)).split())
    text = (
        text.split("; delete that checkpoint")[0]
        .split("; train again")[0]
        .split(". Train again")[0]
        .rstrip(". ")
    )
    return RunError(f"{source} cannot be imported: {text}. Ask for it again, or copy it again.")
