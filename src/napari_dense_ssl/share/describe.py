"""The description of a package, in the words of the bioimage.io specification 0.5."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bioimageio.spec import ValidationContext, dump_description
from bioimageio.spec.generic.v0_3 import CiteEntry, Doi
from bioimageio.spec.model import v0_5 as spec
from pydantic import ValidationError

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.share import package
from napari_dense_ssl.share.readme import Past
from napari_dense_ssl.share.settings import ExportSettings
from napari_dense_ssl.volume.intensity import CLIP

INPUT, OUTPUT = "raw", "logits"

_TAGS = (
    "electron-microscopy",
    "semantic-segmentation",
    "self-supervised",
    "unsupervised",
    "connectomics",
    "convnext",
    "pytorch",
    "napari-dense-ssl",
)
_CITED = (
    ("Liu et al., A ConvNet for the 2020s, CVPR 2022 (the backbone)", "10.1109/CVPR52688.2022.01167"),
    ("Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017", "10.1109/CVPR.2017.106"),
)
_LEAST_SPREAD = 1e-2
"""Below this the 1e-6 that bioimageio.core adds to a standard deviation would be felt."""


@dataclass(frozen=True)
class Shape:
    """What an input must be.

    Attributes
    ----------
    slices : int
        Neighbouring ones.
    least, step : int
        Smallest height and width, and what they must be multiples of, px.
    halo : int
        What is to be cut off at each side of a block, px.
    """

    slices: int
    least: int
    step: int
    halo: int


def describe(
    run: RunFolder,
    settings: ExportSettings,
    name: str,
    folder: Path,
    files: Mapping[str, str],
    shape: Shape,
    past: Past,
    parameters: int,
) -> dict[str, Any]:
    """Return the description of a model whose files lie in a folder, as plain values.

    Parameters
    ----------
    run : RunFolder
    settings : ExportSettings
    name : str
        Of the model.
    folder : Path
        Holds all files that :mod:`~napari_dense_ssl.share.package` names.
    files : mapping of str to str
        Attachments by file name, and what each is for.
    shape : Shape
    past : Past
    parameters : int
        How many the network has.

    Raises
    ------
    SettingsError
        If the specification refuses what the user said: an unknown licence, say.
    """
    size, licence = run.voxel_size, _licence(settings.license)

    def plane(axis: str, length: float) -> dict[str, Any]:
        known = {"unit": "nanometer", "scale": length} if run.voxel_size_known else {}
        return {"id": spec.AxisId(axis), **known}

    parametric = spec.ParameterizedSize(min=shape.least, step=shape.step)
    channel: spec.ChannelAxis | spec.SpaceInputAxis = (
        spec.ChannelAxis(channel_names=[spec.Identifier("intensity")])
        if shape.slices == 1
        else spec.SpaceInputAxis(**plane("z", size.z), size=shape.slices)
    )
    dtype = str(run.facts.get("volume", {}).get("dtype", "float32"))
    names = [spec.Identifier(f"class_{k}") for k in range(1, run.classes + 1)]
    # The specification opens files to check them and leaves them open: their checksums are made here.
    context = ValidationContext(root=folder, perform_io_checks=False, progressbar=False)
    try:
        with context:
            described = spec.ModelDescr(
                name=name,
                description=settings.description or _sentence(run),
                authors=[_author(text) for text in settings.authors or ("Anonymous",)],
                license=licence,
                tags=list(dict.fromkeys((*_TAGS, "2d" if shape.slices == 1 else "3d", *settings.tags))),
                cite=[CiteEntry(text=text, doi=Doi(doi)) for text, doi in _CITED],
                documentation=_file(folder, package.README),
                covers=[_file(folder, package.COVER)],
                attachments=[_file(folder, file) for file in files],
                inputs=[
                    spec.InputTensorDescr(
                        id=spec.TensorId(INPUT),
                        description="Raw grey values, as they are in the volume.",
                        axes=[
                            spec.BatchAxis(),
                            channel,
                            spec.SpaceInputAxis(**plane("y", size.y), size=parametric, concatenable=True),
                            spec.SpaceInputAxis(**plane("x", size.x), size=parametric, concatenable=True),
                        ],
                        data=spec.IntervalOrRatioDataDescr(type=dtype if dtype in _dtypes() else "float32"),
                        preprocessing=_preprocessing(run),
                        test_tensor=_file(folder, package.TEST_INPUT),
                    )
                ],
                outputs=[
                    spec.OutputTensorDescr(
                        id=spec.TensorId(OUTPUT),
                        description="A logit for each class; the softmax over them are probabilities.",
                        axes=[
                            spec.BatchAxis(),
                            spec.ChannelAxis(channel_names=names),
                            *(
                                spec.SpaceOutputAxisWithHalo(
                                    **plane(axis, length),
                                    size=spec.SizeReference(
                                        tensor_id=spec.TensorId(INPUT), axis_id=spec.AxisId(axis)
                                    ),
                                    halo=shape.halo,
                                )
                                for axis, length in (("y", size.y), ("x", size.x))
                            ),
                        ],
                        data=spec.IntervalOrRatioDataDescr(type="float32"),
                        test_tensor=_file(folder, package.TEST_OUTPUT),
                    )
                ],
                weights=spec.WeightsDescr(
                    torchscript=spec.TorchscriptWeightsDescr(
                        source=spec.RelativeFilePath(package.TORCHSCRIPT),
                        sha256=_digest(folder / package.TORCHSCRIPT),
                        pytorch_version=spec.Version(torch.__version__.split("+")[0]),
                        comment="Traced from the averaged encoder of the newest checkpoint.",
                    )
                ),
                config=_config(run, files, past, parameters),
            )
            return dict(dump_description(described))
    except ValidationError as error:
        raise SettingsError(_complaint(error)) from error


def _file(folder: Path, name: str) -> spec.FileDescr:
    return spec.FileDescr(source=spec.RelativeFilePath(name), sha256=_digest(folder / name))


def _digest(path: Path) -> spec.Sha256:
    with path.open("rb") as file:
        return spec.Sha256(hashlib.file_digest(file, "sha256").hexdigest())


def _preprocessing(run: RunFolder) -> list[Any]:
    """Return what :meth:`Intensity.normalise` does, in the specification's steps."""
    mean, std = float(run.intensity["mean"]), float(run.intensity["std"])
    scaled: Any
    if std >= _LEAST_SPREAD:
        scaled = spec.FixedZeroMeanUnitVarianceDescr(
            kwargs=spec.FixedZeroMeanUnitVarianceKwargs(mean=mean, std=std)
        )
    else:
        scaled = spec.ScaleLinearDescr(kwargs=spec.ScaleLinearKwargs(gain=1 / std, offset=-mean / std))
    return [
        spec.EnsureDtypeDescr(kwargs=spec.EnsureDtypeKwargs(dtype="float32")),
        scaled,
        spec.ClipDescr(kwargs=spec.ClipKwargs(min=-CLIP, max=CLIP)),
        spec.EnsureDtypeDescr(kwargs=spec.EnsureDtypeKwargs(dtype="float32")),
    ]


