"""The audit as a generator of events: of a run, or of anything that gives class probabilities."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import ScoreError, SettingsError
from napari_dense_ssl.core.events import Audited, Beat, Event, Finished, Noted, Started
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate import audit_figures as figure
from napari_dense_ssl.evaluate.audit_crops import CropPairs, audited_part, choose_crop, draw_pairs
from napari_dense_ssl.evaluate.audit_figures import Figure
from napari_dense_ssl.evaluate.audit_measured import measured, result_of
from napari_dense_ssl.evaluate.audit_passes import Encode, Plan, Seen, blank_classes, pass_pairs
from napari_dense_ssl.evaluate.audit_result import TruthScores
from napari_dense_ssl.evaluate.audit_truth import audited_truth, truth_pixels
from napari_dense_ssl.evaluate.clock import Clock
from napari_dense_ssl.evaluate.label_sources import label_source
from napari_dense_ssl.volume import Intensity, Volume

if TYPE_CHECKING:
    from napari_dense_ssl.model import RunFolder

CROPS = 200
"""Default number of pairs of crops."""

_TURNED, _ANGLED, _NOISE = 56, 24, 48

_PIXELS_A_CALL = 1 << 15
"""Pixels encoded between two events where nothing better is known: two crops, some 100 ms on two cores."""


def audit(
    volume: Volume,
    run: RunFolder | os.PathLike[str] | str,
    *,
    truth: Any = None,
    region: Box | None = None,
    crops: int = CROPS,
    crop: int | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
) -> Generator[Event]:
    """Ask what a trained encoder's classes are about: the image, or the place in the crop.

    Crops come from slices that the encoder was not trained on, where the region has any; the result says
    which. Definitions of the figures: ``docs/audit.md``.

    Parameters
    ----------
    volume : Volume
    run : RunFolder or path
        What was trained.
    truth : path, Volume or array, optional
        Labels of the volume's shape, 0 for unlabelled.
    region : Box, optional
        Audit only here.
    crops : int
        Number of pairs of crops, 8 or more; 200 for figures to be quoted.
    crop : int, optional
        Edge of the crops, px, a multiple of the encoder's total stride; by default 128, less where slices
        are small.
    seed : int
        Decides which crops are drawn.
    device, precision : str
        See :func:`~napari_dense_ssl.model.device.choose_device`.

    Yields
    ------
    Event
        ``Started``, ``Noted`` where there is something to know, ``Step`` and ``Beat`` on the way,
        ``Audited`` with the :class:`~napari_dense_ssl.evaluate.Audit` in its ``result``, ``Finished`` with
        the main figures.

    Raises
    ------
    RunError, DeviceError, VolumeError
        If the run, the device or the volume cannot be used.
    RegionError
        If the region is outside the volume or too small for the crops.
    ScoreError
        If the truth has another shape, or labels nothing there.
    SettingsError
        If fewer than 8 crops are asked for.
    """
    from napari_dense_ssl.evaluate.audit_torch import TorchEncode
    from napari_dense_ssl.model import RunFolder, choose_device

    _check(crops)
    folder = run if isinstance(run, RunFolder) else RunFolder.open(os.fspath(run))
    chosen = choose_device(device, precision)
    encoder = folder.load_encoder(chosen.torch_device)
    own, trained_on = volume.intensity(), Intensity(**folder.intensity)
    same = trained_on.resembles(own)
    yield from audit_encoder(
        TorchEncode(encoder, chosen),
        volume,
        truth=truth,
        region=region,
        trained=trained_box(folder, volume),
        crops=crops,
        crop=crop,
        seed=seed,
        multiple=encoder.multiple,
        halo=encoder.default_halo,
        slices=encoder.slices,
        intensity=trained_on if same else own,
        pixels_a_call=1 << 20 if chosen.kind == "cuda" else _PIXELS_A_CALL,
        details={"device": chosen.description, "run": str(folder.path), "checkpoint": folder.latest().name},
    )


def trained_box(run: RunFolder, volume: Volume) -> Box | None:
    """Return what of a volume a run was trained on; None where it was trained on another volume.

    A volume of the same shape counts as the same one, wherever it lies now: to take trained slices for
    held-out ones would be the worse mistake.
    """
    if list(run.facts.get("volume", {}).get("shape", ())) != list(volume.shape):
        return None
    region = run.settings.get("roi")
    return Box.parse(str(region), volume.shape) if region else Box.whole(volume.shape)


def audit_encoder(
    encode: Encode,
    volume: Volume | NDArray[Any],
    *,
    truth: Any = None,
    region: Box | None = None,
    trained: Box | None = None,
    crops: int = CROPS,
    crop: int | None = None,
    seed: int = 0,
    multiple: int = 1,
    halo: int = 16,
    slices: int = 1,
    intensity: Intensity | None = None,
    pixels_a_call: int = _PIXELS_A_CALL,
    details: dict[str, str | int | float] | None = None,
) -> Generator[Event]:
    """Audit anything that gives class probabilities; see :func:`audit`.

    Parameters
    ----------
    encode : Encode
        Called with normalised images, float32 ``(B, C, Y, X)``; returns ``(B, K, Y, X)``, the probabilities
        of the middle one of the C slices.
    volume : Volume or ndarray
        Axes Z, Y, X.
    trained : Box, optional
        What it was trained on.
    multiple : int
        Its total stride: heights and widths of what it is called with are multiples of it, px.
    halo : int
        Margin that predictions against the truth throw away, px.
    slices : int
        C, the odd number of neighbouring slices that it sees at once; mirrored beyond the volume's ends.
    intensity : Intensity, optional
        What images are normalised with; by default the volume's own statistics.
    pixels_a_call : int
        Pixels that are encoded between two events.
    details : dict, optional
        Added to those of ``Started``.
    truth, region, crops, crop, seed
        See :func:`audit`.
    """
    _check(crops, slices)
    volume = volume if isinstance(volume, Volume) else Volume.from_arrays([volume])
    box = Box.whole(volume.shape) if region is None else region
    box.check(volume.shape)
    labels = None if truth is None else label_source(truth, "classes", "truth").array
    if labels is not None and tuple(labels.shape) != volume.shape:
        raise ScoreError(
            f"The truth has the shape {tuple(labels.shape)}, the volume {volume.shape} (Z, Y, X); give "
            "labels of the whole volume, 0 where nothing is labelled."
        )
    part = audited_part(box, trained)
    edge = choose_crop(box, multiple, crop)
    angled = _ANGLED if volume.voxel_size_known and volume.voxel_size.isotropic else 0
    plan = Plan(
        turned=min(crops, _TURNED),
        angled=min(crops, angled),
        noise=_NOISE,
        multiple=multiple,
        margin=edge // 8,
        pixels=pixels_a_call,
    )
    in_crops = 0 if labels is None else -(-truth_pixels(part) // edge**2)
    clock = Clock(2 * crops + plan.turned + 2 * plan.angled + plan.noise + in_crops)
    yield Started("audit", clock.total, "crop", (details or {}) | {"crop": edge, "region": str(box)})
    if not part.held_out:
        yield Noted(
            "All slices of the region were trained on: the figures may flatter. Train with --roi on a part, "
            "or give another volume."
        )
    intensity = intensity or volume.intensity(box)
    rng = np.random.default_rng(seed)
    pairs = yield from draw_pairs(volume, part, intensity, count=crops, crop=edge, rng=rng, slices=slices)
    seen = Seen.of(pairs)
    with closing(pass_pairs(encode, pairs, plan, seen, rng)) as passes:
        for event in passes:
            yield clock.step(event) if isinstance(event, int) else event
    constant, noise = yield from blank_classes(encode, edge, plan, rng, slices)
    yield clock.step(plan.noise)
    found, pictures = yield from measured(pairs, seen, plan, rng, draws=5)
    found["blank_noise"] = figure.leak(noise, rng)
    rim = edge // 4
    inner = constant[:, rim:-rim, rim:-rim]
    found["blank_constant"] = Figure(
        max(figure.effective_classes(np.bincount(c.ravel())) for c in inner), 1.0, len(inner)
    )
    pictures = replace(pictures, constant=constant[len(constant) // 2] + 1, noise=noise[0] + 1)
    scores: TruthScores | None = None
    if labels is not None:
        levels = max(2, round(found["effective_classes"].value))
        scoring = audited_truth(
            encode,
            volume,
            labels,
            part,
            intensity,
            multiple=multiple,
            halo=halo,
            levels=levels,
            slices=slices,
        )
        with closing(scoring):
            for scored in scoring:
                match scored:
                    case TruthScores():
                        scores = scored
                    case int():
                        yield clock.step(scored / edge**2)
                    case _:
                        yield scored
    result = result_of(found, seen, pairs, part, pictures, scores)
    yield Audited(result.verdict.word, result.values, result=result)
    summary: dict[str, str | int | float] = {"verdict": result.verdict.word, **result.values}
    if scores is not None:
        summary |= {"mi_frac": scores.scores.mi_frac, "miou": scores.scores.miou, "ami": scores.scores.ami}
    yield Finished(None, summary)


class LightAudit:
    """The audit during training: leak, content, place and usage of few crops, drawn once and kept.

    Parameters
    ----------
    volume : Volume
    region : Box
        What is trained on; slices outside it are preferred.
    intensity : Intensity
        What the training normalises with.
    multiple : int
        Total stride of the encoder, px.
    slices : int
        Neighbouring slices that the encoder sees at once.
    crops, crop : int
        Number of pairs; largest edge of the crops, px.
    seed : int
        Of its own random numbers, which are the same at every look.

    Raises
    ------
    RegionError
        If the slices are too small for pairs of crops.
    """

    def __init__(
        self,
        volume: Volume,
        region: Box,
        intensity: Intensity,
        multiple: int,
        *,
        slices: int = 1,
        crops: int = 48,
        crop: int = 96,
        seed: int = 0,
    ) -> None:
        whole = Box.whole(volume.shape)
        self._volume, self._intensity, self._multiple, self._seed = volume, intensity, multiple, seed
        self._slices = slices
        self._part = audited_part(whole, region)
        self._part = self._part if self._part.held_out else audited_part(region, region)
        largest = choose_crop(self._part.box, multiple)
        self._crop, self._crops = min(largest, max(multiple, crop // multiple * multiple)), crops
        self._pairs: CropPairs | None = None

    def look(self, encode: Encode, step: int) -> Generator[Beat | Audited]:
        """Yield beats, then the figures of an encoder as they are now."""
        rng = np.random.default_rng(self._seed)
        if self._pairs is None:
            self._pairs = yield from draw_pairs(
                self._volume,
                self._part,
                self._intensity,
                count=self._crops,
                crop=self._crop,
                rng=rng,
                slices=self._slices,
            )
        plan = Plan(0, 0, 0, self._multiple, self._crop // 8, _PIXELS_A_CALL)
        pairs, seen = self._pairs, Seen.of(self._pairs)
        for event in pass_pairs(encode, pairs, plan, seen, rng):
            yield Beat() if isinstance(event, int) else event
        found, pictures = yield from measured(
            pairs, seen, plan, np.random.default_rng(self._seed + 1), draws=2
        )
        result = result_of(found, seen, pairs, self._part, pictures, None)
        yield Audited(result.verdict.word, result.values, step, result)


def _check(crops: int, slices: int = 1) -> None:
    if crops < 8:
        raise SettingsError(f"{crops} pairs of crops say too little; choose 8 or more, 200 to quote figures.")
    if slices < 1 or slices % 2 == 0:
        raise SettingsError(
            f"slices is {slices}; give the odd number of neighbouring slices that the encoder sees at once, "
            "the classes' own in the middle."
        )
