"""Digits from files: IDX as MNIST is published in, npz, a folder of these, or scikit-learn's own 8 × 8 ones.

Nothing is downloaded. Begin with :func:`read_digits`.
"""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import VolumeError

BUNDLED_TEST = 500
"""How many of the bundled digits, the last ones, are for the test: other people wrote most of them."""

_EXPECTED = (
    "expected MNIST-like digits: an .npz with x_train, y_train, x_test, y_test, or a folder with the four "
    "IDX files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
    "t10k-labels-idx1-ubyte (.gz or not)"
)
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IDX_PARTS = {
    "x_train": ("train", "images"),
    "y_train": ("train", "labels"),
    "x_test": ("t10k", "images"),
    "y_test": ("t10k", "labels"),
}
_IDX_WORDS = {"train": ("train",), "t10k": ("t10k", "test")}


@dataclass(frozen=True)
class Digits:
    """Images of digits with their labels, in the split that they are published in.

    Attributes
    ----------
    fit, test : ndarray, shape (N, Y, X), uint8
        Grey values, strokes bright.
    fit_labels, test_labels : ndarray, shape (N,), int64
        For the figures only: no training reads them.
    name : str
        Where they came from.
    """

    fit: NDArray[np.uint8]
    fit_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    name: str

    def __post_init__(self) -> None:
        """Check what a file may hold wrongly.

        Raises
        ------
        VolumeError
            If shapes do not match, or there is too little to learn from.
        """
        for what, images, labels in (
            ("training", self.fit, self.fit_labels),
            ("test", self.test, self.test_labels),
        ):
            if images.ndim != 3 or labels.shape != images.shape[:1]:
                raise VolumeError(
                    f"{self.name} has {what} images of shape {images.shape} and labels of shape "
                    f"{labels.shape}; expected (N, Y, X) and (N,)."
                )
        if self.fit.shape[1:] != self.test.shape[1:]:
            raise VolumeError(
                f"{self.name} has training images of {_size(self.fit)} and test images of "
                f"{_size(self.test)}; expected one size."
            )
        if len(self.fit) < 100 or len(self.test) < 1 or min(self.fit.shape[1:]) < 8:
            raise VolumeError(
                f"{self.name} has {len(self.fit)} training and {len(self.test)} test images of "
                f"{_size(self.fit)}; expected at least 100 and 1, of 8 × 8 px or more."
            )

    def validation(self, count: int) -> Digits:
        """Return the training images alone, the last `count` of them in place of the test images.

        Settings are chosen on these, so that the test images are looked at once, at the end.

        Raises
        ------
        VolumeError
            If that leaves fewer than 100 to learn from.
        """
        return Digits(
            self.fit[:-count],
            self.fit_labels[:-count],
            self.fit[-count:],
            self.fit_labels[-count:],
            f"{self.name}, last {count} of the training images",
        )


def read_digits(source: str | Path | None = None) -> Digits:
    """Read digits.

    Parameters
    ----------
    source : str or Path, optional
        An ``.npz`` with ``x_train``, ``y_train``, ``x_test``, ``y_test``; a folder that holds one, or the
        four IDX files of MNIST (http://yann.lecun.com/exdb/mnist), compressed or not; or one of these four.
        None: scikit-learn's 1,797 digits of 8 × 8 px, the last 500 for the test.

    Raises
    ------
    VolumeError
        If there is nothing there, or something else, or it is damaged.
    """
    if source is None or not str(source).strip():
        return _bundled()
    path = Path(source).expanduser()
    if not path.exists():
        raise VolumeError(f"There is no {path}; {_EXPECTED}.")
    try:
        if path.is_dir():
            return _from_folder(path)
        if path.suffix.lower() == ".npz":
            return _from_npz(path)
        if _is_idx(path):
            return _from_folder(path.parent)
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, struct.error) as error:
        raise VolumeError(f"{path} cannot be read ({error or type(error).__name__}); {_EXPECTED}.") from error
    raise VolumeError(f"{path} is of no known kind; {_EXPECTED}.")


