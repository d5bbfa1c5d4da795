"""Batches that several processes share: sums and means over all of a batch, with their gradients.

Within :func:`shared` an objective's balance, means and negatives are those of the whole batch, so that its
losses do not depend on how many processes there are. Outside, and where a process is alone, every function
here does what its name says of the process's own values.

What is trained is the mean over the processes of what each returns as its loss (DistributedDataParallel takes
the mean of the gradients), and each returns the loss of the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd import Function

_on: ContextVar[bool] = ContextVar("shared", default=False)


@contextmanager
def shared(on: bool) -> Iterator[None]:
    """Compute over all processes' values within; every process has to enter, and to compute alike.

    Parameters
    ----------
    on : bool
        False changes nothing: a process that is alone.
    """
    token = _on.set(on)
    try:
        yield
    finally:
        _on.reset(token)


def total(values: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, which all go on with alike.

    The loss then depends on it in the same way everywhere: its gradient needs no message.
    """
    if not _on.get():
        return values
    return _Total.apply(values) if values.requires_grad else _summed(values)


def summed(values: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, each of which goes on with it in a way of its own."""
    return _Summed.apply(values) if _on.get() else values


def gathered(values: Tensor) -> Tensor:
    """Return the values (B, ...) of all processes, crop by crop in the order of the batch.

    Crop n of the batch is crop n // W of process n modulo W; all have the same number. Gradients of all
    processes flow back.
    """
    if not _on.get():
        return values
    return _Gathered.apply(values)  # type: ignore[no-any-return]


def count_of(values: Tensor) -> int:
    """Return how many entries a tensor has along its first axis, over all processes."""
    return int(total(torch.tensor(len(values), device=values.device))) if _on.get() else len(values)


def mean(values: Tensor) -> Tensor:
    """Return the mean over all entries of a tensor, of all processes: a scalar."""
    if not _on.get():
        return values.mean()
    count = total(torch.tensor(values.numel(), device=values.device))
    return total(values.sum()) / count.clamp(min=1)


def mean_rows(values: Tensor) -> Tensor:
    """Return the mean of a tensor (N, ...) over its first axis and over all processes, shape (...)."""
    return total(values.sum(0)) / max(1, count_of(values)) if _on.get() else values.mean(0)


def variance_rows(values: Tensor) -> Tensor:
    """Return the unbiased variance of (N, ...) over the first axis and over all processes, shape (...)."""
    if not _on.get():
        return values.var(0)
    # Deviations from the mean of all add up to 0: no gradient goes through it.
    squares = (values - mean_rows(values.detach())).square()
    return total(squares.sum(0)) / (count_of(values) - 1)


def logsumexp_rows(values: Tensor) -> Tensor:
    """Return ``log sum exp`` of (N, K) over the first axis and all processes, (1, K), without gradient."""
    own = values.detach().logsumexp(0, keepdim=True)
    return torch.cat(_all(own)).logsumexp(0, keepdim=True) if _on.get() else own


def _summed(values: Tensor) -> Tensor:
    everyone = values.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(everyone)
    return everyone


def _all(values: Tensor) -> list[Tensor]:
    """Return the tensors of all processes, which have the same shape, by rank."""
    own = values.detach().contiguous()
    everyone = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(everyone, own)
    return everyone


class _Total(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return distributed.get_world_size() * gradients[0]


class _Summed(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


class _Gathered(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return torch.stack(_all(values), dim=1).flatten(0, 1)  # (B, W, ...) -> (B W, ...)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        own = slice(distributed.get_rank(), None, distributed.get_world_size())
        return _summed(gradients[0])[own]
