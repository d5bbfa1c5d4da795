"""Readers of digits: every form that MNIST comes in, and what is no digits at all."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.playground.digits import read_digits
from napari_dense_ssl.playground.digits.data import BUNDLED_TEST, read_idx

RNG = np.random.default_rng(0)
PARTS = {
    "x_train": RNG.integers(0, 256, (120, 9, 10), np.uint8),
    "y_train": RNG.integers(0, 10, 120).astype(np.uint8),
    "x_test": RNG.integers(0, 256, (7, 9, 10), np.uint8),
    "y_test": RNG.integers(0, 10, 7).astype(np.uint8),
}
NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_idx(folder, compressed=()) -> None:
    for part, name in NAMES.items():
        data = idx(PARTS[part])
        if part in compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)


def same(digits) -> None:
    np.testing.assert_array_equal(digits.fit, PARTS["x_train"])
    np.testing.assert_array_equal(digits.fit_labels, PARTS["y_train"])
    np.testing.assert_array_equal(digits.test, PARTS["x_test"])
    np.testing.assert_array_equal(digits.test_labels, PARTS["y_test"])
    assert digits.fit.dtype == np.uint8
    assert digits.fit_labels.dtype == np.int64


@pytest.mark.parametrize("compressed", [(), tuple(NAMES), ("x_train", "y_test")])
def test_idx_files_compressed_or_not(tmp_path, compressed) -> None:
    write_idx(tmp_path, compressed)
    same(read_digits(tmp_path))


def test_one_of_the_idx_files_stands_for_its_folder(tmp_path) -> None:
    write_idx(tmp_path)
    same(read_digits(tmp_path / NAMES["y_test"]))


def test_npz_and_a_folder_that_holds_one(tmp_path) -> None:
    np.savez_compressed(tmp_path / "mnist.npz", **PARTS)
    same(read_digits(tmp_path / "mnist.npz"))
    same(read_digits(str(tmp_path)))


def test_shares_of_grey_channels_and_label_columns(tmp_path) -> None:
    other = {
        "x_train": PARTS["x_train"][:, None] / np.float32(255),
        "y_train": PARTS["y_train"][:, None],
        "x_test": PARTS["x_test"][..., None] / np.float32(255),
        "y_test": PARTS["y_test"].astype(np.int32),
    }
    np.savez(tmp_path / "other.npz", **other)
    same(read_digits(tmp_path / "other.npz"))


def test_big_endian_numbers_of_more_bytes(tmp_path) -> None:
    values = np.array([[1, -2], [300, 4]], ">i2")
    (tmp_path / "a").write_bytes(struct.pack(">HBBII", 0, 0x0B, 2, 2, 2) + values.tobytes())
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), values)


def test_bundled_digits_need_no_file() -> None:
    digits = read_digits()
    assert digits.fit.shape == (1797 - BUNDLED_TEST, 8, 8)
    assert digits.test.shape == (BUNDLED_TEST, 8, 8)
    assert digits.fit.max() == 255
    assert set(digits.test_labels) == set(range(10))


def test_validation_leaves_the_test_images_out() -> None:
    digits = read_digits()
    inner = digits.validation(300)
    np.testing.assert_array_equal(inner.test, digits.fit[-300:])
    np.testing.assert_array_equal(inner.fit, digits.fit[:-300])
    with pytest.raises(VolumeError, match="at least 100"):
        digits.validation(1250)


def damaged(folder, what: str):
    """Write something that is no set of digits; return its path."""
    path = folder / "bad.npz"
    match what:
        case "nothing there":
            return folder / "absent"
        case "empty folder":
            (folder / "empty").mkdir()
            return folder / "empty"
        case "text":
            (folder / "notes.txt").write_text("seven")
            return folder / "notes.txt"
        case "no zip":
            path.write_bytes(b"PK\x03\x04 and then nothing")
        case "empty npz":
            path.write_bytes(b"")
        case "other names":
            np.savez(path, images=PARTS["x_train"])
        case "objects":
            np.savez(path, **PARTS | {"y_test": np.array([{}] * 7, object)})
        case "labels of other length":
            np.savez(path, **PARTS | {"y_test": PARTS["y_test"][:-1]})
        case "fractions as labels":
            np.savez(path, **PARTS | {"y_train": PARTS["y_train"] + 0.5})
        case "not a number":
            np.savez(path, **PARTS | {"x_test": np.full((7, 9, 10), np.nan)})
        case "words as images":
            np.savez(path, **PARTS | {"x_test": np.full((7, 9, 10), "grey")})
        case "two sizes":
            np.savez(path, **PARTS | {"x_test": PARTS["x_test"][:, 1:]})
        case "few":
            np.savez(path, **PARTS | {"x_train": PARTS["x_train"][:9], "y_train": PARTS["y_train"][:9]})
        case "truncated idx" | "cut gzip" | "no idx" | "one file missing":
            write_idx(folder, NAMES if what == "cut gzip" else ())
            first = folder / (NAMES["x_train"] + (".gz" if what == "cut gzip" else ""))
            if what == "one file missing":
                first.unlink()
            else:
                first.write_bytes(b"GIF89a" if what == "no idx" else first.read_bytes()[:-100])
            return folder
    return path


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("nothing there", "There is no"),
        ("empty folder", "lacks the IDX file of train images and train labels"),
        ("text", "no known kind"),
        ("no zip", "cannot be read"),
        ("empty npz", "cannot be read"),
        ("other names", "holds images; expected"),
        ("objects", "cannot be read"),
        ("labels of other length", r"labels of shape \(6,\)"),
        ("fractions as labels", "labels of float64"),
        ("not a number", "0 to 255 or 0 to 1"),
        ("words as images", "0 to 255 or 0 to 1"),
        ("two sizes", "9 × 10 px and test images of 8 × 10 px"),
        ("few", "9 training and 7 test images"),
        ("truncated idx", "10,700 bytes where its header of 120 × 9 × 10 asks for 10,800"),
        ("cut gzip", "cannot be read"),
        ("no idx", "is no IDX file"),
        ("one file missing", "lacks the IDX file of train images;"),
    ],
)
def test_what_is_no_digits_is_told_in_a_sentence(tmp_path, what, says) -> None:
    with pytest.raises(VolumeError, match=says) as told:
        read_digits(damaged(tmp_path, what))
    assert str(told.value).endswith(".")
    assert "\n" not in str(told.value)
