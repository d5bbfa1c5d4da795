"""Training as a generator of events."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import torch
from torch import Tensor

from napari_dense_ssl.core.errors import OutputError, VolumeError
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
from napari_dense_ssl.engine.processes import Processes
from napari_dense_ssl.engine.schedule import learning_rate
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.engine.stepping import Stepper
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.model.checkpoint import load_state, load_weights, save_checkpoint
from napari_dense_ssl.model.device import use_threads
from napari_dense_ssl.sampling.crops import CropSampler
from napari_dense_ssl.volume import Intensity, Volume

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

    Processes that were started by torchrun, by srun or by the command line with ``--devices`` train together:
    each calls this with the same arguments. The first one alone writes the run folder.

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
        checkpoint first, and stops all processes of a training after the same step.

    Raises
    ------
    VolumeError
        If the volume is constant or holds no finite value, or cannot be read.
    RegionError
        If the region is outside the volume, or too small: crops are made smaller to fit, down to 48 px.
    OutputError
        If the run folder exists, or cannot be written.
    RunError
        If there is nothing to resume, or it was trained on another volume.
    SettingsError
        If the run to resume has other settings.
    DeviceError, DeviceMemoryError
        If the device is not there, or not even one crop at a time fits into its memory.
    ProcessesError
        If more processes are asked for than were started, or one of them ended.
    """
    return _Training(volume, Path(out), settings, resume, watch).run()


