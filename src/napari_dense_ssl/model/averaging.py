"""The EMA teacher: an exponential moving average of the student's weights."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def ema_teacher(student: nn.Module, decay: float) -> AveragedModel:
    """Return an averaged copy of a network; call its ``update_parameters(student)`` after each step.

    ``teacher <- decay * teacher + (1 - decay) * student``, buffers included, as in Mean Teacher
    (Tarvainen & Valpola, NeurIPS 2017) and BYOL (Grill et al., NeurIPS 2020). The half-life is
    ``log 2 / (1 - decay)`` steps.

    Parameters
    ----------
    student : Module
        Copied at once; the first update copies it again.
    decay : float
        In [0, 1).
    """
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    teacher = AveragedModel(student, multi_avg_fn=average, use_buffers=True)
    return teacher.requires_grad_(False)
