"""``info``: what ``open_volume`` sees."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from napari_dense_ssl.cli.arguments import (
    ChannelOption,
    DatasetOption,
    TimepointOption,
    VolumeArgument,
    VoxelSizeOption,
    opened,
)


def info(
    volume: VolumeArgument,
    dataset: DatasetOption = None,
    voxel_size: VoxelSizeOption = None,
    channel: ChannelOption = None,
    timepoint: TimepointOption = None,
) -> None:
    """Say what a volume is: format, shape, voxel size, levels, grey values. Reads a few chunks only."""
    seen = opened(volume, dataset, voxel_size, channel, timepoint)
    intensity = seen.intensity()
    known = (
        ""
        if seen.voxel_size_known or voxel_size
        else "  (assumed: the file has none; give --voxel-size Z,Y,X)"
    )
    contrast = "constant" if intensity.constant else f"{intensity.low:.6g} to {intensity.high:.6g}"
    facts = {
        "source": seen.source,
        "dataset": seen.dataset,
        "format": seen.format,
        "shape": f"{_by(seen.shape)}  (z, y, x)",
        "dtype": str(seen.dtype),
        "size": f"{size(seen.nbytes)} uncompressed",
        "chunks": _by(seen.chunks),
        "voxel size": f"{_by(seen.voxel_size)} nm{known}",
        "extent": f"{_by([n * s / 1000 for n, s in zip(seen.shape, seen.voxel_size, strict=True)])} µm",
        "levels": f"{len(seen.levels)}: " + ", ".join(_by(level.shape) for level in seen.levels),
        "grey values": f"mean {intensity.mean:.6g}, deviation {intensity.std:.6g}, 99 % within {contrast}",
        "finite": f"{intensity.finite:.1%}" if intensity.finite < 1 else None,
    }
    for name, value in facts.items():
        if value is not None:
            typer.echo(f"{name:<12} {value}")
    for note in seen.notes:
        typer.echo(f"note         {note}")


def size(amount: float) -> str:
    """Return a number of bytes as people say it, in powers of 1000: ``1.5 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


def _by(numbers: Iterable[float]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)