class _Moment(NamedTuple):
    """What all processes of a training do after a step: the first one decides, any may ask for the end."""

    fraction: float
    saving: bool
    showing: bool
    stopping: bool

    @property
    def over(self) -> bool:
        return self.stopping or self.fraction >= 1


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
        self._stopping = False
        self._last_report = 0.0
        self._last_losses: dict[str, float] = {}
        self._about_volume: tuple[str, ...] = ()

    def run(self) -> Iterator[Event]:
        depth = self._region.shape[0]
        self._processes = processes = Processes(self._written)
        with processes.told_of_the_end(self._out):
            self._intensity = processes.first(self._something_to_learn)
            # Slices are looked at together where they lie close, but no more than the region has.
            found = processes.first(lambda: decided(self._written, self._volume, self._region))
            self._settings, self._about_volume = settings, _ = found
            reach = max(settings.context, (settings.encoder.slices or 1) // 2)
            self._reach = max(reach, min(target_reach(settings), (depth - 1) // 2))
            use_threads(settings.threads or processes.cores)
            yield from self._trained(*processes.first(self._opened_run))

    def _something_to_learn(self) -> Intensity:
        """Return the statistics of the region, if it has any contrast."""
        intensity = self._volume.intensity(self._region)
        if intensity.constant:
            what = "no finite value" if intensity.finite == 0 else "the same value everywhere"
            raise VolumeError(
                f"The region {self._region} of {self._volume.source} has {what}, so there is nothing to "
                "learn; choose another region or dataset."
            )
        return intensity

    def _trained(
        self, run: RunFolder, before: tuple[dict[str, Tensor], dict[str, Any]] | None
    ) -> Iterator[Event]:
        settings, processes = self._settings, self._processes
        objective = OBJECTIVES[settings.objective.kind]
        networks = Networks(settings, processes, objective.student)
        pretext = objective.pretext(settings, networks, self._codebook_sampler)
        done, seconds, splits = 0, 0.0, 1
        if before is not None:
            weights, state = before
            networks.restore(weights, state["networks"])
            pretext.restore(state["pretext"], weights)
            done, seconds, splits = int(state["step"]), float(state["seconds"]), int(state["splits"])
        self._run, self._networks, self._pretext = run, networks, pretext
        self._stepper = Stepper(settings, networks, pretext, splits)
        self._budget = Budget(settings.minutes, settings.steps, done, seconds)
        self._saved_step = done if before is not None else -1
        self._saved_quickly = False
        try:
            with self._log_file() as log, self._sampler_for(settings.seed) as sampler:
                yield from self._logged(self._events(sampler, networks.device.description), log)
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

    def _opened_run(self) -> tuple[RunFolder, tuple[dict[str, Tensor], dict[str, Any]] | None]:
        """Return the run folder, made or found, and (weights, state) of the checkpoint to go on from."""
        # The sampler is made first: it refuses regions that are too small before anything is written.
        self._sampler_for(self._settings.seed).close()
        if not self._resume:
            facts = (self._settings, self._volume, self._intensity)
            return make_folder(self._out, self._written, *facts), None
        run, checkpoint = go_on_with(self._out, self._written, self._volume, self._intensity)
        return run, None if checkpoint is None else (load_weights(checkpoint), load_state(checkpoint))

    def _log_file(self) -> AbstractContextManager[TextIO | None]:
        return self._run.events.open("a") if self._processes.rank == 0 else nullcontext()

    def _logged(self, events: Generator[Event], log: TextIO | None) -> Iterator[Event]:
        """Keep each event in the run folder, and time spent away from the job out of the budget."""
        try:
            for event in events:
                self._log(event, log)
                left = time.perf_counter()
                yield event
                self._budget.away(time.perf_counter() - left)
        except GeneratorExit:
            if self._processes.world > 1:
                self._stopping = True
                for event in events:  # to the end of the step, where all processes stop together
                    self._log(event, log)
            events.close()
            if self._unsaved:
                for event in self._settled_save():  # who closes the job waits for this, up to a minute
                    self._log(event, log)
            raise
        finally:
            events.close()
            if self._ahead:
                self._log(self._save(), log)

    def _log(self, event: Event, log: TextIO | None) -> None:
        if not isinstance(event, Beat) and log is not None:
            record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds")}
            log.write(json.dumps(record | event_record(event)) + "\n")
            log.flush()

    def _events(self, sampler: CropSampler, device: str) -> Generator[Event]:
        settings, budget, networks = self._settings, self._budget, self._networks
        several: dict[str, str | int | float]
        several = {"processes": networks.world} if networks.world > 1 else {}
        yield Started(
            job="train",
            total=settings.steps,
            unit="step",
            details=several
            | {
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
        for note in self._about_volume:
            yield Noted(note)
        audits = Audits(settings, networks, self._volume, self._region, self._intensity, budget)
        live = LiveMaps(settings, networks, self._pretext, self._volume, self._intensity, self._watch, budget)
        last_saved = time.perf_counter()
        moment = self._moment(saving=False, showing=False)
        while not moment.over:
            yield from self._pretext.prepare(moment.fraction)
            rate = learning_rate(settings.optimiser, self._pretext.progress(moment.fraction))
            batch = sampler.batch(budget.done)
            yield from self._pretext.ready(batch, sampler)
            terms = yield from self._stepper.step(batch, budget.done, rate)
            budget.step_done()
            yield self._report(terms, rate)
            saving = time.perf_counter() - last_saved >= settings.checkpoint_seconds
            moment = self._moment(saving=saving, showing=live.due)
            if moment.saving:
                yield from self._settled_save(quick=not moment.over)
                last_saved = time.perf_counter()
            if moment.showing:
                yield from live.look()
            if audits.due:
                yield from audits.look(budget.done)
        if self._unsaved:
            yield from self._settled_save()
        if moment.stopping:
            return
        yield from audits.look(budget.done)
        if networks.rank == 0:
            yield from self._picture()
        yield Finished(
            self._out,
            {"steps": budget.done, "seconds": round(budget.seconds, 1)} | self._last_losses,
        )

    def _moment(self, *, saving: bool, showing: bool) -> _Moment:
        """Say what comes next; where processes train together, the same in all of them."""
        first = self._processes.rank == 0
        own = (self._budget.fraction, saving, showing)
        *decided, stopping = self._processes.agree([*(own if first else (0, 0, 0)), self._stopping])
        return _Moment(decided[0], bool(decided[1]), bool(decided[2]), bool(stopping))

    def _report(self, terms: dict[str, Tensor], rate: float) -> Event:
        """Return a Step event; on CUDA a Beat where the last one was a moment ago."""
        budget, networks = self._budget, self._networks
        now = time.perf_counter()
        rare = networks.device.kind == "cuda" and budget.fraction < 1
        if rare and now - self._last_report < _REPORT_SECONDS:
            return Beat()
        self._last_report = now
        values = torch.stack(list(terms.values())).tolist()  # of the whole batch, on every process
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

    def _settled_save(self, *, quick: bool = False) -> Generator[Event]:
        """Save, with classes to read: on the way (quick) fitted to fewer pixels, as for a live map.

        Fitting them to all pixels takes up to a minute, in which a window that is closed or a scheduler's
        time limit may end the process: what was learned is saved before, and its classes replace it.
        """
        if not quick and self._ahead:
            self._save()
            self._saved_quickly = True
        yield from self._pretext.settle(self._budget.done, quick=quick)
        saved = self._save()
        self._saved_quickly = quick
        yield saved

    @property
    def _ahead(self) -> bool:
        """Whether steps were done since the last save."""
        return self._budget.done > max(self._saved_step, 0)

    @property
    def _unsaved(self) -> bool:
        """Whether steps were done since the last save, or its classes were fitted to few pixels."""
        return self._ahead or self._saved_quickly

    def _save(self) -> Saved:
        networks, step, seconds = self._networks, self._budget.done, self._budget.seconds
        path = self._run.checkpoints / f"step-{step}"
        if networks.rank == 0 and self._unsaved:
            values, weights = self._pretext.state()
            state: dict[str, Any] = {
                "step": step,
                "seconds": seconds,
                "splits": self._stepper.splits,
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
            self._intensity,
            self._settings.sampler,
            context=self._reach,
            seed=seed,
            rank=self._processes.rank,
            world=self._processes.world,
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
            self._intensity,
            sampler,
            context=self._reach,
            seed=seed,
            planes=planes_of(self._settings),
            readers=self._settings.readers,
        )
