"""Chunked volumes in a bucket of Google Cloud, read through its protocol from an emulator on this machine.

The emulator knows neither parts of files nor the headers that tensorstore asks for before it trusts what it
keeps: sharded Zarr 3 and Neuroglancer precomputed cannot be read from it.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pytest
from tests.volume.served import FORMATS, array_of

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import open_volume
from napari_dense_ssl.volume.stores import context

server = pytest.importorskip("gcp_storage_emulator.server", reason="the extra test is not installed")

KNOWN = ("OME-Zarr 0.4", "OME-Zarr 0.5", "Zarr 2", "N5")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket with a volume in each format, and the environment that leads to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = server.create_server("127.0.0.1", port, in_memory=True, default_bucket="volumes")
    running.start()
    folder = tmp_path_factory.mktemp("volumes")
    for name in KNOWN:
        FORMATS[name](folder / name, array_of())
    to = http.client.HTTPConnection("127.0.0.1", port)
    for file in (path for path in folder.rglob("*") if path.is_file()):
        key = quote(str(file.relative_to(folder)), safe="")
        to.request("POST", f"/upload/storage/v1/b/volumes/o?uploadType=media&name={key}", file.read_bytes())
        assert to.getresponse().read()
    to.close()
    context.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENSORSTORE_GCS_HTTP_URL", f"http://127.0.0.1:{port}")
        patch.setenv("GCE_METADATA_ROOT", "127.0.0.1:1")  # this machine is none of Google's
        yield "gs://volumes"
    running.stop()
    context.cache_clear()


@pytest.mark.parametrize("form", KNOWN)
def test_volumes_in_a_google_bucket_are_those_that_were_put_there(bucket: str, form: str) -> None:
    volume, array = open_volume(f"{bucket}/{form}"), array_of()
    assert volume.format == form
    assert volume.shape == array.shape
    assert tuple(volume.voxel_size) == (40, 8, 8)
    box = Box((1, 3, 5), (7, 30, 41))
    assert np.array_equal(volume.read(box), array[1:7, 3:30, 5:41])


def test_what_is_not_in_the_bucket_is_said(bucket: str) -> None:
    with pytest.raises(VolumeError, match=r"At gs://volumes/nothing there is no Zarr"):
        open_volume(f"{bucket}/nothing")
