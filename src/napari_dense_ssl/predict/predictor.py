"""From windows to maps on a device: forward passes, averages over views, one copy back for each window."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dense_ssl.core.errors import DeviceMemoryError, SettingsError
from napari_dense_ssl.core.events import Beat, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model.device import Device, choose_device
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.predict.flight import Averages, Flight, PlanePart
from napari_dense_ssl.predict.settings import WHAT, PredictSettings, TileSettings
from napari_dense_ssl.predict.views import IDENTITY, ViewAverage, WindowView, compared_views, reach_of
from napari_dense_ssl.predict.windows import Layout, Slices, Window, groups, windows
from napari_dense_ssl.volume import Intensity, Volume

_TILE = {"cpu": 560, "cuda": 1024, "mps": 512}
_VIEW_TILE = 400
"""Edge of a window on a CPU while somebody looks, px: a pass of a quarter of a second, a tenth more halo."""

_BYTES_PER_PIXEL = 8192
"""Memory of a forward pass and its averages for each pixel of a window, estimated from above."""


class Encoder(Protocol):
    """What prediction needs of a network; :class:`~napari_dense_ssl.model.encoder.DenseEncoder` has it."""

    classes: int
    feature_channels: int
    slices: int

    @property
    def multiple(self) -> int:
        """Total stride, px."""
        ...

    @property
    def default_halo(self) -> int:
        """Halo beyond which the result hardly changes, px."""
        ...

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, K, Y, X) and features (B, D, Y, X) of images (B, C, Y, X), C slices."""
        ...


