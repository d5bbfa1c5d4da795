"""The networks in training: student, optimiser, average, on their device through Lightning Fabric."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from napari_dense_ssl.core.errors import RunError
from napari_dense_ssl.engine.processes import Processes
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model import DenseEncoder
from napari_dense_ssl.model.averaging import ema_teacher
from napari_dense_ssl.model.batch_norm import BatchNorm
from napari_dense_ssl.model.student import Student
from napari_dense_ssl.objective.codebook import Codebook
from napari_dense_ssl.objective.sharing import shared, summed

Reader = TypeVar("Reader", bound=nn.Module)


def plain_student(settings: TrainSettings) -> nn.Module:
    """Build a student of encoder and slice predictor, as masked clusters train it."""
    return Student(settings.encoder, settings.classes, settings.context)


class Networks:
    """Student and EMA teacher with their optimiser.

    Parameters
    ----------
    settings : TrainSettings
        Network, optimiser, seed.
    processes : Processes
        Those that train together, each on its device.
    build : callable
        Makes all that is trained: a module with an ``encoder``, and whatever the objective needs besides.

    Attributes
    ----------
    student : Module
        Wrapped by Fabric; call it, and look inside through :attr:`encoder`.
    device : Device
    rank, world : int
        This process among those that train together.
    """

    def __init__(
        self,
        settings: TrainSettings,
        processes: Processes,
        build: Callable[[TrainSettings], nn.Module] = plain_student,
    ) -> None:
        self.processes, self.device, self._fabric = processes, processes.device, processes.fabric
        self.rank, self.world = processes.rank, processes.world
        with torch.random.fork_rng():  # the window's own random numbers are not ours to change
            torch.manual_seed(settings.seed)
            student = build(settings)
        student = student.to(memory_format=torch.channels_last)
        for module in student.modules():
            if self.world > 1 and isinstance(module, BatchNorm):
                module.summed = summed
        decayed = [p for p in student.parameters() if p.ndim > 1]
        others = [p for p in student.parameters() if p.ndim <= 1]
        rate = settings.optimiser.learning_rate
        self._optimiser = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": settings.optimiser.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=rate,
        )
        self._plain = student
        self.student: Any
        self.student, self._wrapped_optimiser = self._fabric.setup(student, self._optimiser)
        self._average = ema_teacher(self.encoder, settings.optimiser.average_decay)
        self._gradient_norm = settings.optimiser.gradient_norm

    @property
    def encoder(self) -> DenseEncoder:
        """The student's encoder."""
        encoder = self._plain.encoder
        if not isinstance(encoder, DenseEncoder):
            raise TypeError(f"the student's encoder is a {type(encoder).__name__}")
        return encoder

    def reader(self, kind: type[Reader]) -> Reader:
        """Return what reads the student's features, a module of that class."""
        reader = self._plain.reader
        if not isinstance(reader, kind):
            raise TypeError(f"the student's reader is a {type(reader).__name__}, expected {kind.__name__}")
        return reader

    @property
    def averaged_encoder(self) -> DenseEncoder:
        """The EMA teacher: what predictions and targets are made with."""
        encoder = self._average.module
        if not isinstance(encoder, DenseEncoder):
            raise TypeError(f"the average of an encoder is a {type(encoder).__name__}")
        return encoder

    def begin_step(self, learning_rate: float) -> None:
        """Clear the gradients and set the learning rate."""
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        self._wrapped_optimiser.zero_grad(set_to_none=True)

    @contextmanager
    def forward(self, *, last: bool) -> Iterator[None]:
        """Compute losses of the whole batch within; gradients meet after the last part only."""
        several = self.world > 1
        with self._fabric.no_backward_sync(self.student, enabled=several and not last), shared(several):
            yield

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Compute losses of this process's own crops within; nothing is kept, and nobody waited for."""
        with self._fabric.no_backward_sync(self.student, enabled=self.world > 1):
            yield
        self._wrapped_optimiser.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add a part's gradients; `last` is the forward pass's."""
        if self.world > 1 and last:
            # All processes wait for the gradients of all weights, though a share may use some of them only.
            weights = (p for p in self._plain.parameters() if p.requires_grad)
            loss = loss + 0.0 * torch.stack([weight.sum() for weight in weights]).sum()
        with warnings.catch_warnings():
            # Of 1 x 1 convolutions with channels last, whose strides may be written in two ways.
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
            self._fabric.backward(loss)

    def end_step(self) -> None:
        """Shorten long gradients, step, average."""
        self._fabric.clip_gradients(
            self.student,
            self._wrapped_optimiser,
            max_norm=self._gradient_norm,
            error_if_nonfinite=False,
        )
        self._wrapped_optimiser.step()
        self._average.update_parameters(self.encoder)

    def write_readout(self, weight: Tensor, bias: Tensor) -> None:
        """Set what the averaged encoder reads classes with; training depends on none of it.

        Parameters
        ----------
        weight : Tensor, shape (K, D + F)
            Of the features, then of the filters.
        bias : Tensor, shape (K,)
            All ranks take the first one's.
        """
        weight, bias = self.processes.first(lambda: (weight, bias))
        encoder = self.averaged_encoder
        features = encoder.head.in_channels
        with torch.no_grad():
            encoder.head.weight.copy_(weight[:, :features, None, None])
            encoder.head.bias.copy_(bias)  # type: ignore[union-attr]  # the head is built with one
            encoder.filter_weight.copy_(weight[:, features:, None, None])

    def renew_head(self, weight: Tensor, bias: Tensor) -> None:
        """Go on from the averaged encoder with another linear head, in both; forget the head's momentum.

        Parameters
        ----------
        weight : Tensor, shape (K, D)
        bias : Tensor, shape (K,)
            All ranks go on with the first one's.
        """
        weight, bias = self.processes.first(lambda: (weight, bias))
        head = {"weight": weight[:, :, None, None], "bias": bias}
        self.averaged_encoder.head.load_state_dict(head)
        self.averaged_encoder.filter_weight.zero_()  # of classes that somebody looked at; nothing trains them
        self.encoder.load_state_dict(self.averaged_encoder.state_dict())
        for parameter in self.encoder.head.parameters():
            self._optimiser.state.pop(parameter, None)

    @torch.no_grad()
    def write_head(self, weight: Tensor, bias: Tensor) -> None:
        """Set the linear head, weight (K, D) and bias (K,), in student and average."""
        for encoder in (self.encoder, self.averaged_encoder):
            encoder.head.weight.copy_(weight[:, :, None, None])
            encoder.head.bias.copy_(bias)  # type: ignore[union-attr]  # the head is built with one

    def share_codebook(self, codebook: Codebook) -> Codebook:
        """Return the first rank's codebook, on the device."""
        return self.processes.first(lambda: codebook).to(self.device.torch_device)

    def weights(self) -> dict[str, Tensor]:
        """Return all parameters by name: ``student.*`` and ``average.*``."""
        named = {f"student.{k}": v for k, v in self._plain.state_dict().items()}
        return named | {f"average.{k}": v for k, v in self.averaged_encoder.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """Return what else resuming needs."""
        return {
            "optimiser": self._optimiser.state_dict(),
            "averaged": int(self._average.n_averaged),
            "scaler": self._fabric.strategy.precision.state_dict(),
        }

    def restore(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Go on from a checkpoint; raises :class:`RunError` where it does not fit."""
        try:
            self._plain.load_state_dict(_part(weights, "student."))
            self.averaged_encoder.load_state_dict(_part(weights, "average."))
            self._optimiser.load_state_dict(state["optimiser"])
            self._average.n_averaged.fill_(state["averaged"])
            self._fabric.strategy.precision.load_state_dict(state["scaler"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise RunError(
                f"The checkpoint does not fit the settings of its run ({str(error).splitlines()[0]}); "
                "one of them was changed. Train again."
            ) from error


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
