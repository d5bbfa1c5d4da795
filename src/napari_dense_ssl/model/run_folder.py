"""The run folder: what training writes and everything after it reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from napari_dense_ssl.core.errors import OutputError, RunError
from napari_dense_ssl.core.geometry import VoxelSize
from napari_dense_ssl.model.checkpoint_folder import latest_checkpoint, write_text_whole
from napari_dense_ssl.model.settings import EncoderSettings

if TYPE_CHECKING:
    import torch

    from napari_dense_ssl.model.encoder import DenseEncoder

FORMAT = 1
"""Version of the folder's layout; raised when older programs could not read it."""

SETTINGS, RUN, EVENTS, CHECKPOINTS = "settings.yaml", "run.json", "events.jsonl", "checkpoints"

IMPORTED = "imported"
"""Key of ``run.json`` that says where a run was taken in from; no other run has it."""


@dataclass(frozen=True)
class RunFolder:
    """A folder with ``settings.yaml``, ``run.json``, ``events.jsonl`` and ``checkpoints/``.

    Attributes
    ----------
    path : Path
        The folder.
    settings : mapping
        Content of ``settings.yaml``: the complete training settings, re-runnable.
    facts : mapping
        Content of ``run.json``: format, software, and of the volume its source, shape, dtype, voxel
        size (nm) and the intensity statistics that inputs are normalised with.
    """

    path: Path
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> RunFolder:
        """Make a new run folder.

        Raises
        ------
        OutputError
            If the folder holds a run already, or cannot be written.
        """
        if (path / SETTINGS).exists():
            raise OutputError(
                f"{path} holds a run already; choose another folder, or go on with it by --resume."
            )
        if path.is_dir() and any(path.iterdir()):
            raise OutputError(f"{path} is not empty and holds no run; choose a new or an empty folder.")
        run = cls(path, dict(settings), {"format": FORMAT} | dict(facts))
        try:
            (path / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
            write_text_whole(path / RUN, json.dumps(run.facts, indent=1) + "\n")
            write_text_whole(path / SETTINGS, yaml.safe_dump(dict(settings), sort_keys=False))
        except OSError as error:
            raise OutputError(
                f"The run folder {path} cannot be written ({error.strerror}); "
                "choose a place where you may write and where there is room."
            ) from error
        return run

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """Read an existing run folder.

        Raises
        ------
        RunError
            If the folder is missing, no run, damaged, or of another version.
        """
        path = Path(path)
        if not path.is_dir():
            raise RunError(f"There is no run folder at {path}; give the folder that train wrote with --out.")
        try:
            facts = json.loads((path / RUN).read_text())
            settings = yaml.safe_load((path / SETTINGS).read_text())
        except FileNotFoundError as error:
            raise RunError(
                f"{path} is not a run folder (it has no {Path(error.filename).name}); "
                "give the folder that train wrote with --out."
            ) from error
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise RunError(f"The run folder {path} is damaged ({error}); train again.") from error
        if not isinstance(facts, dict) or not isinstance(settings, dict):
            raise RunError(f"The run folder {path} is damaged (its records are no tables); train again.")
        if facts.get("format") != FORMAT:
            raise RunError(
                f"The run folder {path} has format {facts.get('format')!r}; this version reads format "
                f"{FORMAT}. Use the version that wrote it ({facts.get('software', 'unknown')}), "
                "or train again."
            )
        return cls(path, settings, facts)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / CHECKPOINTS

    @property
    def events(self) -> Path:
        """File of the events, one JSON object a line."""
        return self.path / EVENTS

    @property
    def intensity(self) -> Mapping[str, Any]:
        """Statistics that the training normalised its input with: mean, std, low, high, ..."""
        try:
            return dict(self.facts["volume"]["intensity"])
        except (KeyError, TypeError) as error:
            raise RunError(f"{self.path / RUN} lacks the intensity statistics; train again.") from error

    @property
    def voxel_size(self) -> VoxelSize:
        """Voxel size of the training volume, nm."""
        try:
            return VoxelSize(*(float(edge) for edge in self.facts["volume"]["voxel_size"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.path / RUN} lacks the voxel size; train again.") from error

    @property
    def voxel_size_known(self) -> bool:
        """Whether the training volume had a voxel size; runs of before this was recorded say 1 nm else."""
        told = self.facts.get("volume", {}).get("voxel_size_known")
        return bool(told) if told is not None else self.voxel_size != (1.0, 1.0, 1.0)

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.settings.get("classes", 0))

    def latest(self) -> Path:
        """Return the newest whole checkpoint; raises :class:`RunError` where there is none."""
        found = latest_checkpoint(self.checkpoints)
        if found is None:
            raise RunError(
                f"The run folder {self.path} has no whole checkpoint; the training was stopped before "
                "its first one. Train again."
            )
        return found

    def fingerprint(self) -> str:
        """Return a short hash of the newest checkpoint, which predictions are recorded with."""
        sums = (self.latest() / "checksums.json").read_bytes()
        return hashlib.sha256(sums).hexdigest()[:16]

    def load_encoder(self, device: torch.device | str = "cpu") -> DenseEncoder:
        """Load the averaged encoder of the newest checkpoint, in evaluation mode, channels last.

        Raises
        ------
        RunError
            If the checkpoint is missing, damaged, or does not fit its settings.
        """
        import torch

        # Here, so that docks can read the records of a run without importing torch.
        from napari_dense_ssl.model.checkpoint import load_weights
        from napari_dense_ssl.model.encoder import DenseEncoder

        checkpoint = self.latest()
        prefix = "average."
        weights = {
            name.removeprefix(prefix): value
            for name, value in load_weights(checkpoint).items()
            if name.startswith(prefix)
        }
        try:
            decided = self.facts.get("encoder", {})
            encoder = DenseEncoder(
                EncoderSettings(**(self.settings["encoder"] | decided)), int(self.settings["classes"])
            )
            encoder.load_state_dict(weights)
        except (KeyError, TypeError, ValidationError, RuntimeError) as error:
            raise RunError(
                f"The checkpoint {checkpoint} does not fit {self.path / SETTINGS} "
                f"({str(error).splitlines()[0]}); one of them was changed. Train again."
            ) from error
        return encoder.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]
