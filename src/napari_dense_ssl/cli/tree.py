"""``tree``: orders the classes of a run, so that they can be cut into fewer groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dense_ssl.cli.arguments import (
    ChannelOption,
    DatasetOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    TimepointOption,
    VolumeArgument,
    VoxelSizeOption,
    opened,
)
from napari_dense_ssl.cli.progress import follow, keeping
from napari_dense_ssl.core.errors import SettingsError

if TYPE_CHECKING:
    from napari_dense_ssl.core.class_tree import ClassTree


def tree_command(
    volume: VolumeArgument,
    run: Annotated[Path, typer.Option("--run", metavar="RUN", help="Run of train.", show_default=False)],
    groups: Annotated[
        int | None,
        typer.Option(metavar="N", help="Group the classes by the tree; else they stay as they are."),
    ] = None,
    maps: Annotated[
        list[Path] | None,
        typer.Option(
            "--map",
            metavar="OUT.zarr",
            help="What predict wrote: names, groups and colours are put beside its map too. May be repeated.",
            show_default=False,
        ),
    ] = None,
    way: Annotated[
        str, typer.Option(metavar="centres|confusion", help="How the distance of classes is measured.")
    ] = "centres",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
    dataset: DatasetOption = None,
    voxel_size: VoxelSizeOption = None,
    channel: ChannelOption = None,
    timepoint: TimepointOption = None,
) -> None:
    """Order the classes of a run, and group them; kept in RUN/classes.json, which the Classes dock reads."""
    from napari_dense_ssl.core.class_book import ClassBook
    from napari_dense_ssl.core.class_tree import ClassTree
    from napari_dense_ssl.model.run_folder import RunFolder
    from napari_dense_ssl.predict import grow_tree
    from napari_dense_ssl.volume.class_file import NAME, SavedClasses, read_classes, write_classes
    from napari_dense_ssl.volume.class_labels import write_map_classes

    folder = RunFolder.open(run)
    if groups is not None and not 1 <= groups <= folder.classes:
        raise SettingsError(
            f"--groups {groups} cannot be had of {folder.classes} classes; choose 1 to {folder.classes}."
        )
    file = run / NAME
    book = read_classes(file).book if file.exists() else ClassBook(folder.classes)
    pixels = opened(volume, dataset, voxel_size, channel, timepoint)
    found: list[ClassTree] = []
    job = grow_tree(pixels, folder, way=way, device=device, precision=precision)  # type: ignore[arg-type]
    follow(keeping(job, ClassTree, found), stopped=lambda: "Stopped; the classes are not in order yet.")
    (tree,) = found
    book = book if groups is None else book.cut(tree, groups)
    saved = SavedClasses(book, tree, folder.fingerprint())
    write_classes(file, saved)
    for out in maps or ():
        write_map_classes(out, saved)
    if as_json:
        typer.echo(json.dumps({"way": tree.way, "merges": tree.merges, "groups": book.groups}))
        return
    typer.echo(f"classes  {file}")
    for group in book.groups:
        typer.echo(f"{book.name(group[0]):<24} {', '.join(map(str, group))}")
