"""What is found at a path, without a window."""

from __future__ import annotations

import numpy as np
import tifffile

from napari_dense_ssl.core.errors import PlaneChoiceError
from napari_dense_ssl.core.events import Finished, Started
from napari_dense_ssl.gui.looking import Findings, Wish, counted, look
from napari_dense_ssl.volume import write_volume


def test_the_sum_of_a_folder_and_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"4567")
    assert list(counted(str(tmp_path))) == [7]
    assert list(counted(str(tmp_path / "a"))) == [3]
    assert list(counted(str(tmp_path), limit=1)) == []
    assert list(counted("sample:em")) == []


def test_counting_many_files_can_be_stopped(tmp_path):
    for i in range(450):
        (tmp_path / f"{i}").write_bytes(b"12")
    assert list(counted(str(tmp_path))) == [None, None, 900]


def test_facts_come_before_the_sum(tmp_path):
    path = write_volume(tmp_path / "v.zarr", np.ones((2, 20, 20), np.uint8), (50, 5, 5))
    findings = Findings()
    job = look(Wish(str(path)), findings)
    assert isinstance(next(job), Started)
    assert findings.volume.voxel_size == (50, 5, 5)
    assert findings.bytes_on_disk is None
    assert isinstance(list(job)[-1], Finished)
    assert findings.bytes_on_disk == sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def test_what_has_to_be_chosen_first_is_no_failure(tmp_path):
    path = tmp_path / "c.tif"
    tifffile.imwrite(path, np.zeros((3, 2, 32, 32), np.uint8), imagej=True, metadata={"axes": "ZCYX"})
    findings = Findings()
    (event,) = look(Wish(str(path)), findings)
    assert isinstance(event, Finished)
    assert isinstance(findings.error, PlaneChoiceError)
    assert (findings.error.axis, findings.error.count) == ("channel", 2)
    list(look(Wish(str(path), planes={"channel": 1}), findings))
    assert findings.volume.shape == (3, 32, 32)
