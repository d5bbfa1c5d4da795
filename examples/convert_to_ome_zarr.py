"""Open a volume of any format and write it as OME-Zarr, lazily: it may be larger than the memory.

    python convert_to_ome_zarr.py VOLUME OUT.zarr [Z,Y,X in nm]

Without arguments it makes a small folder of TIFF slices first and converts that.
"""

import sys
from pathlib import Path

import tifffile

from napari_dense_ssl import open_volume
from napari_dense_ssl.volume import write_volume


def make_slices(folder: Path) -> Path:
    """Write the synthetic sample as a microscope would: a TIFF a slice, without a voxel size."""
    folder.mkdir()
    sample = open_volume("sample:em?shape=4x256x256")
    for z in range(sample.shape[0]):
        tifffile.imwrite(folder / f"slice_{z:03}.tif", sample.data[z].compute())
    return folder


arguments = sys.argv[1:]
source = arguments[0] if arguments else str(make_slices(Path("slices")))
out = arguments[1] if len(arguments) > 1 else "volume.zarr"
size = tuple(float(edge) for edge in arguments[2].split(",")) if len(arguments) > 2 else (50.0, 5.0, 5.0)

volume = open_volume(source, voxel_size=size)
print(f"{volume.format}: {volume.shape} {volume.dtype}, voxels of {tuple(volume.voxel_size)} nm")
path = write_volume(out, volume.data, volume.voxel_size, volume.translation)

again = open_volume(path)
print(f"{again.format} at {path}: {len(again.levels)} levels, {again.shape}")