def _config(run: RunFolder, files: Mapping[str, str], past: Past, parameters: int) -> spec.Config:
    ours = {
        "format": package.FORMAT,
        "software": str(run.facts.get("software", "unknown")),
        "checkpoint": run.latest().name,
        "fingerprint": run.fingerprint(),
        "classes": run.classes,
        "recipe": str(run.settings.get("recipe", "unknown")),
        "verdict": past.verdict,
        "files": dict(files),
    }
    known = spec.BioimageioConfig(
        architecture_type="ConvNeXt with feature pyramid",
        modality="electron microscopy",
        task="semantic segmentation, unsupervised",
        model_parameter_count=parameters,
    )
    return spec.Config(bioimageio=known, **{package.KEY: ours})


def _sentence(run: RunFolder) -> str:
    size = run.voxel_size
    recipe = run.settings.get("recipe", "unknown")
    where = f" at {size.y:.4g} nm a pixel, slices {size.z:.4g} nm apart" if run.voxel_size_known else ""
    return (
        f"{run.classes} classes for each pixel of an electron-microscopy volume, learned without labels "
        f"(recipe {recipe}){where}."
    )


def _author(text: str) -> spec.Author:
    """Read ``Name (Affiliation)``."""
    match = re.fullmatch(r"(.+?)\s*\((.+)\)\s*", text)
    if match is None:
        return spec.Author(name=text.strip())
    return spec.Author(name=match[1], affiliation=match[2])


def _dtypes() -> set[str]:
    return {np.dtype(name).name for name in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")}


def _licence(text: str) -> spec.LicenseId:
    try:
        return spec.LicenseId(text)
    except ValidationError as error:
        raise SettingsError(
            f"The licence {text!r} is no SPDX identifier that bioimage.io knows; expected one such as "
            "CC-BY-4.0, CC0-1.0, MIT or BSD-3-Clause (spdx.org/licenses)."
        ) from error


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"][:2]) or "the description"
    return f"The specification of bioimage.io refuses {where}: {first['msg'][:200].rstrip('.')}; change it."
