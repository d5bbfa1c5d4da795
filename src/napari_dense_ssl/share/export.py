"""A run as a bioimage.io package, as a generator of events."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import OutputError, SettingsError
from napari_dense_ssl.core.events import Beat, Event, Finished, Noted, Saved, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model.encoder import DenseEncoder
from napari_dense_ssl.model.run_folder import RUN, SETTINGS, RunFolder
from napari_dense_ssl.share import package
from napari_dense_ssl.share.cover import write_cover
from napari_dense_ssl.share.network import smallest_input, write_torchscript
from napari_dense_ssl.share.readme import Past, readme
from napari_dense_ssl.share.sample import (
    EDGE,
    TEST_EDGE,
    Crop,
    crop_of,
    made_up,
    short_source,
    training_volume,
)
from napari_dense_ssl.share.settings import ExportSettings
from napari_dense_ssl.volume import Intensity, Volume
from napari_dense_ssl.volume.class_file import NAME as CLASS_NAMES
from napari_dense_ssl.volume.places import output_errors

_STAGES = ("read", "traced", "pictured", "described", "packed")


def export_model(
    run: RunFolder | os.PathLike[str] | str,
    out: os.PathLike[str] | str,
    settings: ExportSettings | None = None,
    *,
    volume: Volume | None = None,
    overwrite: bool = False,
) -> Generator[Event]:
    """Write a run as a model package that bioimage.io and the tools around it understand.

    The package (specification 0.5, a zip file) holds the averaged encoder of the newest checkpoint as
    TorchScript, raw grey values to logits by the description's own steps; the checkpoint's safetensors, the
    run's settings and records, from which :func:`import_model` makes a run folder again; test input and
    output, documentation and a cover.

    Parameters
    ----------
    run : RunFolder or path
    out : path
        ``MODEL.zip`` to be written.
    settings : ExportSettings, optional
        Licence, authors, name, whether pixels go along.
    volume : Volume, optional
        Where test input and cover are cut from; by default the volume that the run was trained on, where it
        can be opened, else made-up texture.
    overwrite : bool
        Replace a file that exists.

    Yields
    ------
    Event
        ``Started``, ``Step`` for each of five stages, ``Noted`` where the volume is not to be had, ``Saved``,
        ``Finished`` with bytes, licence and the test input's origin.

    Raises
    ------
    RunError
        If the run is missing, damaged, or of another version.
    SettingsError
        If the extra ``share`` is not installed, or the specification refuses a licence or a name.
    OutputError
        If `out` exists or cannot be written.
    """
    if find_spec("bioimageio") is None or find_spec("bioimageio.spec") is None:
        raise SettingsError(
            "Writing a model package needs bioimageio.spec, which is not installed; get it with: pip install "
            '"napari-dense-ssl[share]".'
        )
    settings = settings or ExportSettings()
    target = Path(out).expanduser()
    _check_target(target, overwrite)
    folder = run if isinstance(run, RunFolder) else RunFolder.open(Path(run))
    yield Started("export", len(_STAGES), "stage", {"run": str(folder.path), "licence": settings.license})
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        summary = yield from _write(folder, aside / target.name, settings, volume)
        with output_errors(target):
            (aside / target.name).replace(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    yield Saved(target)
    yield Finished(target, {"bytes": target.stat().st_size, **summary})


def _check_target(target: Path, overwrite: bool) -> None:
    if target.suffix.lower() != ".zip":
        raise OutputError(f"The output {target} has no name of a package; expected one that ends in .zip.")
    if target.is_dir():
        raise OutputError(f"The output {target} is a folder; choose another name for the package.")
    if target.exists() and not overwrite:
        raise OutputError(
            f"The output {target} exists already; choose another path, or allow it to be overwritten."
        )


def _step(done: int) -> Step:
    return Step(done, len(_STAGES), done / len(_STAGES), None, 0.0)


def _write(
    run: RunFolder, packed: Path, settings: ExportSettings, volume: Volume | None
) -> Generator[Event, None, dict[str, str | int | float]]:
    """Write all files beside the package, and the package of them; return what is worth telling."""
    encoder = run.load_encoder()
    past = Past.read(run)
    yield Beat()
    cover = yield from _crop(run, encoder, settings, volume)
    yield _step(1)
    intensity = Intensity(**run.intensity)
    files = packed.parent / "files"
    with output_errors(packed):
        files.mkdir()
        test = _middle(cover, max(TEST_EDGE, smallest_input(encoder)))
        np.save(files / package.TEST_INPUT, test[None])
        logits = write_torchscript(encoder, intensity.normalise(test), files / package.TORCHSCRIPT)
        np.save(files / package.TEST_OUTPUT, logits[None])
        yield _step(2)
        middle = cover.pixels.shape[0] // 2
        classes = _classes(encoder, intensity.normalise(cover.pixels))
        write_cover(files / package.COVER, cover.pixels[middle], classes, intensity)
        yield _step(3)
        from napari_dense_ssl.share.describe import Shape, describe

        name = settings.name or _name(run)
        shape = Shape(encoder.slices, smallest_input(encoder), encoder.multiple, encoder.default_halo)
        (files / package.README).write_text(
            readme(run, name, cover.origin, past, shape.slices, shape.halo, shape.step), encoding="utf-8"
        )
        attached = _attach(run, files)
        parameters = sum(parameter.numel() for parameter in encoder.parameters())
        description = describe(run, settings, name, files, attached, shape, past, parameters)
        yield _step(4)
        _pack(description, files, packed)
    yield _step(5)
    return {"licence": settings.license, "classes": run.classes, "test_input": cover.origin}


def _crop(
    run: RunFolder, encoder: DenseEncoder, settings: ExportSettings, volume: Volume | None
) -> Generator[Event, None, Crop]:
    """Cut the cover's pixels out of the volume, or make them up."""
    least, multiple = max(TEST_EDGE, smallest_input(encoder)), encoder.multiple
    most = max(EDGE, least) // multiple * multiple
    why = ""
    if volume is None and settings.pixels:
        volume, why = training_volume(run)
    if volume is None or not settings.pixels:
        if settings.pixels:
            yield Noted(
                f"Test input and cover are made-up texture: {why}; name a volume to take a crop of it along."
            )
        return made_up(run, most, encoder.slices)
    # A volume that was named need not have the region that was trained on.
    same = list(volume.shape) == run.facts.get("volume", {}).get("shape")
    region = run.settings.get("roi") if same else None
    box = Box.parse(region, volume.shape) if region else Box.whole(volume.shape)
    edge = min(most, min(box.shape[1:]) // multiple * multiple)
    return crop_of(volume, box, max(edge, least), encoder.slices)


def _middle(crop: Crop, edge: int) -> NDArray[Any]:
    """Return the middle of a crop, shape (C, edge, edge)."""
    start = (crop.pixels.shape[-1] - edge) // 2
    return np.ascontiguousarray(crop.pixels[:, start : start + edge, start : start + edge])


def _classes(encoder: DenseEncoder, images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the class map, argmax + 1, of normalised pixels (C, Y, X)."""
    with torch.inference_mode():
        best = encoder(torch.from_numpy(images)[None]).logits[0].argmax(0)
    found: NDArray[np.uint8] = (best.numpy() + 1).astype(np.uint8)
    return found


def _attach(run: RunFolder, files: Path) -> dict[str, str]:
    """Copy what makes a run folder again; return what each file is for."""
    checkpoint = run.latest()
    shutil.copyfile(checkpoint / package.WEIGHTS, files / package.WEIGHTS)
    shutil.copyfile(checkpoint / package.CHECKSUMS, files / package.CHECKSUMS)
    shutil.copyfile(run.path / SETTINGS, files / SETTINGS)
    facts = json.loads(json.dumps(dict(run.facts)))
    facts["volume"]["source"] = short_source(str(facts["volume"].get("source", "unknown")))
    (files / RUN).write_text(json.dumps(facts, indent=1) + "\n")
    told = {
        package.WEIGHTS: "the checkpoint as it is in the run folder",
        package.CHECKSUMS: "SHA-256 of the checkpoint's files",
        SETTINGS: "all settings of the training, re-runnable",
        RUN: "versions; of the volume its name, shape, voxel size (nm) and grey values",
    }
    if (run.path / CLASS_NAMES).is_file():
        shutil.copyfile(run.path / CLASS_NAMES, files / CLASS_NAMES)
        told[CLASS_NAMES] = "names, colours and merges of the classes"
    return told


def _name(run: RunFolder) -> str:
    """Return a name of the letters that the specification allows."""
    plain = re.sub(r"[^A-Za-z0-9_+\-() ]", "-", run.path.resolve().name)[:40]
    return f"Dense SSL classes ({plain})"


def _pack(description: dict[str, Any], files: Path, path: Path) -> None:
    """Write the zip file: the description first, the files as they are named in it."""
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True, width=110)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(package.DESCRIPTIONS[0], text)
        for file in sorted(files.iterdir()):
            packed.write(file, file.name)
