"""Checkpoints that are whole or absent: written aside, synced, renamed; never pickled code.

A checkpoint is a folder ``step-N`` of ``weights.safetensors`` (all networks), ``state`` (everything else
that resuming needs; tensors and plain values, read with ``weights_only=True``) and ``checksums.json``.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_dense_ssl.core.errors import OutputError, RunError
from napari_dense_ssl.model.checkpoint_folder import CHECKSUMS, step_of, sync, write_text_whole

WEIGHTS, STATE = "weights.safetensors", "state"


def save_checkpoint(
    folder: Path, step: int, weights: Mapping[str, Tensor], state: Mapping[str, Any], *, keep: int = 2
) -> Path:
    """Write ``folder/step-N`` so that a crash at any moment leaves the previous one whole.

    Parameters
    ----------
    folder : Path
        The run's ``checkpoints`` folder.
    step : int
        N, the number of steps done.
    weights : mapping of str to Tensor
        All parameters and buffers by name.
    state : mapping
        Tensors, numbers, strings, and lists and dicts of these.
    keep : int
        How many checkpoints stay; older ones are removed after the new one is whole.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written.
    """
    final = folder / f"step-{step}"
    aside = folder / f".step-{step}.tmp"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        # Clones: safetensors refuses tensors that share memory or are not contiguous.
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in weights.items()}, aside / WEIGHTS)
        torch.save(dict(state), aside / STATE)
        sums = {name: _digest(aside / name) for name in (WEIGHTS, STATE)}
        (aside / CHECKSUMS).write_text(json.dumps(sums, indent=1))
        for name in (WEIGHTS, STATE, CHECKSUMS):
            sync(aside / name)
        if final.exists():
            shutil.rmtree(final)
        aside.replace(final)
        sync(folder)
        write_text_whole(folder / "latest", final.name + "\n")
    except (OSError, SafetensorError, RuntimeError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise OutputError(
            f"The checkpoint {final} cannot be written ({error}); the one before it is whole. "
            "Make room or choose another folder, then go on with --resume."
        ) from error
    for old in sorted(folder.glob("step-*"), key=step_of)[:-keep]:
        if old != final:
            shutil.rmtree(old, ignore_errors=True)
    return final


def load_weights(checkpoint: Path) -> dict[str, Tensor]:
    """Read all weights of a checkpoint after verifying its checksum; raises :class:`RunError`."""
    _verify(checkpoint, WEIGHTS)
    try:
        return load_file(checkpoint / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise RunError(_damaged(checkpoint, WEIGHTS, str(error))) from error


def load_state(checkpoint: Path) -> dict[str, Any]:
    """Read everything but the weights; never runs code from the file; raises :class:`RunError`."""
    _verify(checkpoint, STATE)
    try:
        state = torch.load(checkpoint / STATE, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise RunError(_damaged(checkpoint, STATE, str(error).splitlines()[0])) from error
    if not isinstance(state, dict):
        raise RunError(_damaged(checkpoint, STATE, f"it holds a {type(state).__name__}"))
    return state


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(checkpoint: Path, name: str) -> None:
    try:
        expected = json.loads((checkpoint / CHECKSUMS).read_text())[name]
        found = _digest(checkpoint / name)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(_damaged(checkpoint, name, f"{type(error).__name__}: {error}")) from error
    if found != expected:
        raise RunError(_damaged(checkpoint, name, "its checksum differs from the one written with it"))


def _damaged(checkpoint: Path, name: str, why: str) -> str:
    return (
        f"The file {name} of the checkpoint {checkpoint} is missing or damaged ({why}); "
        "delete that checkpoint folder to fall back to an older one, or train again."
    )
