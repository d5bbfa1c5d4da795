"""Synthetic serial-section electron microscopy with truth, of any size, computed where it is looked at.

Not a model of tissue: a test picture with the same vocabulary. Cells are the regions of a power diagram
(a Voronoi diagram with weights) of points that wander through Z, seen through a smooth distortion; at
their borders lie dark membranes, between some of them dark, granular glia; inside lie mitochondria with a
double membrane and cristae, and clusters of synaptic vesicles. Grey values of the classes overlap, so
that texture and shape tell more than brightness does. On top come shot noise, uneven illumination, and
sections of uneven brightness.

Every block is a pure function of seed and position, so any chunking gives the same voxels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.ndimage import find_objects
from scipy.spatial import cKDTree

from napari_dense_ssl.volume.noise import FloatArray, normal, smooth, smooth_line, uniform

CLASSES = {1: "membrane", 2: "glia", 3: "mitochondrion", 4: "vesicles", 5: "cytoplasm"}
VOXEL_SIZE = (50.0, 5.0, 5.0)
BLOCK = 256
_MEMBRANE, _GLIA, _MITOCHONDRION, _VESICLES, _CYTOPLASM = CLASSES

_SITE = 64.0  # px between the points of the power diagram
_WANDER = 11.0  # sections over which cells move
_RUN = 26  # sections from one mitochondrion of a cell to its next


@dataclass(frozen=True)
class Sites:
    """Cells near a block, in the section of that block; arrays of shape ``(N,)`` or ``(N, 2)``.

    Attributes
    ----------
    index : ndarray of int, (N, 2)
        Where in the lattice: a cell's identity in all sections.
    position : ndarray, (N, 2)
        Y and X of the point, px of the undistorted plane.
    weight : ndarray, (N,)
        Of the power diagram, px²: the larger, the larger the cell.
    """

    index: np.ndarray[Any, np.dtype[np.int64]]
    position: FloatArray
    weight: FloatArray


class SyntheticBlock:
    """One section of one block of ``BLOCK`` × ``BLOCK`` px: its grey values and classes.

    Parameters
    ----------
    seed : int
        Of the whole volume.
    z : int
        Section.
    row, column : int
        Position of the block, in blocks.
    """

    def __init__(self, seed: int, z: int, row: int, column: int) -> None:
        self._seed = 1000 * seed
        self._z = z
        self._y = np.arange(BLOCK) + row * BLOCK
        self._x = np.arange(BLOCK) + column * BLOCK

    def _noise(self, field: int, spacing: tuple[float, float, float]) -> FloatArray:
        return smooth(self._seed + field, self._z, self._y, self._x, spacing)

    def _distorted(self, y: Any, x: Any) -> tuple[FloatArray, FloatArray]:
        """Return where points of the section lie in the plane of the power diagram."""
        shifts = []
        for field in (1, 2):
            wide = smooth(self._seed + field, self._z, y, x, (14, 120, 120))
            fine = smooth(self._seed + 2 + field, self._z, y, x, (6, 30, 30))
            shifts.append(23 * wide + 6.5 * fine)
        return np.asarray(y)[:, None] + shifts[0], np.asarray(x)[None, :] + shifts[1]

    @cached_property
    def _plane(self) -> tuple[FloatArray, FloatArray]:
        """Undistorted Y and X of every pixel."""
        return self._distorted(self._y, self._x)

    @cached_property
    def _sites(self) -> Sites:
        v, u = self._plane
        rows, columns = (
            np.arange(int(np.floor(w.min() / _SITE)) - 3, int(np.floor(w.max() / _SITE)) + 4) for w in (v, u)
        )
        index = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
        i, j = index[:, 0], index[:, 1]
        seed = self._seed
        jitter = np.stack([uniform(seed + 10, i, j), uniform(seed + 11, i, j)], -1) - 0.5
        drift = np.stack([smooth_line(seed + k, self._z, _WANDER, i, j) for k in (12, 13)], -1)
        position = (index + 0.8 * jitter + 0.16 * drift) * _SITE
        # few cells are large: a power of a uniform number
        size = 95.0 * uniform(seed + 14, i, j) ** 2.2
        pulse = 1 + 0.25 * smooth_line(seed + 15, self._z, _WANDER, i, j)
        return Sites(index, position.astype(np.float32), ((size * pulse) ** 2).astype(np.float32))

    @cached_property
    def _cells(self) -> tuple[np.ndarray[Any, Any], FloatArray, FloatArray]:
        """Which cell each pixel is in, and its distance to the nearest and next nearest other cell, px.

        Distances are found on every second pixel and interpolated: they are smooth but at the borders.
        """
        y = np.arange(self._y[0] - 1, self._y[-1] + 4, 2)
        x = np.arange(self._x[0] - 1, self._x[-1] + 4, 2)
        v, u = self._distorted(y, x)
        sites = self._sites
        # A power diagram is a slice through a Voronoi diagram with one more dimension (Aurenhammer 1987).
        height = np.sqrt(np.maximum(0, sites.weight.max() - sites.weight))
        tree = cKDTree(np.column_stack([sites.position, height]))
        points = np.stack([v.ravel(), u.ravel(), np.zeros(v.size, np.float32)], -1)
        found = tree.query(points, k=5)
        power, near = np.asarray(found[0]) ** 2, np.asarray(found[1])  # (points, 5)
        first = sites.position[near[:, :1]]  # (points, 1, 2)
        apart = np.linalg.norm(sites.position[near[:, 1:]] - first, axis=-1)
        border = np.sort((power[:, 1:] - power[:, :1]) / (2 * np.maximum(apart, 1)), axis=1)
        cell = near[:, 0].reshape(v.shape)
        one, two = (_doubled(border[:, k].reshape(v.shape)) for k in (0, 1))
        return np.repeat(np.repeat(cell, 2, 0), 2, 1)[1 : BLOCK + 1, 1 : BLOCK + 1], one, two

    def render(self) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, np.dtype[np.uint8]]]:
        """Return grey values and classes, both ``(BLOCK, BLOCK)`` uint8."""
        cell, nearest, second = self._cells
        index = self._sites.index
        classes = np.full((BLOCK, BLOCK), _CYTOPLASM, np.uint8)
        grain = self._grain()
        tone = 158 + 15 * normal(self._seed + 20, index[:, 0], index[:, 1])
        grey = tone[cell] + 15 * grain
        inside = nearest > 6
        self._organelles(grey, inside, uniform(self._seed + 21, index[:, 0], index[:, 1])[cell])
        self._vesicles(grey, classes, cell, nearest, grain)
        self._mitochondria(grey, classes, cell, nearest, grain)
        pocket = self._glia(grey, classes, nearest, second, grain)
        self._membranes(grey, classes, np.where(pocket > 0, 1e3, nearest), np.abs(pocket))
        return self._detected(grey), classes

    def _grain(self) -> FloatArray:
        """Cytoplasm's fine texture, about 15 nm and 30 nm, variance about 1."""
        return np.asarray(
            0.75 * self._noise(30, (0.7, 3, 3)) + 0.65 * self._noise(31, (1.0, 6.5, 6.5)), np.float32
        )

    def _organelles(self, grey: FloatArray, inside: Any, kind: FloatArray) -> None:
        """Draw endoplasmic reticulum (thin curved lines) and small dark dots and tubules into cytoplasm."""
        line = np.abs(self._noise(32, (2.5, 30, 30)))
        where = inside & (self._noise(33, (5, 70, 70)) > 0.55)
        grey -= 52 * np.exp(-((line / 0.075) ** 2)) * where
        ring, rim, _ = self._rings(34, 17.0, share=0.16 + 0.3 * (kind > 0.7), radius=3.0, wobble=2.2)
        grey -= (50 * rim + 26 * ring) * inside

    def _rings(
        self, field: int, spacing: float, *, share: Any, radius: float, wobble: float
    ) -> tuple[FloatArray, FloatArray, Any]:
        """Return fillings and rims (0 to 1) of vesicles, at most one to a cell of a bent lattice."""
        bend_y, bend_x = self._noise(field + 1, (1.5, 26, 26)), self._noise(field + 2, (1.5, 26, 26))
        v = (self._y[:, None] + 5 * bend_y) / spacing
        u = (self._x + 5 * bend_x) / spacing
        shifted = u + 0.5 * np.floor(v)  # rows are staggered, or the lattice shows
        i, j = np.floor(v).astype(np.int64), np.floor(shifted).astype(np.int64)
        room = 0.5 - (radius + wobble / 2 + 1.5) / spacing
        # draw once for each cell of the lattice, then look up for each pixel
        rows, columns = np.arange(i.min(), i.max() + 1), np.arange(j.min(), j.max() + 1)
        code = rows[:, None] * 1_000_003 + columns
        seed, place = self._seed + field, (i - rows[0], j - columns[0])
        one, two, three, four = (uniform(seed + 100 + n, code, self._z)[place] for n in range(4))
        dy = (v - i - 0.5 - room * (2 * one - 1)) * spacing
        dx = (shifted - j - 0.5 - room * (2 * two - 1)) * spacing
        there = four < share
        distance = np.asarray(np.sqrt(dy * dy + dx * dx), np.float32) - (radius + wobble * (three - 0.5))
        rim = np.exp(-((distance / 1.15) ** 2)) * there
        return _step(-distance, 1.0) * there, rim, there

    def _vesicles(
        self, grey: FloatArray, classes: Any, cell: Any, nearest: FloatArray, grain: FloatArray
    ) -> None:
        """Draw clusters of vesicles at the borders of some cells, and the dark density they dock to."""
        index = self._sites.index
        bouton = uniform(self._seed + 40, index[:, 0], index[:, 1])[cell] < 0.34
        cluster = 1.15 * self._noise(41, (6, 52, 52)) - 0.012 * nearest - 1.0
        here = bouton & (cluster > 0) & (nearest > 3)
        soft = _step(cluster, 0.08) * bouton
        ring, rim, _ = self._rings(42, 10.5, share=0.88, radius=3.2, wobble=0.7)
        grey += (-14 - 72 * rim + 12 * ring * (1 - rim)) * soft
        active = bouton & (cluster > 0.35) & (nearest < 9 + 3 * grain)
        grey -= 75 * _step(cluster - 0.35, 0.08) * _step(8 + 2 * grain - nearest, 1.5) * bouton
        classes[here | active] = _VESICLES

    def _mitochondria(
        self, grey: FloatArray, classes: Any, cell: Any, nearest: FloatArray, grain: FloatArray
    ) -> None:
        """Draw the mitochondria of the cells in the block: rods that run through sections and end."""
        v, u = self._plane
        sites, seed = self._sites, self._seed + 50
        wave = self._noise(60, (3, 22, 22))
        windows = find_objects(cell + 1)
        present = np.array([k for k, window in enumerate(windows) if window is not None])
        code = sites.index[present, 0] * 1_000_003 + sites.index[present, 1]
        size = np.sqrt(sites.weight[present])
        for lane, chance in enumerate((0.6, 0.3)):
            start = np.floor(_RUN * uniform(seed + 5 + lane, code)).astype(np.int64)
            period = (self._z - start) // _RUN
            draws = uniform(seed + lane, code[:, None], period[:, None], np.arange(8))  # (cells, 8)
            half = _RUN * (0.28 + 0.2 * draws[:, 1])
            along = (self._z - start - (period + 0.5) * _RUN) / half
            there = (draws[:, 0] < np.where(size > 30, chance, 0.35 * chance)) & (np.abs(along) < 1)
            for k in np.flatnonzero(there):
                window = windows[present[k]]
                draw = [float(d) for d in draws[k]]
                t = float(along[k])
                reach = 12 + 0.55 * float(size[k])
                y, x = (float(p) for p in sites.position[present[k]])
                dy = (v[window] - (y + reach * (draw[4] - 0.5 + 0.35 * t * (draw[6] - 0.5)))).astype(
                    np.float32
                )
                dx = (u[window] - (x + reach * (draw[5] - 0.5 + 0.35 * t * (draw[7] - 0.5)))).astype(
                    np.float32
                )
                angle = math.pi * draw[3] + 0.6 * t
                long = math.cos(angle) * dy + math.sin(angle) * dx
                wide = math.cos(angle) * dx - math.sin(angle) * dy
                radius = (17 + 20 * draw[2]) * (1 - t**4) ** 0.5
                depth = radius - np.sqrt((long / (1.15 + 0.85 * draw[6])) ** 2 + wide**2) + 1.6 * wave[window]
                # stays clear of its cell's membrane, with rounded corners
                depth = np.where(cell[window] == present[k], _softmin(depth, nearest[window] - 8.5, 5.0), -99)
                turn = math.pi * draw[7]
                across = math.cos(turn) * long + math.sin(turn) * wide
                phase = 2 * math.pi * across / (11.5 + 3 * draw[1]) + 1.9 * wave[window] + 0.5 * self._z
                tone = 104 + 26 * draw[2] + 15 * grain[window]
                grey[window] = _mitochondrion(grey[window], depth, phase, tone, grain[window])
                classes[window][depth > 0] = _MITOCHONDRION

    def _glia(
        self, grey: FloatArray, classes: Any, nearest: FloatArray, second: FloatArray, grain: FloatArray
    ) -> FloatArray:
        """Fill the corners between cells with dark glia; return the depth in it, px (negative outside)."""
        width = 15 * self._noise(70, (9, 110, 110)) - 9
        # the geometric mean of two distances is small along borders: pockets with concave sides
        pocket = np.minimum(width, 15) - np.sqrt(np.maximum(nearest, 0) * np.maximum(second, 0))
        here = pocket > 0
        granules = np.clip(self._noise(71, (0.8, 3.6, 3.6)) - 0.2, 0, 2)
        body = 112 + 10 * grain - 38 * granules
        grey += here * (body - grey)
        classes[here] = _GLIA
        return np.asarray(pocket, np.float32)

    def _membranes(self, grey: FloatArray, classes: Any, border: FloatArray, pocket: FloatArray) -> None:
        """Draw membranes between cells and around glia: where cut obliquely, wider and paler."""
        oblique = np.clip(self._noise(80, (2.5, 55, 55)) - 0.5, 0, 1.6)
        half = 2.7 + 2.4 * oblique + 0.35 * self._noise(81, (2, 12, 12))
        distance = np.minimum(border, 1.8 * pocket)
        cover = _step(half - distance, 0.9)
        body = 52 + 34 * np.minimum(oblique, 1) + 9 * self._noise(82, (0.8, 5, 5))
        grey += cover * (np.minimum(body, grey) - grey)
        classes[distance < half] = _MEMBRANE

    def _detected(self, grey: FloatArray) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Add what the microscope adds: illumination, section thickness, shot noise; 8 bits."""
        section = 5.0 * float(normal(self._seed + 90, self._z))
        gain = 1 + 0.05 * float(normal(self._seed + 91, self._z))
        lit = (grey - 128) * gain + 128 + section + 7 * self._noise(92, (5, 260, 260))
        lit = np.clip(lit, 8, 250)
        # shot noise grows with the square root of the signal; neighbours share a little of it (the scan)
        shot = normal(self._seed + 93, self._z, self._y[:, None], self._x)
        blurred = self._noise(94, (0.1, 1.6, 1.6))
        noisy = lit + np.sqrt(lit / 128) * (15 * shot + 8 * blurred)
        return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)


def _mitochondrion(
    grey: FloatArray, depth: FloatArray, phase: FloatArray, tone: FloatArray, grain: FloatArray
) -> FloatArray:
    """Return grey values with a mitochondrion drawn over them; `depth` is that below its surface, px."""
    cristae = np.clip(np.cos(phase), 0, 1) ** 1.5 * _step(depth - 4.0 + 2 * grain, 2.0)
    body = tone + 34 * (cristae > 0.05) * (1 - cristae) - 42 * cristae
    # outer membrane, the gap, inner membrane
    body -= 52 * np.exp(-(((depth - 1.2) / 1.3) ** 2)) + 30 * np.exp(-(((depth - 5.0) / 1.2) ** 2))
    body += 16 * np.exp(-(((depth - 3.2) / 0.9) ** 2))
    return np.asarray(grey + _step(depth, 0.9) * (body - grey), np.float32)


def _step(distance: Any, softness: float) -> FloatArray:
    """Return 0 below and 1 above a border, with a smooth edge about `softness` px wide to each side."""
    t = np.clip(0.5 + 0.5 * distance / softness, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _softmin(a: FloatArray, b: FloatArray, width: float) -> FloatArray:
    """Return the smaller of two distances, rounded where they are within `width` of each other."""
    blend = np.maximum(width - np.abs(a - b), 0) / width
    return np.asarray(np.minimum(a, b) - blend * blend * width / 4, np.float32)


def _doubled(values: np.ndarray[Any, Any]) -> FloatArray:
    """Interpolate from every second pixel (the first lies one before the block) to every pixel."""
    rows = np.empty((BLOCK, values.shape[1]), np.float32)
    rows[0::2] = 0.5 * (values[: BLOCK // 2] + values[1 : BLOCK // 2 + 1])
    rows[1::2] = values[1 : BLOCK // 2 + 1]
    out = np.empty((BLOCK, BLOCK), np.float32)
    out[:, 0::2] = 0.5 * (rows[:, : BLOCK // 2] + rows[:, 1 : BLOCK // 2 + 1])
    out[:, 1::2] = rows[:, 1 : BLOCK // 2 + 1]
    return out
