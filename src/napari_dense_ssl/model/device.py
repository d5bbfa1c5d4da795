"""Device and precision, chosen in one place."""

from __future__ import annotations

import contextlib
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import psutil
import torch

from napari_dense_ssl.core.errors import DeviceError
from napari_dense_ssl.model.allocator import keep_freed_memory

Precision = Literal["32", "bf16", "16"]


@dataclass(frozen=True, slots=True)
class Device:
    """Where the arithmetic happens, and with how many bits.

    Attributes
    ----------
    kind : str
        ``"cpu"``, ``"cuda"`` or ``"mps"``.
    precision : str
        ``"32"``, ``"bf16"`` or ``"16"`` (of the matrix products; sums stay in float32).
    """

    kind: str
    precision: Precision

    @property
    def torch_device(self) -> torch.device:
        """The torch device."""
        return torch.device(self.kind)

    @property
    def fabric_precision(self) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
        """The name that Lightning Fabric gives the precision."""
        names: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]]
        names = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
        return names[self.precision]

    @property
    def description(self) -> str:
        """Name for people, such as ``"CUDA: NVIDIA H200, bf16"``."""
        bits = {"32": "float32", "bf16": "bf16", "16": "float16"}[self.precision]
        return f"{describe(self.kind)}, {bits}"

    def autocast(self) -> AbstractContextManager[object]:
        """Context in which matrix products run at the chosen precision."""
        if self.precision == "32":
            return contextlib.nullcontext()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self.kind, dtype=dtype)

    def to_device(self, array: torch.Tensor) -> torch.Tensor:
        """Copy a tensor there; through pinned memory, without waiting, where that exists."""
        if self.kind == "cuda":
            return array.pin_memory().to("cuda", non_blocking=True)
        return array.to(self.torch_device)


def describe(kind: str) -> str:
    """Return a device's name for people."""
    if kind == "cuda":
        return f"CUDA: {torch.cuda.get_device_name()}"
    if kind == "mps":
        return "Apple GPU (MPS)"
    return f"CPU, {torch.get_num_threads()} threads"


def available_devices() -> list[tuple[str, str, int]]:
    """Return (kind, description, free bytes) of each usable device, the best first."""
    found: list[tuple[str, str, int]] = []
    free = psutil.virtual_memory().available
    if torch.cuda.is_available():
        found.append(("cuda", describe("cuda"), int(torch.cuda.mem_get_info()[0])))
    if torch.backends.mps.is_available():
        found.append(("mps", describe("mps"), free))
    found.append(("cpu", describe("cpu"), free))
    return found


def choose_device(device: str = "auto", precision: str = "auto") -> Device:
    """Choose a device and a precision that this machine has.

    On the CPU, the process keeps memory that it frees from then on
    (:func:`~napari_dense_ssl.model.allocator.keep_freed_memory`).

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes CUDA, then MPS, then the CPU.
    precision : {"auto", "32", "bf16", "16"}
        ``auto`` takes bf16 on CUDA devices that have it in hardware, else float32.

    Raises
    ------
    DeviceError
        If the device is not there, or cannot work at that precision.
    """
    kinds = [kind for kind, _, _ in available_devices()]
    kind = kinds[0] if device == "auto" else device
    if kind not in kinds:
        raise DeviceError(
            f"The device {device!r} is not usable here; this machine has {', '.join(kinds)}. "
            "Choose one of these, or auto."
        )
    if kind == "cpu":
        keep_freed_memory()
    if precision == "auto":
        fast = kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return Device(kind, "bf16" if fast else "32")
    if precision not in ("32", "bf16", "16"):
        raise DeviceError(f"The precision {precision!r} is unknown; choose auto, 32, bf16 or 16.")
    if precision == "16" and kind == "cpu":
        raise DeviceError("Precision 16 has no fast arithmetic on the CPU; choose 32 or bf16.")
    return Device(kind, precision)  # type: ignore[arg-type]  # checked two lines above


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


def use_threads(threads: int | None = None) -> int:
    """Set torch's thread count; None takes one a core that this process may run on. Returns it."""
    if threads is None:
        threads = usable_cores()
    torch.set_num_threads(threads)
    return threads
