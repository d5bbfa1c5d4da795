"""One optimiser step: a batch whole, in parts or with fewer crops where memory is short."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

from napari_dense_ssl.core.errors import DeviceMemoryError
from napari_dense_ssl.core.events import Beat, Event, Noted
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pretext import Pretext
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.sampling.crops import CropBatch


class Stepper:
    """Does the steps, and remembers what fits into memory.

    Processes that train together cannot go back in the middle of a step, since each waits for the others:
    before their first step each tries how much fits, with its own crops alone, and all take the smallest.

    Parameters
    ----------
    settings : TrainSettings
    networks : Networks
    pretext : Pretext
    splits : int
        In how many parts a batch went before (of a resumed run).
    """

    def __init__(self, settings: TrainSettings, networks: Networks, pretext: Pretext, splits: int) -> None:
        self._settings, self._networks, self._pretext = settings, networks, pretext
        self.splits = splits
        self._tried = networks.world == 1

    def step(self, batch: CropBatch, step: int, rate: float) -> Generator[Event, None, dict[str, Tensor]]:
        """Yield beats and notes; return the losses, without gradient.

        Parameters
        ----------
        batch : CropBatch
        step : int
            How many were done before.
        rate : float
            Learning rate.

        Raises
        ------
        DeviceMemoryError
            If the least there is to a step does not fit.
        """
        if not self._tried:
            yield from self._rehearse(batch, step)
        while True:
            try:
                return (yield from self._attempt(batch, step, rate))
            except torch.OutOfMemoryError as error:
                self._check_retreat(len(batch.windows), error)
                if self._networks.world > 1:
                    raise DeviceMemoryError(
                        f"{self._networks.device.description} ran out of memory in process "
                        f"{self._networks.rank} of {self._networks.world}, though the first step fitted; end "
                        "what else uses that device, or choose smaller crops, then go on with --resume."
                    ) from error
            # Outside the handler: its traceback would keep the tensors alive.
            yield self._retreat(len(batch.windows))

    def _rehearse(self, batch: CropBatch, step: int) -> Generator[Event]:
        """Compute a part's gradients and throw them away, in fewer and fewer crops until all have room."""
        self._tried = True
        while True:
            short = None
            try:
                with self._networks.rehearsal():
                    loss, _ = self._pretext.losses(batch, step, self._parts(batch)[0])
                    self._networks.backward(loss, last=False)
            except torch.OutOfMemoryError as error:
                short = error.with_traceback(None)
            yield Beat()
            if not self._networks.processes.agree([float(short is not None)])[0]:
                return
            self._check_retreat(len(batch.windows), short)
            yield self._retreat(len(batch.windows))

    @property
    def _least(self) -> int:
        # Crops that are compared with each other must be two at least.
        return 1 if self._pretext.divisible else 2

    def _check_retreat(self, count: int, error: BaseException | None) -> None:
        if -(-count // self.splits) <= self._least:
            raise DeviceMemoryError(
                f"Not even {'one crop' if self._least == 1 else 'two crops'} of "
                f"{self._settings.sampler.crop} px fit into the memory of "
                f"{self._networks.device.description}; choose smaller crops or a smaller network."
            ) from error

    def _retreat(self, count: int) -> Noted:
        """Halve what goes through at a time."""
        self.splits = min(-(-count // self._least), 2 * self.splits)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        size, world = -(-count // self.splits), self._networks.world
        if self._pretext.divisible:
            what = f"{size} crops at a time (the result is the same, a step takes longer)"
        else:
            what = (
                f"batches of {world * size} crops in place of {world * count} (fewer are compared with each "
                "other; smaller crops or a smaller network would keep the batch)"
            )
        return Noted(f"The device ran out of memory; going on with {what}.", lasting=True)

    def _parts(self, batch: CropBatch) -> list[slice]:
        """Return the parts of a batch that go through in turn; where it is not divisible, only one does."""
        count = len(batch.windows)
        size = -(-count // self.splits)
        parts = [slice(start, min(count, start + size)) for start in range(0, count, size)]
        return parts if self._pretext.divisible else parts[:1]

    def _attempt(self, batch: CropBatch, step: int, rate: float) -> Generator[Event, None, dict[str, Tensor]]:
        networks, parts = self._networks, self._parts(batch)
        count = sum(part.stop - part.start for part in parts)
        networks.begin_step(rate)
        sums: dict[str, Tensor] = {}
        for part in parts:
            share, last = (part.stop - part.start) / count, part is parts[-1]
            with networks.forward(last=last):
                loss, terms = self._pretext.losses(batch, step, part)
            yield Beat()
            networks.backward(loss * share, last=last)
            for name, value in ({"loss": loss} | terms).items():
                sums[name] = sums.get(name, 0) + share * value.detach()
            yield Beat()
        networks.end_step()
        return sums
