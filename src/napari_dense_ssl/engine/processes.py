"""The processes that train together, through Lightning Fabric: who they are, what they agree on."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from napari_dense_ssl.core.errors import (
    DenseSSLError,
    DeviceError,
    EndedElsewhereError,
    ProcessesError,
    SettingsError,
)
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model import Device, choose_device
from napari_dense_ssl.model.device import usable_cores

Result = TypeVar("Result")

STARTED = "DENSE_SSL_PROCESSES"
"""Variable that says how many processes the command line has started on this machine."""

OURS = "--devices"
"""Name of that launcher."""


class Launch(NamedTuple):
    """How this process was started.

    Attributes
    ----------
    by : str
        ``"torchrun"``, ``"srun"``, :data:`OURS`; empty for a process that is alone.
    rank : int
        Which of all processes this is.
    devices, nodes : int
        Processes on each machine, machines.
    environment : ClusterEnvironment
        Tells Fabric rank and addresses.
    """

    by: str
    rank: int
    devices: int
    nodes: int
    environment: Callable[[], ClusterEnvironment]


def found_launch() -> Launch:
    """Find out from the environment's variables how this process was started."""
    number = {name: int(value) for name, value in os.environ.items() if value.isascii() and value.isdecimal()}
    if TorchElasticEnvironment.detect():
        here = number["LOCAL_WORLD_SIZE"]
        nodes = number["WORLD_SIZE"] // here
        return Launch("torchrun", number["RANK"], here, nodes, TorchElasticEnvironment)
    # Of a step that srun began; a batch script outside of one has SLURM_NTASKS too, and is one process.
    if number.get("SLURM_STEP_NUM_TASKS", 1) > 1:
        nodes = number.get("SLURM_STEP_NUM_NODES", 1)
        here, rank = number["SLURM_STEP_NUM_TASKS"] // nodes, number["SLURM_PROCID"]
        return Launch("srun", rank, here, nodes, lambda: SLURMEnvironment(auto_requeue=False))
    if STARTED in number:
        return Launch(OURS, number["LOCAL_RANK"], number[STARTED], 1, LightningEnvironment)
    return Launch("", 0, 1, 1, LightningEnvironment)


def checked_launch(settings: TrainSettings) -> Launch:
    """Return how this process was started, if that fits the settings; a launcher's numbers come first.

    Raises
    ------
    ProcessesError
        If several processes are asked for and none but this was started.
    SettingsError
        If they cannot share the batch evenly, in the first process.
    EndedElsewhereError
        In the others then.
    """
    found = found_launch()
    if not found.by and (settings.devices > 1 or settings.nodes > 1):
        machines = f" on each of {settings.nodes} machines" if settings.nodes > 1 else ""
        raise ProcessesError(
            f"Training on {settings.devices} device{'s' if settings.devices > 1 else ''}{machines} needs a "
            "process for each, which a window, a notebook or a script does not start: use the command "
            "`napari-dense-ssl train ... --devices N` on one machine, torchrun or srun on several "
            "(docs/scale.md); or set devices and nodes to 1."
        )
    world = found.devices * found.nodes
    if settings.sampler.batch % world:
        nearest = world * max(1, round(settings.sampler.batch / world))
        message = (
            f"A batch of {settings.sampler.batch} crops cannot be shared evenly by {world} processes; choose "
            f"a multiple of {world}, such as --set sampler.batch={nearest}, or another number of devices."
        )
        raise SettingsError(message) if found.rank == 0 else EndedElsewhereError(message, told=True)
    return found


