"""Random fields that are pure functions of seed and position: any part of them can be computed alone.

Lattice points get random numbers from a hash of their coordinates; smooth fields are cubic B-splines
through them (value noise, twice continuously differentiable).
"""

from __future__ import annotations

from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float32]]
RealArray = np.ndarray[Any, np.dtype[Any]]
IntArray = np.ndarray[Any, np.dtype[np.uint64]]

# The mean sum of squared B-spline weights along an axis is 151 / 315: this makes the variance 1.
_UNIT = (315 / 151) ** 0.5
_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5)


def hashed(seed: int, *coordinates: Any) -> IntArray:
    """Return 64 random bits for each point (integers that broadcast together); splitmix64's finaliser.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    state = np.array(seed * _MULTIPLIERS[0] % 2**64, np.uint64)
    with np.errstate(over="ignore"):
        for coordinate, multiplier in zip(coordinates, _MULTIPLIERS[1:], strict=False):
            state = (state ^ np.asarray(coordinate, np.int64).astype(np.uint64)) * np.uint64(multiplier)
            state = state ^ (state >> np.uint64(29))
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(state ^ (state >> np.uint64(31)))


def uniform(seed: int, *coordinates: Any) -> FloatArray:
    """Return a number in [0, 1) for each point."""
    return np.asarray((hashed(seed, *coordinates) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24))


def normal(seed: int, *coordinates: Any) -> FloatArray:
    """Return a nearly Gaussian number (a sum of four uniform ones) for each point; mean 0, variance 1."""
    bits = hashed(seed, *coordinates)
    total = sum(
        (bits >> np.uint64(shift) & np.uint64(0xFFFF)).astype(np.float32) for shift in (0, 16, 32, 48)
    )
    # four uniform numbers on 0..65535: mean 2 * 65535, variance 4 * 65536² / 12
    return np.asarray((total - np.float32(131070.0)) * np.float32(3.0**0.5 / 65536.0), np.float32)


def smooth(
    seed: int, z: float, y: RealArray, x: RealArray, spacing: tuple[float, float, float]
) -> FloatArray:
    """Return smooth noise on a grid of one plane, mean 0 and variance about 1.

    Parameters
    ----------
    seed : int
        Fields of different seeds are independent.
    z : float
        Position of the plane, voxels.
    y, x : ndarray, shapes ``(Y,)`` and ``(X,)``
        Positions of rows and columns, voxels.
    spacing : tuple of float
        Distance of the lattice points along Z, Y and X, voxels.

    Returns
    -------
    ndarray, shape ``(Y, X)``, float32
    """
    plane, weights_z = _spline(np.array([z / spacing[0]]))
    row, weights_y = _spline(np.asarray(y, np.float64) / spacing[1])
    column, weights_x = _spline(np.asarray(x, np.float64) / spacing[2])
    rows, columns = (np.arange(first.min(), first.max() + 4) for first in (row, column))
    lattice = normal(
        seed, (plane + np.arange(4))[:, None, None], rows[:, None], columns
    )  # (4, rows, columns)
    # Not as products of matrices: their last bits, and so the voxels, would depend on the machine's BLAS.
    flat = sum(weights_z[0, k] * lattice[k] for k in range(4))
    along = sum(weights_y[:, k, None] * flat[row - rows[0] + k] for k in range(4))  # (Y, columns)
    across = sum(weights_x[:, k] * along.take(column - columns[0] + k, axis=1) for k in range(4))  # (Y, X)
    return np.asarray(across * np.float32(_UNIT**3), np.float32)


def smooth_line(seed: int, z: float, spacing: float, *coordinates: Any) -> FloatArray:
    """Return, for each point of a lattice, a number that changes smoothly along Z; variance about 1."""
    plane, weights = _spline(np.array([z / spacing]))
    total = sum(weights[0, k] * normal(seed, plane[0] + k, *coordinates) for k in range(4))
    return np.asarray(total * np.float32(_UNIT), np.float32)


def _spline(positions: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, np.dtype[np.int64]], FloatArray]:
    """Return the first of the four lattice points around each position, and their weights."""
    first = np.floor(positions).astype(np.int64) - 1
    distance = np.abs((positions - first)[:, None] - np.arange(4))
    near, far = 2 / 3 - distance**2 + distance**3 / 2, (2 - distance) ** 3 / 6
    return first, np.where(distance < 1, near, far).astype(np.float32)
