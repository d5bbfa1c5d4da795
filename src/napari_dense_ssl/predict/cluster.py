"""Whole-volume prediction by several processes or machines, through dask.distributed.

The client hands out batches of blocks, a few for each worker, so that its memory does not grow with the
volume. A worker opens the run and the volume once, computes a batch and writes it to the output: blocks
are whole chunks, so that no two workers touch the same file. The client enters what is written into the
manifest. The batches of a worker that is lost are computed elsewhere; what a lost client leaves undone is at
most what was in flight.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import DenseSSLError, DeviceError, RunError, SettingsError
from napari_dense_ssl.core.events import Beat, Event, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model.device import choose_device, usable_cores, use_threads
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.predict.ortho import block_parts
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.settings import PredictSettings
from napari_dense_ssl.predict.writing import Block, Writer
from napari_dense_ssl.volume import Intensity, Volume, open_output, open_volume

_BATCH = 4  # blocks of one slice: the next is read while one is computed
_AHEAD = 2  # batches for each worker beside the one that it computes
_POLL = 0.1  # s between two beats
_ANSWER = "10s"  # within which a scheduler has to answer
_ALONE = 30.0  # s without a worker until it is told


@dataclass(frozen=True)
class Work:
    """What a worker has to know; small, and the same for all blocks.

    Attributes
    ----------
    volume : mapping
        Arguments of :func:`open_volume`.
    run : str
        Absolute path of the run folder, which every worker must see.
    fingerprint : str
        Of the run's weights, so that a run that goes on being trained is noticed.
    out : str
        Absolute path of the output, which every worker must see.
    what : tuple of str
    device, precision : str
    settings : mapping
        Of :class:`PredictSettings`.
    intensity : Intensity
        What all blocks are normalised with.
    threads : int or None
        Of torch in each worker; None takes what the worker was started with.
    """

    volume: Mapping[str, Any]
    run: str
    fingerprint: str
    out: str
    what: tuple[str, ...]
    device: str
    precision: str
    settings: Mapping[str, Any]
    intensity: Intensity
    threads: int | None = None

    @property
    def key(self) -> str:
        """Tells one piece of work from another."""
        return repr(self)


@dataclass(frozen=True)
class Done:
    """What became of a batch: sizes by key, how many pixels have each label, the sum of errors."""

    sizes: Mapping[str, int]
    counts: NDArray[np.int64]
    error: float | None
    where: str = field(default="", compare=False)


def _distributed() -> Any:
    """Import dask.distributed, which has no types, or say how to get it."""
    try:
        return import_module("distributed")
    except ImportError as error:
        raise SettingsError(
            "Several workers need dask.distributed, which is not installed: "
            "pip install 'napari-dense-ssl[distributed]'."
        ) from error


@contextmanager
def workers_for(
    volume: Volume, predictor: Predictor, workers: int | None, scheduler: str | None
) -> Iterator[Any | None]:
    """Start workers on this machine, or reach those of a scheduler; None where neither is asked for.

    Parameters
    ----------
    volume : Volume
        What they are to read.
    predictor : Predictor
        Whose run they are to load.
    workers : int or None
        Processes to be started here.
    scheduler : str or None
        Address such as ``tcp://host:8786``, or a scheduler file.

    Yields
    ------
    distributed.Client or None

    Raises
    ------
    SettingsError
        If both are given, workers cannot get at the volume or the run, distributed is not installed, or the
        scheduler does not answer.
    """
    if workers is None and scheduler is None:
        yield None
        return
    if workers is not None and scheduler is not None:
        raise SettingsError("Give either --workers, to start processes here, or --scheduler, not both.")
    if workers is not None and workers < 1:
        raise SettingsError(f"{workers} workers cannot compute; expected 1 or more.")
    if volume.opened is None:
        raise SettingsError(
            f"{volume.source} lies in this program's memory, where other processes cannot read it; save it "
            "as OME-Zarr and open that, or predict without workers."
        )
    if predictor.run is None:
        raise SettingsError(
            "Workers load the network from a run folder; predict with a run, or without workers."
        )
    distributed = _distributed()
    if scheduler is not None:
        file = Path(scheduler)
        try:
            found = {"scheduler_file": str(file)} if file.is_file() else {"address": scheduler}
            client = distributed.Client(timeout=_ANSWER, **found)
        except (OSError, ValueError, TimeoutError) as error:
            raise SettingsError(
                f"No scheduler answers at {scheduler} ({error}); check the address (tcp://host:8786, or a "
                "scheduler file) and that dask scheduler runs."
            ) from error
        with closing(client):
            yield client
        return
    local = distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    )
    with closing(local), closing(distributed.Client(local)) as client:
        yield client


def work_of(
    volume: Volume,
    predictor: Predictor,
    out: Path,
    what: Sequence[str],
    intensity: Intensity,
    workers: int | None,
) -> Work:
    """Say what workers have to know of what :func:`workers_for` let pass."""
    assert volume.opened is not None
    assert predictor.run is not None
    return Work(
        volume=dict(volume.opened),
        run=str(predictor.run.path.absolute()),
        fingerprint=predictor.run.fingerprint(),
        out=str(out.absolute()),
        what=tuple(what),
        device=predictor.device.kind,
        precision=predictor.device.precision,
        settings=predictor.settings.model_dump(mode="json"),
        intensity=intensity,
        threads=None if workers is None else max(1, usable_cores() // workers),
    )


def hand_out(client: Any, work: Work, rest: Mapping[str, Box]) -> Generator[Event | Done]:
    """Have blocks computed and written; yield what is done as it comes.

    Parameters
    ----------
    client : distributed.Client
    work : Work
    rest : mapping of str to Box
        The blocks, by their key in the manifest.

    Yields
    ------
    Done
        Each block once, in any order; it is on disk.
    Beat
        Every tenth of a second.
    Noted
        While there is no worker.

    Raises
    ------
    DenseSSLError
        What a worker could not do.
    """
    wait = _distributed().wait
    # Blocks of many slices take long: no more of them than one is done again where a worker is lost.
    each = _BATCH if all(box.shape[0] == 1 for box in rest.values()) else 1
    blocks = iter(rest.items())
    flying: dict[Any, tuple[tuple[str, Box], ...]] = {}
    again: list[tuple[tuple[str, Box], ...]] = []
    alone = 0.0
    try:
        while True:
            count = len(client.scheduler_info(n_workers=-1)["workers"])
            while len(flying) < max(1, count) * (1 + _AHEAD):
                batch = again.pop() if again else tuple(islice(blocks, each))
                if not batch:
                    break
                flying[client.submit(compute, work, batch, pure=False, retries=1)] = batch
            if not flying:
                return
            try:
                finished = wait(list(flying), timeout=_POLL, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                finished = set()
            alone = 0.0 if count else alone + _POLL
            if alone >= _ALONE:
                alone = 0.0
                yield Noted("There is no worker at present; the prediction goes on when one comes.")
            yield Beat()
            for future in finished:
                batch = flying.pop(future)
                if future.status == "finished":
                    yield future.result()
                elif future.status == "error":
                    raise _explained(future.exception())
                else:  # lost with its worker, or cancelled by somebody else
                    again.append(batch)
    finally:
        client.cancel(list(flying))


def _explained(error: BaseException | None) -> BaseException:
    if isinstance(error, DenseSSLError):
        return error
    if type(error).__name__ == "KilledWorker":
        return DeviceError(
            f"Workers died again and again over the same blocks ({error}): memory may be short; give fewer "
            "workers or a smaller tile, and go on with --resume."
        )
    return error if error is not None else RuntimeError("a worker failed without saying why")


# -- in the worker -------------------------------------------------------------------------------------


@dataclass
class _Bench:
    key: str
    predictor: Predictor
    volume: Volume


_bench: _Bench | None = None
_busy = threading.Lock()  # one network a process, whatever the number of a worker's threads


def compute(work: Work, batch: tuple[tuple[str, Box], ...]) -> Done:
    """Compute blocks and write them; runs in a worker.

    Raises
    ------
    RunError
        If the run is not what it was when the prediction began.
    DenseSSLError
        See :meth:`Predictor.parts` and :meth:`Output.write`.
    """
    with _busy:
        bench = _open(work)
        output = open_output(Path(work.out))
        sizes: dict[str, int] = {}
        counts = np.zeros(256, np.int64)
        error = 0.0
        writer = Writer(output, mark=False)
        with (
            closing(
                block_parts(
                    bench.predictor, bench.volume, [box for _, box in batch], work.what, work.intensity
                )
            ) as parts,
            closing(writer),
        ):
            rest = iter(batch)
            block: Block | None = None
            for part in parts:
                if not isinstance(part, PlanePart):
                    continue
                if block is None:
                    block = Block(*next(rest))
                block.add(part)
                if not block.whole:
                    continue
                sizes[block.key] = block.box.size
                counts += np.bincount(block.maps["classes"].ravel(), minlength=256)
                if "error" in block.maps:
                    error += float(block.maps["error"].sum(dtype=np.float64))
                for _ in writer.write(block):
                    pass
                block = None
            for _ in writer.rest():
                pass
        return Done(sizes, counts, error if "error" in work.what else None)


def _open(work: Work) -> _Bench:
    global _bench
    if _bench is None or _bench.key != work.key:
        _bench = None  # two networks would need twice the memory
        _use_own_device(work)
        folder = RunFolder.open(Path(work.run))
        if folder.fingerprint() != work.fingerprint:
            raise RunError(
                f"The run {work.run} has another checkpoint than when the prediction began; wait until its"
                " training has ended, or stop it, and begin again."
            )
        device = choose_device(work.device, work.precision)
        settings = PredictSettings.model_validate(dict(work.settings))
        predictor = Predictor(folder.load_encoder(device.torch_device), device, settings, folder)
        _bench = _Bench(work.key, predictor, open_volume(**work.volume))
    return _bench


def _use_own_device(work: Work) -> None:
    """One worker a GPU, and its share of the cores."""
    import torch

    worker = _distributed().get_worker()
    use_threads(work.threads or worker.state.nthreads)
    if work.device == "cuda" and torch.cuda.device_count() > 1:
        name = str(worker.name)
        torch.cuda.set_device(int(name) % torch.cuda.device_count() if name.isdecimal() else 0)