class Processes:
    """Those that train together; one alone where nothing else was started.

    Parameters
    ----------
    settings : TrainSettings
        Device, precision; devices and nodes, where they are not what the launcher started.

    Attributes
    ----------
    device : Device
        This process's own.
    fabric : Fabric
        Launched.
    rank, world : int
        This process among all, and how many there are.
    cores : int
        Of the processor, for this process.

    Raises
    ------
    ProcessesError, SettingsError
        As :func:`checked_launch` does, or if the processes do not find each other.
    DeviceError
        If there are fewer devices here than processes.
    """

    def __init__(self, settings: TrainSettings) -> None:
        found = checked_launch(settings)
        self.rank, self.world = found.rank, found.devices * found.nodes
        # srun may have given each task cores of its own.
        given = os.environ.get("SLURM_CPUS_PER_TASK", "") if found.by == "srun" else ""
        self.cores = int(given) if given.isdecimal() else max(1, usable_cores() // found.devices)
        self._control: Any = None
        if self.world == 1:
            self.device = choose_device(settings.device, settings.precision)
            self.fabric = Fabric(
                accelerator=self.device.kind,
                devices=1,
                precision=self.device.fabric_precision,
                plugins=LightningEnvironment(),
            )
            self.fabric.launch()
            return
        try:
            environment = found.environment()
            self.device = _device_of(settings, environment.local_rank(), found.devices)
            self.fabric = Fabric(
                accelerator=self.device.kind,
                devices=found.devices,
                num_nodes=found.nodes,
                precision=self.device.fabric_precision,
                strategy=DDPStrategy(**_without_buffers()),
                plugins=environment,
            )
            self.fabric.launch()
            # Small messages, on the host: whoever waits for a process that has ended is told at once.
            self._control = distributed.new_group(backend="gloo")
        except (RuntimeError, ValueError, KeyError) as error:
            raise ProcessesError(
                f"The {self.world} processes that {found.by} started do not find each other "
                f"({str(error).splitlines()[0]}); see docs/scale.md for the commands."
            ) from error

    def first(self, work: Callable[[], Result]) -> Result:
        """Return the result of work that the first process does; all wait for it.

        Raises
        ------
        DenseSSLError
            The work's own, in the first process.
        EndedElsewhereError
            In the others then.
        """
        if self.world == 1:
            return work()
        told: list[Any] = [None, "The first process ended with an error."]
        if self.rank == 0:
            try:
                told = [work(), ""]
            except DenseSSLError as error:
                told[1] = str(error)
                raise
            finally:
                distributed.broadcast_object_list(told, 0, group=self._control)
        else:
            distributed.broadcast_object_list(told, 0, group=self._control)
            if told[1]:
                raise EndedElsewhereError(told[1], told=True)
        result: Result = told[0]
        return result

    def agree(self, own: Sequence[float]) -> list[float]:
        """Return the largest of each number over all processes."""
        if self.world == 1:
            return list(own)
        numbers = torch.tensor(own, dtype=torch.float64)
        distributed.all_reduce(numbers, distributed.ReduceOp.MAX, group=self._control)
        return numbers.tolist()

    def exchanged(self, own: Result) -> list[Result]:
        """Return what each process has, in their order; all wait for all. For what has a megabyte or so."""
        if self.world == 1:
            return [own]
        all_of: list[Any] = [None] * self.world
        distributed.all_gather_object(all_of, own, group=self._control)
        return all_of

    @contextmanager
    def told_of_the_end(self, run: os.PathLike[str]) -> Iterator[None]:
        """Turn what a collective says of a process that is gone into a sentence.

        Raises
        ------
        EndedElsewhereError
        """
        try:
            yield
        except RuntimeError as error:
            if self.world == 1 or not _is_of_a_collective(error):
                raise
            raise EndedElsewhereError(
                f"Another of the {self.world} processes of this training ended before its time (killed, out "
                f"of memory, or by an error that it told of itself); the checkpoints in {os.fspath(run)} are "
                "whole: go on with --resume, on as many devices or fewer."
            ) from error
        finally:
            if self.world > 1 and distributed.is_initialized():
                distributed.destroy_process_group(self._control)  # who waits for this process is told by that


def _device_of(settings: TrainSettings, local_rank: int, here: int) -> Device:
    """Choose the device of a process on this machine, which has `here` of them."""
    if settings.device in ("auto", "cuda") and torch.cuda.is_available():
        if torch.cuda.device_count() < here:
            raise DeviceError(
                f"{here} processes were started for {torch.cuda.device_count()} visible CUDA device(s); "
                "start one process a device, with all devices visible to each, or choose --device cpu."
            )
        torch.cuda.set_device(local_rank)
    device = choose_device(settings.device, settings.precision)
    if device.kind == "mps":
        raise DeviceError("An Apple GPU is one device; train with --devices 1, or with --device cpu.")
    return device


def _without_buffers() -> dict[str, Any]:
    """Return DistributedDataParallel's option to leave buffers alone, which are the same everywhere."""
    known = inspect.signature(DistributedDataParallel).parameters
    return {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}


def _is_of_a_collective(error: RuntimeError) -> bool:
    """Whether an error says that another process does not answer any more."""
    if isinstance(error, distributed.DistError):
        return True
    text = str(error).lower()
    return any(word in text for word in ("gloo", "nccl", "connection closed by peer", "connection reset"))
