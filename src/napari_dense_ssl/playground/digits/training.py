"""Learning digits as a generator of events: encoder, decoder, figures."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

from napari_dense_ssl.core.events import Event, Finished, Noted, Pictured, Saved, Started
from napari_dense_ssl.model.device import choose_device, use_threads
from napari_dense_ssl.playground.digits.data import Digits
from napari_dense_ssl.playground.digits.learner import Learner
from napari_dense_ssl.playground.digits.results import ready_folder, save_networks, write_result
from napari_dense_ssl.playground.digits.settings import DigitsSettings


def learn_digits(
    digits: Digits, settings: DigitsSettings | None = None, out: Path | None = None
) -> Generator[Event]:
    """Learn digits without labels, measure, and learn to draw them again.

    Phase 1 is BYOL (Grill et al., NeurIPS 2020) with perturbations in place of its augmentations: of each
    image two copies are made, the second less perturbed or not at all; a predictor on top of the encoder
    foretells, by cosine similarity, what the encoder's exponential moving average makes of the second.
    Another term keeps dimensions from repeating each other. Phase 2 freezes the encoder and trains a
    decoder from the embeddings of perturbed images to the images (mean squared error).

    Parameters
    ----------
    digits : Digits
        Labels are used for figures and colours only; test images for the figures at the end only.
    settings : DigitsSettings, optional
    out : Path, optional
        Folder for ``figures.json``, ``pca.png``, ``reconstructions.png``, ``loss.png`` and
        ``networks.safetensors``.

    Yields
    ------
    Event
        ``Started``; ``Step`` with ``cosine_loss`` and ``redundancy``, then ``mse``; ``Pictured`` with a
        :class:`~napari_dense_ssl.playground.digits.DigitsView` every few seconds, at the end with a
        :class:`~napari_dense_ssl.playground.digits.DigitsResult`; ``Saved``; ``Finished``.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    DeviceError
        If the device is not there.

    Notes
    -----
    With a budget of epochs, the same settings give the same figures on one machine with one number of
    threads; the global generator of torch is not touched.
    """
    settings = settings or DigitsSettings()
    if out is not None:
        ready_folder(out)
    device = choose_device(settings.device, "32")
    threads = use_threads(settings.threads)
    learner = Learner(digits, settings, device)
    yield Started(
        "digits",
        learner.steps,
        "step",
        {
            "digits": digits.name,
            "training_images": len(digits.fit),
            "test_images": len(digits.test),
            "device": device.description,
        },
    )
    begun, cpu = time.monotonic(), time.process_time()
    try:
        yield from learner.learn_encoder()
        yield from learner.learn_decoder()
    finally:  # stopped too: what was learned is kept
        if out is not None and learner.pace.steps:
            weights = save_networks(out, learner.networks)
    if out is not None:
        yield Saved(weights, learner.pace.steps)
    learned, learned_cpu = time.monotonic(), time.process_time()
    yield Noted("measuring: k-NN on the embeddings, then on the pixels as they are")
    result = yield from learner.measure()
    result.facts.update(
        {
            "digits": digits.name,
            "training_images": len(digits.fit),
            "test_images": len(digits.test),
            "steps": learner.pace.steps,
            "device": device.description,
            "threads": threads,
            "seconds": {"learning": learned - begun, "measuring": time.monotonic() - learned},
            "cpu_seconds": {"learning": learned_cpu - cpu, "measuring": time.process_time() - learned_cpu},
            "settings": settings.model_dump(),
        }
    )
    yield Pictured(learner.pace.steps, result)
    if out is not None:
        for path in write_result(out, result):
            yield Saved(path, learner.pace.steps)
    summary = {"knn_" + name: value for name, value in result.knn.as_dict().items()}
    summary |= {"raw_knn_" + name: value for name, value in result.raw_knn.as_dict().items()}
    summary |= {"effective_rank": result.effective_rank, "mse": result.mse, "mean_mse": result.mean_mse}
    yield Finished(out, summary)
