"""Training as a generator of events."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor

from napari_dense_ssl.core.errors import DeviceMemoryError, OutputError, VolumeError
from napari_dense_ssl.core.events import (
    Beat,
    Event,
    Finished,
    Noted,
    Preview,
    Saved,
    Started,
    Step,
    event_record,
)
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.engine.audits import Audits
from napari_dense_ssl.engine.budget import Budget
from napari_dense_ssl.engine.folder import go_on_with, make_folder
from napari_dense_ssl.engine.live_maps import LiveMaps
from napari_dense_ssl.engine.masked_clusters import target_reach
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.objectives import OBJECTIVES
from napari_dense_ssl.engine.planes import decided, planes_of
from napari_dense_ssl.engine.previews import preview, save_picture
from napari_dense_ssl.engine.schedule import learning_rate
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model import choose_device
from napari_dense_ssl.model.checkpoint import load_state, load_weights, save_checkpoint
from napari_dense_ssl.model.device import use_threads
from napari_dense_ssl.sampling.crops import CropBatch, CropSampler
from napari_dense_ssl.volume import Volume

_REPORT_SECONDS = 0.1
"""On CUDA, losses are read back at most this often, so that the device is not kept waiting."""


def train(
    volume: Volume,
    out: Path | str,
    settings: TrainSettings,
    *,
    resume: bool = False,
    watch: Watch | None = None,
) -> Iterator[Event]:
    """Train an encoder on a volume, without labels.

    Parameters
    ----------
    volume : Volume
        What to learn from.
    out : path
        Run folder to be made, or to go on with.
    settings : TrainSettings
        Recipe, network, budget. On resuming, only the budget, the device and what is shown may differ
        from those of the run.
    resume : bool
        Go on from the newest whole checkpoint of `out`.
    watch : Watch, optional
        Where a window says which slice is in view; its live map is then yielded every few seconds.

    Yields
    ------
    Event
        Started; then Beat, Step, Noted, Preview, Audited, Saved; Finished last. Closing the generator saves a
        checkpoint first.

    Raises
    ------
    VolumeError
        If the volume is constant or holds no finite value, or cannot be read.
    RegionError
        If the region is outside the volume, or smaller than a crop.
    OutputError
        If the run folder exists, or cannot be written.
    RunError
        If there is nothing to resume, or it was trained on another volume.
    SettingsError
        If the run to resume has other settings.
    DeviceError, DeviceMemoryError
        If the device is not there, or not even one crop at a time fits into its memory.
    """
    return _Training(volume, Path(out), settings, resume, watch).run()


class _Training:
    """State of a running training; one generator, used once."""

    def __init__(
        self, volume: Volume, out: Path, settings: TrainSettings, resume: bool, watch: Watch | None
    ) -> None:
        self._volume, self._out, self._written = volume, out, settings
        self._resume, self._watch = resume, watch
        region = settings.roi
        self._region = Box.parse(region, volume.shape) if region else Box.whole(volume.shape)
        self._settings = settings
        self._splits = 1
        self._last_report = 0.0
        self._last_losses: dict[str, float] = {}
        self._about_planes: tuple[str, ...] = ()

    def run(self) -> Iterator[Event]:
        volume, depth = self._volume, self._region.shape[0]
        intensity = volume.intensity(self._region)
        if intensity.constant:
            what = "no finite value" if intensity.finite == 0 else "the same value everywhere"
            raise VolumeError(
                f"The region {self._region} of {volume.source} has {what}, so there is nothing to learn; "
                "choose another region or dataset."
            )
        # Slices are looked at together where they lie close, but no more than the region has.
        settings, self._about_planes = decided(self._written, volume, self._region)
        self._settings = settings
        reach = max(settings.context, (settings.encoder.slices or 1) // 2)
        self._reach = max(reach, min(target_reach(settings), (depth - 1) // 2))
        use_threads(settings.threads)
        device = choose_device(settings.device, settings.precision)
        # The sampler is made first: it refuses regions that are too small before anything is written.
        self._sampler_for(settings.seed).close()
        if self._resume:
            run, checkpoint = go_on_with(self._out, self._written, volume, intensity)
        else:
            run, checkpoint = make_folder(self._out, self._written, settings, volume, intensity), None
        objective = OBJECTIVES[settings.objective.kind]
        networks = Networks(settings, device, objective.student)
        pretext = objective.pretext(settings, networks, self._codebook_sampler)
        done, seconds = 0, 0.0
        if checkpoint is not None:
            weights, state = load_weights(checkpoint), load_state(checkpoint)
            networks.restore(weights, state["networks"])
            pretext.restore(state["pretext"], weights)
            done, seconds = int(state["step"]), float(state["seconds"])
            self._splits = int(state["splits"])
        self._intensity, self._run, self._networks, self._pretext = intensity, run, networks, pretext
        self._budget = Budget(settings.minutes, settings.steps, done, seconds)
        self._saved_step = done if checkpoint is not None else -1
        try:
            with run.events.open("a") as log, self._sampler_for(settings.seed) as sampler:
                yield from self._logged(self._events(sampler, device.description), log)
        except VolumeError as error:
            if self._budget.done == 0:
                raise
            raise VolumeError(
                f"{error} What was learned is saved in {run.path}: when the volume is there again, go on "
                "with --resume."
            ) from error
        except OSError as error:
            raise OutputError(
                f"The run folder {run.path} cannot be written ({error.strerror or error}); the last "
                "checkpoint is whole. Make room, then go on with --resume."
            ) from error

    def _logged(self, events: Generator[Event], log: TextIO) -> Iterator[Event]:
        """Keep each event in the run folder, and time spent away from the job out of the budget."""
        try:
            for event in events:
                self._log(event, log)
                left = time.perf_counter()
                yield event
                self._budget.away(time.perf_counter() - left)
        except GeneratorExit:
            events.close()
            if self._budget.done > max(self._saved_step, 0):
                for _ in self._pretext.settle(self._budget.done):
                    pass  # who closes the job waits for this: seconds
            raise
        finally:
            events.close()
            if self._budget.done > max(self._saved_step, 0):
                self._log(self._save(), log)

    def _log(self, event: Event, log: TextIO) -> None:
        if not isinstance(event, Beat) and self._networks.rank == 0:
            record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds")}
            log.write(json.dumps(record | event_record(event)) + "\n")
            log.flush()

    def _events(self, sampler: CropSampler, device: str) -> Generator[Event]:
        settings, budget, networks = self._settings, self._budget, self._networks
        yield Started(
            job="train",
            total=settings.steps,
            unit="step",
            details={
                "recipe": settings.recipe,
                "device": device,
                "classes": settings.classes,
                "region": str(self._region),
                "planes": ", ".join(plane.name for plane in planes_of(settings)),
                "first_step": budget.done,
                "parameters": sum(p.numel() for p in networks.encoder.parameters()),
                "run": str(self._out),
            },
        )
        for note in self._about_planes:
            yield Noted(note)
        audits = Audits(settings, networks, self._volume, self._region, self._intensity, budget)
        live = LiveMaps(settings, networks, self._pretext, self._volume, self._intensity, self._watch, budget)
        last_saved = time.perf_counter()
        while budget.fraction < 1:
            yield from self._pretext.prepare(budget.fraction)
            rate = learning_rate(settings.optimiser, self._pretext.progress(budget.fraction))
            batch = sampler.batch(budget.done)
            yield from self._pretext.ready(batch, sampler)
            terms = yield from self._step(batch, rate)
            budget.step_done()
            yield self._report(terms, rate)
            if time.perf_counter() - last_saved >= settings.checkpoint_seconds:
                yield from self._settled_save()
                last_saved = time.perf_counter()
            if live.due:
                yield from live.look()
            if audits.due:
                yield from audits.look(budget.done)
        if budget.done != self._saved_step:
            yield from self._settled_save()
        yield from audits.look(budget.done)
        yield from self._picture()
        yield Finished(
            self._out,
            {"steps": budget.done, "seconds": round(budget.seconds, 1)} | self._last_losses,
        )

    def _step(self, batch: CropBatch, rate: float) -> Generator[Event, None, dict[str, Tensor]]:
        """Do one optimiser step; where memory is short in parts, or with fewer crops."""
        count = len(batch.windows)
        while True:
            try:
                return (yield from self._attempt(batch, rate))
            except torch.OutOfMemoryError as error:
                # Crops that are compared with each other must be two at least.
                least = 1 if self._pretext.divisible else 2
                if -(-count // self._splits) <= least:
                    raise DeviceMemoryError(
                        f"Not even {'one crop' if least == 1 else 'two crops'} of "
                        f"{self._settings.sampler.crop} px fit into the memory of "
                        f"{self._networks.device.description}; choose smaller crops or a smaller network."
                    ) from error
            # Outside the handler: its traceback would keep the tensors alive.
            self._splits = min(-(-count // least), 2 * self._splits)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            size = -(-count // self._splits)
            if self._pretext.divisible:
                what = f"{size} crops at a time (the result is the same, a step takes longer)"
            else:
                what = (
                    f"batches of {size} crops in place of {count} (fewer are compared with each other; "
                    "smaller crops or a smaller network would keep the batch)"
                )
            yield Noted(f"The device ran out of memory; going on with {what}.", lasting=True)

    def _attempt(self, batch: CropBatch, rate: float) -> Generator[Event, None, dict[str, Tensor]]:
        networks, step = self._networks, self._budget.done
        count = len(batch.windows)
        size = -(-count // self._splits)
        parts = [slice(start, min(count, start + size)) for start in range(0, count, size)]
        if not self._pretext.divisible:
            parts, count = parts[:1], size
        networks.begin_step(rate)
        sums: dict[str, Tensor] = {}
        for part in parts:
            share = (part.stop - part.start) / count
            loss, terms = self._pretext.losses(batch, step, part)
            yield Beat()
            networks.backward(loss * share, last=part is parts[-1])
            for name, value in ({"loss": loss} | terms).items():
                sums[name] = sums.get(name, 0) + share * value.detach()
            yield Beat()
        networks.end_step()
        return sums

    def _report(self, terms: dict[str, Tensor], rate: float) -> Event:
        """Return a Step event; on CUDA a Beat where the last one was a moment ago."""
        budget, networks = self._budget, self._networks
        now = time.perf_counter()
        rare = networks.device.kind == "cuda" and budget.fraction < 1
        if rare and now - self._last_report < _REPORT_SECONDS:
            return Beat()
        self._last_report = now
        values = networks.mean_over_ranks(torch.stack(list(terms.values()))).tolist()
        self._last_losses = dict(zip(terms, values, strict=True))
        return Step(
            index=budget.done,
            total=budget.total,
            fraction=budget.fraction,
            seconds_left=budget.seconds_left,
            samples_per_second=budget.steps_per_second * self._settings.sampler.batch,
            losses=self._last_losses,
            learning_rate=rate,
        )

    def _picture(self) -> Generator[Event]:
        """Write the class map of the region's middle slice into the run folder."""
        z = (self._region.start[0] + self._region.stop[0]) // 2
        networks, plane = self._networks, self._region.plane(z)
        for event in preview(
            networks.averaged_encoder,
            networks.device,
            self._volume,
            self._intensity,
            plane,
            self._budget.done,
        ):
            if isinstance(event, Preview):
                path = self._out / "previews" / f"step-{self._budget.done}-z-{z}.png"
                save_picture(path, event.classes)
                yield Saved(path, self._budget.done)
            else:
                yield event

    def _settled_save(self) -> Generator[Event]:
        yield from self._pretext.settle(self._budget.done)
        yield self._save()

    def _save(self) -> Saved:
        networks, step, seconds = self._networks, self._budget.done, self._budget.seconds
        path = self._run.checkpoints / f"step-{step}"
        if networks.rank == 0 and step != self._saved_step:
            values, weights = self._pretext.state()
            state: dict[str, Any] = {
                "step": step,
                "seconds": seconds,
                "splits": self._splits,
                "networks": networks.state(),
                "pretext": values,
            }
            path = save_checkpoint(self._run.checkpoints, step, networks.weights() | weights, state)
        self._saved_step = step
        return Saved(path, step, round(seconds, 2))

    def _sampler_for(self, seed: int) -> CropSampler:
        return CropSampler(
            self._volume,
            self._region,
            self._volume.intensity(self._region),
            self._settings.sampler,
            context=self._reach,
            seed=seed,
            rank=self._networks.rank if hasattr(self, "_networks") else 0,
            world=self._networks.world if hasattr(self, "_networks") else 1,
            planes=planes_of(self._settings),
            readers=self._settings.readers,
        )

    def _codebook_sampler(self, seed: int) -> CropSampler:
        """Return a sampler that spreads over the region fast: many blocks, few crops from each."""
        sampler = self._settings.sampler.model_copy(
            update={"batch": 16, "reuse": 2, "pool": min(16, self._settings.sampler.pool)}
        )
        return CropSampler(
            self._volume,
            self._region,
            self._volume.intensity(self._region),
            sampler,
            context=self._reach,
            seed=seed,
            planes=planes_of(self._settings),
            readers=self._settings.readers,
        )
