"""``doctor``: what this machine has, how fast it trains, what is missing and how to get it."""

from __future__ import annotations

import importlib.util
import itertools
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

import typer

from napari_dense_ssl.cli.info import size
from napari_dense_ssl.cli.train import gather
from napari_dense_ssl.cli.window import has_display

PACKAGES = (
    "napari-dense-ssl",
    "napari",
    "torch",
    "torchvision",
    "timm",
    "lightning-fabric",
    "zarr",
    "dask",
    "numpy",
)
BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
_WINDOW_SECONDS = 90
_STEPS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` where something is missing."""

    name: str
    value: str
    advice: str | None = None


def doctor() -> None:
    """Look at versions, Qt, OpenGL, devices, memory and speed; say what is missing and how to get it."""
    missing = 0
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _versions,
        _plugin,
        _window,
        _devices,
        _memory,
        _speed,
    )
    for finding in itertools.chain.from_iterable(check() for check in checks):
        mark = "ok" if finding.advice is None else "!!"
        typer.echo(f"{mark}  {finding.name:<18} {finding.value}")
        if finding.advice is not None:
            missing += 1
            typer.echo(f"    {'':<18} {finding.advice}")
    typer.echo(
        "Nothing is missing." if missing == 0 else f"{missing} thing(s) to look at: the lines marked !!."
    )


def _versions() -> Iterator[Finding]:
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding(
        "Python",
        f"{platform.python_version()} on {platform.platform()}",
        None if supported else "Python 3.11 to 3.13 is supported: make a new environment with one of them.",
    )
    for name in PACKAGES:
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            yield Finding(name, "not installed", f"Get it with: {sys.executable} -m pip install {name}")


def _plugin() -> Iterator[Finding]:
    known = any(entry.name == "napari-dense-ssl" for entry in entry_points(group="napari.manifest"))
    advice = (
        None
        if known
        else "napari cannot see the plugin: install the package (pip install .), do not only unpack it."
    )
    yield Finding("napari plugin", "registered" if known else "not registered", advice)


def _window() -> Iterator[Finding]:
    found = [name for name in BINDINGS if importlib.util.find_spec(name) is not None]
    if not found:
        yield Finding(
            "Qt binding",
            "none",
            'Get one with: pip install "napari[pyqt6]"; without, only the commands work.',
        )
        return
    yield Finding("Qt binding", ", ".join(found))
    if not has_display():
        yield Finding("OpenGL", "no display here, not looked at; the commands work without one")
        return
    # In a process of its own: Qt aborts where it cannot open a window.
    try:
        told = subprocess.run(
            [sys.executable, "-m", "napari", "--info"],
            capture_output=True,
            text=True,
            timeout=_WINDOW_SECONDS,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired:
        told = ""
    lines = [line.strip(" -") for line in told.splitlines()]
    opengl = next((line.partition(":")[2].strip() for line in lines if line.startswith("GL version:")), None)
    advice = (
        "napari --info could not open a window: on Debian and Ubuntu `make system` installs the libraries "
        "that Qt and OpenGL need; over ssh, use X forwarding with GLX or run the commands without a window."
    )
    yield Finding("OpenGL", opengl or "no context", None if opengl else advice)


def _devices() -> Iterator[Finding]:
    from napari_dense_ssl.model.device import available_devices

    found = available_devices()
    for kind, description, free in found:
        yield Finding(f"device {kind}", f"{description}, {size(free)} free")
    if shutil.which("nvidia-smi") and all(kind != "cuda" for kind, _, _ in found):
        yield Finding(
            "device cuda",
            "there is an NVIDIA driver, but torch cannot use it",
            "torch is a build for the CPU, or for a newer driver: see "
            "https://pytorch.org/get-started/locally for the line that fits, or update the driver.",
        )


def _memory() -> Iterator[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    short = memory.available < 2e9
    yield Finding(
        "memory",
        f"{size(memory.available)} free of {size(memory.total)}",
        "Training wants 2 GB free: close something, or lower --set sampler.memory=256." if short else None,
    )
    free = shutil.disk_usage(Path.cwd()).free
    yield Finding(
        "disk here",
        f"{size(free)} free",
        "Runs and predictions want room: free some." if free < 1e9 else None,
    )


def _speed() -> Iterator[Finding]:
    """Train a few steps of the default recipe on the synthetic volume."""
    from napari_dense_ssl.core.events import Step
    from napari_dense_ssl.engine.train import train
    from napari_dense_ssl.volume import open_volume

    small = ["objective.codebook_pixels=4000", "objective.generations=1"]
    settings = gather(None, {"steps": str(_STEPS)}, small)
    with tempfile.TemporaryDirectory() as folder:
        at = [
            time.perf_counter()
            for event in train(open_volume("sample:em?shape=4x288x288"), Path(folder) / "run", settings)
            if isinstance(event, Step)
        ]
    # The first steps pay for allocations.
    seconds = statistics.median(b - a for a, b in itertools.pairwise(at[2:]))
    crops = settings.sampler.batch / seconds
    yield Finding(
        "a training step", f"{seconds:.2f} s, {crops:.3g} crops of {settings.sampler.crop} px a second"
    )
