"""Chunked volumes over http and S3, read through the real protocols from servers on this machine."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import boto3
import numpy as np
import pytest
import zarr
from moto.server import ThreadedMotoServer
from tests.volume.served import FORMATS, Web, array_of, web

from napari_dense_ssl.core.errors import DatasetChoiceError, VolumeError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import list_datasets, list_labels, open_volume
from napari_dense_ssl.volume.stores import Store, context, explained

PYRAMIDS = [name for name in FORMATS if not name.startswith("Zarr")]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch):
    """Ask busy servers again sooner than people would; and no test finds another's chunks."""
    tries = {"max_retries": 3, "initial_delay": "10ms", "max_delay": "20ms"}
    monkeypatch.setattr("napari_dense_ssl.volume.stores._TRIES", tries)
    context.cache_clear()
    yield
    context.cache_clear()


@pytest.fixture
def site(tmp_path: Path):
    (tmp_path / "www").mkdir()
    with web(tmp_path / "www") as running:
        yield running


@pytest.fixture
def www(tmp_path: Path, site: Web) -> Path:
    return tmp_path / "www"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory):
    """An S3 server with a volume in each format, and the environment that leads to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    folder = tmp_path_factory.mktemp("bucket")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_REGION", "us-east-1")
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        client.create_bucket(Bucket="volumes")
        for name, write in FORMATS.items():
            write(folder / name, array_of())
        for file in folder.rglob("*"):
            if file.is_file():
                client.upload_file(str(file), "volumes", str(file.relative_to(folder)))
        yield "s3://volumes"
    server.stop()


def check(volume, form: str) -> None:
    array = array_of()
    assert volume.format == form
    assert volume.shape == array.shape
    assert volume.chunks == (4, 16, 16)
    assert tuple(volume.voxel_size) == (40, 8, 8)
    assert volume.voxel_size_known
    assert volume.translation == (400, 80, 160)
    box = Box((1, 3, 5), (8, 30, 41))
    np.testing.assert_array_equal(volume.read(box), array[box.slices])
    np.testing.assert_array_equal(np.asarray(volume.data[2, ::-2, 7]), array[2, ::-2, 7])
    if form in PYRAMIDS:
        assert volume.factors == ((1, 1, 1), (1, 2, 2))
        np.testing.assert_array_equal(np.asarray(volume.levels[1]), array[:, ::2, ::2])


@pytest.mark.parametrize("form", FORMATS)
def test_http(www: Path, site: Web, form: str):
    FORMATS[form](www / "volume", array_of())
    volume = open_volume(f"{site.url}/volume/")
    check(volume, form)
    assert volume.source == f"{site.url}/volume"


@pytest.mark.parametrize("form", FORMATS)
def test_s3(bucket: str, form: str):
    check(open_volume(f"{bucket}/{form}"), form)


@pytest.mark.parametrize("form", ["N5", "Neuroglancer precomputed"])
def test_on_this_machine(tmp_path: Path, form: str):
    FORMATS[form](tmp_path / "volume", array_of())
    check(open_volume(tmp_path / "volume"), form)
    check(open_volume((tmp_path / "volume").as_uri()), form)


def test_opening_reads_metadata_and_a_box_its_chunks_once(www: Path, site: Web):
    FORMATS["OME-Zarr 0.5"](www / "volume", array_of())
    volume = open_volume(f"{site.url}/volume")
    assert not [path for path in site.paths if "/c/" in path]
    box = Box((0, 0, 0), (4, 20, 16))
    volume.read(box)
    chunks = [path for path in site.paths if "/c/" in path]
    assert sorted(chunks) == ["/volume/0/c/0/0/0", "/volume/0/c/0/1/0"]
    volume.read(box)
    assert [path for path in site.paths if "/c/" in path] == chunks, "the second time from memory"


def test_labels_of_an_image(www: Path, site: Web):
    for form, name in (("OME-Zarr 0.4", "four"), ("OME-Zarr 0.5", "five")):
        FORMATS[form](www / name, array_of())
        url = f"{site.url}/{name}"
        assert list_labels(url) == ("labels/cells",)
        labels = open_volume(url, dataset="labels/cells")
        assert labels.labels
        np.testing.assert_array_equal(labels.read(Box((0, 0, 0), (2, 5, 5))), array_of()[:2, :5, :5])
        assert list_datasets(url) == ()


def test_a_group_of_several_asks_which(bucket: str, www: Path, site: Web):
    group = zarr.open_group(str(www / "several"), mode="w", zarr_format=2)
    for name in ("left", "right"):
        group.create_array(name, data=array_of(), chunks=(4, 16, 16))
    with pytest.raises(VolumeError, match="give the path of an image in it"):
        open_volume(f"{site.url}/several")  # http cannot list
    zarr.consolidate_metadata(str(www / "several"))
    with pytest.raises(DatasetChoiceError, match="left, right") as caught:
        open_volume(f"{site.url}/several")
    assert caught.value.datasets == ("left", "right")
    assert list_datasets(f"{site.url}/several") == ("left", "right")
    check_box = Box((0, 0, 0), (1, 4, 4))
    volume = open_volume(f"{site.url}/several", dataset="right")
    np.testing.assert_array_equal(volume.read(check_box), array_of()[check_box.slices])


def test_n5_pyramid_in_a_container(www: Path, site: Web):
    FORMATS["N5"](www / "box" / "em" / "fibsem", array_of())
    (www / "box" / "attributes.json").write_text(json.dumps({"n5": "2.0.0"}))
    check(open_volume(f"{site.url}/box", dataset="em/fibsem"), "N5")
    check(open_volume(www / "box"), "N5")  # a folder can be listed: the only one is found
    with pytest.raises(VolumeError, match="give the path of a dataset"):
        open_volume(f"{site.url}/box")


@pytest.mark.parametrize(
    ("answer", "says"),
    [(403, "may not be read with the credentials"), (404, "there is no Zarr"), (503, "try later")],
)
def test_a_server_that_refuses(www: Path, site: Web, answer: int, says: str, monkeypatch):
    FORMATS["OME-Zarr 0.5"](www / "volume", array_of())
    monkeypatch.setitem(site.answers, "/volume", answer)
    with pytest.raises(VolumeError, match=says) as caught:
        open_volume(f"{site.url}/volume")
    assert "\n" not in str(caught.value)


def test_a_busy_server_is_asked_again(www: Path, site: Web):
    FORMATS["OME-Zarr 0.5"](www / "volume", array_of())
    site.answers["/0/c/0/0/0"] = [503, 503, 500]
    volume = open_volume(f"{site.url}/volume")
    box = Box((0, 0, 0), (2, 8, 8))
    np.testing.assert_array_equal(volume.read(box), array_of()[box.slices])
    assert site.paths.count("/volume/0/c/0/0/0") == 4


def test_a_server_that_goes_away(www: Path, site: Web):
    FORMATS["OME-Zarr 0.5"](www / "volume", array_of())
    volume = open_volume(f"{site.url}/volume")
    site.answers["/c/"] = 403
    with pytest.raises(VolumeError, match=r"The voxels 0:2,0:8,0:8 of http.*may not be read"):
        volume.read(Box((0, 0, 0), (2, 8, 8)))


def test_a_store_that_disappears(tmp_path: Path, monkeypatch):
    """Chunks that are missing read as 0 by the format's rules; a volume that is missing must not."""
    monkeypatch.setattr("napari_dense_ssl.volume.tensor_pixels._PATIENCE", 0.0)
    FORMATS["N5"](tmp_path / "volume", array_of())
    volume = open_volume(tmp_path / "volume")
    (tmp_path / "volume" / "s0" / "0" / "0" / "0").unlink()
    assert not volume.read(Box((0, 0, 0), (2, 8, 8))).any()
    shutil.rmtree(tmp_path / "volume")
    with pytest.raises(VolumeError, match="is gone: its metadata can no longer be found"):
        volume.read(Box((4, 0, 0), (5, 8, 8)))