class Predictor:
    """An encoder on its device, ready to turn slices of volumes into maps.

    Parameters
    ----------
    encoder : Encoder
        In evaluation mode and on the device.
    device : Device
        Where it computes and at which precision.
    settings : TileSettings, optional
        Tiles, halo, views.
    run : RunFolder, optional
        Where the encoder came from; gives the intensity and voxel size that it was trained at.

    Raises
    ------
    SettingsError
        If the encoder has more classes than a label image of one byte can hold.
    """

    def __init__(
        self,
        encoder: Encoder,
        device: Device,
        settings: TileSettings | None = None,
        run: RunFolder | None = None,
    ) -> None:
        if encoder.classes > 255:
            raise SettingsError(
                f"The encoder has {encoder.classes} classes, but a class map holds 255 at most (uint8, 0 is "
                "'not predicted'); train with fewer classes."
            )
        self.encoder = encoder
        self.device = device
        self.settings = settings or PredictSettings()
        self.run = run
        self._most_images: int | None = None  # lowered for good when memory runs out

    @classmethod
    def open(
        cls,
        run: RunFolder | Path | str,
        device: str = "auto",
        precision: str = "auto",
        settings: PredictSettings | None = None,
    ) -> Self:
        """Load a run's newest checkpoint.

        Parameters
        ----------
        run : RunFolder or path
            What training wrote.
        device, precision : str
            See :func:`~napari_dense_ssl.model.device.choose_device`.
        settings : PredictSettings, optional

        Raises
        ------
        RunError
            If the folder is no run, of another version, or its checkpoint is missing or damaged.
        DeviceError
            If the device or precision is not to be had here.
        """
        folder = run if isinstance(run, RunFolder) else RunFolder.open(run)
        chosen = choose_device(device, precision)
        return cls(folder.load_encoder(chosen.torch_device), chosen, settings, folder)

    def for_viewing(self) -> Self:
        """Return the same network with windows small enough to be left soon when the view changes."""
        if self.settings.tile is not None or self.device.kind != "cpu":
            return self
        return self.with_settings(tile=_VIEW_TILE)

    def with_settings(self, **changes: Any) -> Self:
        """Return the same network with some settings changed."""
        return type(self)(self.encoder, self.device, self.settings.model_copy(update=changes), self.run)

    def passes(self, what: Sequence[str]) -> int:
        """Return how many forward passes a window takes."""
        return 1 + len(self._views(what))

    @property
    def halo(self) -> int:
        """Margin that is thrown away, px."""
        halo = self.settings.halo
        return self.encoder.default_halo if halo is None else halo

    def reach(self, what: Sequence[str]) -> int:
        """Return how far the views reach beyond a window, px."""
        return reach_of(self._views(what))

    def layout(self, what: Sequence[str]) -> Layout:
        """Return how planes are cut for what is asked for."""
        # A moved window must keep the whole halo, so that tiled errors equal untiled ones too.
        halo = self.halo + self.reach(what)
        return Layout(self.settings.tile or _TILE[self.device.kind], halo, self.encoder.multiple)

    def count(self, volume: Volume, boxes: Iterable[Box], what: Sequence[str]) -> int:
        """Return how many tiles :meth:`parts` will yield."""
        plane, layout = volume.shape[1:], self.layout(what)
        return sum(box.shape[0] * len(layout.tiles(plane, box)) for box in boxes)

    def intensity(self, volume: Volume) -> tuple[Intensity, tuple[str, ...]]:
        """Choose what a volume is normalised with.

        The run's own statistics where the volume's sample looks like them (mean within a tenth of the
        standard deviation, which differs by less than a tenth): so that a region is normalised as the
        volume that it was trained on. Else the volume's own.

        Returns
        -------
        intensity : Intensity
        notes : tuple of str
            What the user should know about the choice, and about the voxel size.
        """
        own = volume.intensity()
        notes: list[str] = []
        if own.constant:
            notes.append(f"{volume.source} has the same value everywhere: its maps mean nothing.")
        if self.run is None:
            return own, tuple(notes)
        for axis, here, there in zip("zyx", volume.voxel_size, self.run.voxel_size, strict=True):
            if volume.voxel_size_known and abs(here / there - 1) > 0.2:
                notes.append(
                    f"The voxel size along {axis} is {here:g} nm, but the run was trained at {there:g} nm: "
                    "structures have another size in pixels, so expect worse maps, or train on this volume."
                )
        trained = Intensity(**self.run.intensity)
        if trained.resembles(own):
            return trained, tuple(notes)
        notes.append(
            f"Grey values differ from the training volume's (mean {own.mean:.4g}, spread {own.std:.4g}; "
            f"there {trained.mean:.4g} and {trained.std:.4g}): normalised by the volume's own."
        )
        return own, tuple(notes)

    def plane(
        self, volume: Volume, z: int, wanted: Box, what: Sequence[str] = ("classes",)
    ) -> Iterator[PlanePart | Beat | Noted]:
        """Compute a part of slice `z`; see :meth:`parts`."""
        return self.parts(volume, (wanted.plane(z),), what)

    def parts(
        self,
        volume: Volume,
        boxes: Iterable[Box],
        what: Sequence[str] = ("classes",),
        intensity: Intensity | None = None,
    ) -> Generator[PlanePart | Beat | Noted]:
        """Compute boxes of a volume, slice by slice and tile by tile.

        The next windows are read while one is computed; a few windows are in memory at any time.

        Parameters
        ----------
        volume : Volume
        boxes : iterable of Box
            Computed in their order.
        what : sequence of {"classes", "error", "embedding"}
            Classes and confidence are always given.
        intensity : Intensity, optional
            By default what :meth:`intensity` chooses.

        Yields
        ------
        PlanePart
            Together they hold each wanted pixel once.
        Beat
            After each forward pass.
        Noted
            When memory ran out and a smaller batch is tried.

        Raises
        ------
        SettingsError
            If something unknown is asked for.
        DeviceMemoryError
            If not even a single window fits.
        VolumeError
            If the volume cannot be read there.
        """
        check_what(what)
        found = windows(boxes, volume.shape[1:], self.layout(what))
        yield from self.window_parts(volume, found, what, intensity)

    def window_parts(
        self,
        volume: Volume,
        found: Iterable[Window],
        what: Sequence[str] = ("classes",),
        intensity: Intensity | None = None,
    ) -> Generator[PlanePart | Beat | Noted]:
        """Compute windows of a volume as they are, one part for each; else as :meth:`parts`."""
        statistics = self.intensity(volume)[0] if intensity is None else intensity
        flying: deque[Flight] = deque()
        with closing(self.averages(volume, found, what, statistics, self.layout(what).tile)) as averages:
            for item in averages:
                if not isinstance(item, Averages):
                    yield item
                    continue
                flying.append(Flight(item, "error" in what, self.device))
                del item  # its memory is needed for the next
                # On CUDA the next group is launched before the last one's maps are waited for.
                while len(flying) > (1 if self.device.kind == "cuda" else 0):
                    yield from flying.popleft().land()
        while flying:
            yield from flying.popleft().land()

    def averages(
        self, volume: Slices, found: Iterable[Window], what: Sequence[str], intensity: Intensity, edge: int
    ) -> Generator[Averages | Beat | Noted]:
        """Compute windows; what their views give together stays on the device.

        Parameters
        ----------
        volume : Slices
        found : iterable of Window
        what : sequence of str
        intensity : Intensity
        edge : int
            Largest edge of the windows, px: decides how many are computed at once.
        """
        views = self._views(what)
        reach = reach_of(views)
        each = max(1, self._images(edge) // (1 + len(views)))
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:

            def read(group: tuple[Window, ...]) -> list[NDArray[np.float32]]:
                slices = self.encoder.slices
                return [window.read(volume, intensity, reach, slices) for window in group]

            ahead: deque[tuple[tuple[Window, ...], Future[list[NDArray[np.float32]]]]] = deque()
            rest = groups(iter(found), each)
            try:
                while True:
                    while len(ahead) < 2 and (group := next(rest, None)) is not None:
                        ahead.append((group, reader.submit(read, group)))
                    if not ahead:
                        break
                    group, pixels = ahead.popleft()
                    yield (yield from self._compute(group, pixels.result(), reach, views, what))
            finally:
                for _, pixels in ahead:
                    pixels.cancel()

    def _views(self, what: Sequence[str]) -> tuple[WindowView, ...]:
        return compared_views(self.settings) if "error" in what else ()

    def _images(self, edge: int) -> int:
        """Return how many windows of that edge are computed at once."""
        wanted = self.settings.batch
        if wanted is None:
            wanted = 1
            if self.device.kind == "cuda":
                free, _ = torch.cuda.mem_get_info()
                wanted = int(min(32, max(1, free // 2 // (_BYTES_PER_PIXEL * edge**2))))
        return min(wanted, self._most_images or wanted)

    def _compute(
        self,
        group: tuple[Window, ...],
        pixels: list[NDArray[np.float32]],
        reach: int,
        views: tuple[WindowView, ...],
        what: Sequence[str],
    ) -> Generator[Beat | Noted, None, Averages]:
        """Launch all forward passes of a group; no result is waited for."""
        device = self.device
        extended = [device.to_device(torch.from_numpy(np.ascontiguousarray(p))) for p in pixels]
        averages: list[ViewAverage | None] = [None] * len(group)
        embeddings: list[Tensor | None] = [None] * len(group)
        jobs = [(i, view) for view in (IDENTITY, *views) for i in range(len(group))]
        shape = group[0].tile.outer_shape
        while jobs:
            turned = jobs[0][1].turned(shape)
            most = self._images(max(shape))
            batch = [job for job in jobs[:most] if job[1].turned(shape) == turned]
            outcome = self._forward([view.cut(extended[i], reach) for i, view in batch])
            if isinstance(outcome, RuntimeError):
                yield self._retreat(len(batch), shape, outcome)
                continue
            with torch.inference_mode():
                for (i, view), maps, feature in zip(batch, *outcome, strict=True):
                    inner = group[i].tile.crop_slices
                    kept, where = view.undo(maps, inner)
                    # Channels last in memory, as the encoder leaves them: softmax and all sums over
                    # classes then run along neighbouring values.
                    probabilities = kept.float().movedim(0, -1).softmax(-1).movedim(-1, 0)
                    average = averages[i]
                    if average is None:
                        averages[i] = ViewAverage(probabilities)
                        if "embedding" in what:
                            embeddings[i] = feature[:, inner[0], inner[1]].half()
                    else:
                        average.add(probabilities, where)
            jobs = [job for job in jobs if job not in batch]
            yield Beat()
        done = [average for average in averages if average is not None]
        return Averages(group, done, embeddings)

    def _forward(self, images: list[Tensor]) -> tuple[Tensor, Tensor] | RuntimeError:
        """Return logits and features, or the error when memory ran out.

        Returned without its traceback, whose frames would keep the tensors that filled the memory.
        """
        try:
            with torch.inference_mode(), self.device.autocast():
                stacked = torch.stack(images).contiguous(memory_format=torch.channels_last)
                logits, features = self.encoder(stacked)
                return logits, features
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            return error.with_traceback(None)

    def _retreat(self, images: int, shape: tuple[int, int], error: RuntimeError) -> Noted:
        """Halve the batch for good; raise where it cannot be halved."""
        if images == 1:
            raise DeviceMemoryError(
                f"A single window of {shape[0]} x {shape[1]} px does not fit into the memory of "
                f"{self.device.description}; choose a smaller tile, or another device."
            ) from error
        if self.device.kind == "cuda":
            torch.cuda.empty_cache()
        self._most_images = images // 2
        return Noted(f"Out of memory with {images} windows at once; going on with {self._most_images}.")


def check_what(what: Sequence[str]) -> None:
    """Raise :class:`SettingsError` if something unknown is asked for."""
    unknown = sorted(set(what) - set(WHAT))
    if unknown:
        raise SettingsError(f"Cannot predict {', '.join(unknown)}; choose of {', '.join(WHAT)}.")


def _is_out_of_memory(error: RuntimeError) -> bool:
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text