def read_idx(path: Path) -> NDArray[Any]:
    """Return the array of an IDX file, compressed with gzip or not.

    The format: two zero bytes, a byte for the type, one for the number of axes, their sizes as big-endian
    32-bit numbers, the values (http://yann.lecun.com/exdb/mnist).

    Raises
    ------
    VolumeError
        If it is no IDX file, or is shorter or longer than it says.
    """
    raw = path.read_bytes()
    data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_TYPES or len(data) < 4 + 4 * data[3]:
        raise VolumeError(f"{path} is no IDX file; {_EXPECTED}.")
    axes = data[3]
    shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    dtype = np.dtype(_IDX_TYPES[data[2]])
    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    body = data[4 + 4 * axes :]
    if len(body) != expected:
        raise VolumeError(
            f"{path} holds {len(body):,} bytes where its header of {' × '.join(map(str, shape))} asks for "
            f"{expected:,}; expected a whole file, copy it anew."
        )
    return np.frombuffer(body, dtype).reshape(shape)


def _bundled() -> Digits:
    from sklearn.datasets import load_digits  # takes a second to import

    data = load_digits()
    images = np.round(data.images * (255 / 16)).astype(np.uint8)
    labels = data.target.astype(np.int64)
    cut = len(images) - BUNDLED_TEST
    return Digits(images[:cut], labels[:cut], images[cut:], labels[cut:], "scikit-learn's digits")


def _from_npz(path: Path) -> Digits:
    with path.open("rb") as raw:  # numpy leaves a file open that it cannot read
        file = np.load(raw, allow_pickle=False)
        names = list(file) if isinstance(file, np.lib.npyio.NpzFile) else []
        if not set(_IDX_PARTS) <= set(names):
            raise VolumeError(f"{path} holds {', '.join(names) or 'nothing of that kind'}; {_EXPECTED}.")
        return _made({name: file[name] for name in _IDX_PARTS}, str(path))


def _from_folder(folder: Path) -> Digits:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    found = {name: next((f for f in files if _plays(f, name)), None) for name in _IDX_PARTS}
    if all(found.values()):
        return _made({name: read_idx(file) for name, file in found.items() if file is not None}, str(folder))
    archives = [file for file in files if file.suffix.lower() == ".npz"]
    if len(archives) == 1:
        return _from_npz(archives[0])
    missing = " and ".join(" ".join(_IDX_PARTS[name]) for name, file in found.items() if file is None)
    many = f"{len(archives)} .npz files" if archives else "no .npz file"
    raise VolumeError(f"{folder} holds {many} and lacks the IDX file of {missing}; {_EXPECTED}.")


def _is_idx(path: Path) -> bool:
    return any(_plays(path, name) for name in _IDX_PARTS)


def _plays(path: Path, part: str) -> bool:
    """Whether a file is, by its name, the given one of the four; mirrors write idx3-ubyte or idx3.ubyte."""
    which, what = _IDX_PARTS[part]
    name = path.name.lower()
    return "idx" in name and what in name and any(name.startswith(word) for word in _IDX_WORDS[which])


def _made(parts: dict[str, NDArray[Any]], name: str) -> Digits:
    return Digits(
        _images(parts["x_train"], name),
        _labels(parts["y_train"], name),
        _images(parts["x_test"], name),
        _labels(parts["y_test"], name),
        name,
    )


def _images(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if values.ndim == 4 and 1 in (values.shape[1], values.shape[-1]):  # a channel axis of one
        values = values[:, 0] if values.shape[1] == 1 else values[..., 0]
    if values.dtype == np.uint8:
        return values
    numbers = values.astype(np.float64) if values.dtype.kind in "biuf" else np.full(1, np.nan)
    if not np.isfinite(numbers).all() or numbers.size == 0 or numbers.min() < 0 or numbers.max() > 255:
        raise VolumeError(
            f"{name} has images of {values.dtype} with other than grey values; expected 0 to 255 or 0 to 1."
        )
    if numbers.max() <= 1:
        numbers = numbers * 255
    return np.round(numbers).astype(np.uint8)


def _labels(values: NDArray[Any], name: str) -> NDArray[np.int64]:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind not in "iu" or (values.size and (values.min() < 0 or values.max() > 255)):
        raise VolumeError(f"{name} has labels of {values.dtype}; expected whole numbers from 0 to 255.")
    return values.astype(np.int64)


def _size(images: NDArray[Any]) -> str:
    return " × ".join(str(edge) for edge in images.shape[1:]) + " px"
