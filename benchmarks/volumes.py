"""The volumes that quality is measured on: pixels, truth, slices to learn from and to score, scribbles."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from skimage.segmentation import find_boundaries

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import Volume, open_volume

DATA = Path(os.environ.get("DENSE_SSL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SCRIBBLED = (20, 200)
"""Pixels of each class."""


@dataclass(frozen=True)
class Case:
    """A volume with truth; nothing of the score slices is ever learned from but by the baselines' names."""

    name: str
    source: str
    truth_source: str
    fit: slice
    score: slice
    scribble_files: tuple[str, ...] = ()
    outlines: bool = False
    """Whether the truth is where the objects of `truth_source` meet: 1 inside, 2 boundary (or no object)."""

    @cached_property
    def volume(self) -> Volume:
        return open_volume(self.source)

    @cached_property
    def truth(self) -> np.ndarray:
        truth = np.asarray(open_volume(self.truth_source).data)
        if self.outlines:
            met = np.stack([find_boundaries(plane, mode="thick") for plane in truth])
            return np.where(met | (truth == 0), 2, 1).astype(np.uint8)
        return truth

    @cached_property
    def fit_box(self) -> Box:
        _, height, width = self.volume.shape
        return Box((self.fit.start, 0, 0), (self.fit.stop, height, width))

    def scribbles(self, pixels: int, seed: int) -> np.ndarray:
        """The given file, or that many pixels of each class drawn from four fit slices."""
        for name in self.scribble_files:
            if name.endswith(f"_{pixels}.tif"):
                return np.asarray(open_volume(name).data)
        rng = np.random.default_rng(1000 * pixels + seed)
        drawn = np.zeros(self.volume.shape, np.uint8)
        slices = [self.fit.start + k * (self.fit.stop - self.fit.start) // 4 for k in range(4)]
        for z in slices:
            for k in np.unique(self.truth[z][self.truth[z] > 0]):
                places = np.flatnonzero(self.truth[z] == k)
                taken = rng.choice(places, min(len(places), pixels // len(slices)), replace=False)
                drawn[z].ravel()[taken] = k
        return drawn


def cases(names: list[str]) -> list[Case]:
    """Look cases up by name; those whose data is missing are an error that says where it was looked for."""
    vnc, fib, gala, cells = DATA / "vnc", DATA / "fib25", DATA / "gala", DATA / "hrdv2"
    known = {
        "vnc": Case(
            "vnc",
            str(vnc / "raw.tif"),
            str(vnc / "labels.tif"),
            slice(0, 16),
            slice(16, 20),
            tuple(str(vnc / f"scribbles_{n}.tif") for n in SCRIBBLED),
        ),
        "fib25": Case(
            "fib25", str(fib / "raw.tif"), str(fib / "boundaries.tif"), slice(0, 100), slice(100, 125)
        ),
        "gala": Case(
            "gala",
            str(gala / "train-image.h5"),
            str(gala / "train-gt.lzf.h5"),
            slice(0, 40),
            slice(40, 50),
            outlines=True,
        ),
        "gala-test": Case(
            "gala-test",
            str(gala / "test-image.h5"),
            str(gala / "test-gt.lzf.h5"),
            slice(0, 40),
            slice(40, 50),
            outlines=True,
        ),
        # Six images of single cells, told apart by people: nucleus, cytoplasm, background; scribbles only.
        "hrdv2": Case(
            "hrdv2", str(cells / "raw.tif"), str(cells / "scribbles.tif"), slice(0, 4), slice(4, 6)
        ),
        "sample": Case("sample", "sample:em", "sample:em-labels", slice(0, 18), slice(18, 24)),
        "small": Case(
            "small",
            "sample:em?shape=8x256x256",
            "sample:em-labels?shape=8x256x256",
            slice(0, 6),
            slice(6, 8),
        ),
    }
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no volume named {', '.join(unknown)}; choose of {', '.join(known)}")
    chosen = [known[name] for name in names]
    for case in chosen:
        if not case.source.startswith("sample:") and not Path(case.source).exists():
            raise SystemExit(f"{case.source} is missing; say with DENSE_SSL_DATA where the data is")
    return chosen