def test_a_damaged_chunk(www: Path, site: Web):
    FORMATS["N5"](www / "volume", array_of())
    (www / "volume" / "s0" / "0" / "0" / "0").write_bytes(b"nothing")
    volume = open_volume(f"{site.url}/volume")
    with pytest.raises(VolumeError, match="damaged"):
        volume.read(Box((0, 0, 0), (2, 8, 8)))


def test_nobody_answers():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(VolumeError, match="does not answer; check the address and the network") as caught:
        open_volume(f"http://127.0.0.1:{port}/a.zarr")
    assert str(caught.value).endswith("Could not connect to server)."), (
        "whole words, and nothing of curl's own"
    )


@pytest.mark.parametrize("url", ["ftp://host/a.zarr", "s3://", "https://name:secret@host/a.zarr"])
def test_addresses_that_cannot_be_read(url: str):
    with pytest.raises(VolumeError) as caught:
        open_volume(url)
    assert "secret" not in str(caught.value)


def test_without_credentials_a_bucket_is_read_as_by_the_public(monkeypatch, tmp_path: Path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Store("s3://open-data/volume").spec()["aws_credentials"] == {"type": "anonymous"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    assert Store("s3://open-data/volume").spec().get("aws_credentials", {}).get("type") != "anonymous"


def test_an_unknown_error_keeps_its_words():
    said = explained(
        "gs://bucket/volume", ValueError("FAILED_PRECONDITION: something odd [source locations=x]")
    )
    assert said == (
        "gs://bucket/volume cannot be read: it is damaged, incomplete or of an unknown kind; check that it"
        " was copied whole (FAILED_PRECONDITION: something odd)."
    )
