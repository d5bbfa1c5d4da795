"""Written OME-Zarr: valid, read by others, resumable, never over somebody's data."""

import errno
import os

import dask.array as da
import numpy as np
import ome_zarr_models
import pytest
import zarr
from ome_zarr_models.v04.image import Image as ImageV04
from ome_zarr_models.v05.image import Image as ImageV05

from napari_dense_ssl.core.errors import OutputError, RegionError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import Volume, create_output, open_output, open_volume, write_volume
from napari_dense_ssl.volume.manifest import Manifest

pytestmark = [
    # napari 0.9 on pydantic 2
    pytest.mark.filterwarnings("ignore:`json_encoders` is deprecated"),
]
SHAPE = (3, 600, 700)


@pytest.fixture
def source():
    return Volume.from_arrays(
        [np.zeros(SHAPE, np.uint8)], voxel_size=(50, 5, 4), translation=(100, 10, 20), source="sample:em"
    )


def make(path, source, **options):
    return create_output(path, source, provenance={"run": "RUN", "seed": 1}, **options)


def layers(path):
    from napari_ome_zarr._reader import napari_get_reader

    return list(napari_get_reader(str(path))(str(path)))


@pytest.mark.parametrize(("version", "model"), [("0.5", ImageV05), ("0.4", ImageV04)])
def test_output_is_valid_and_read_by_others(tmp_path, source, version, model):
    path = tmp_path / "out.zarr"
    output = make(path, source, version=version, embedding=4, chunk=(1, 256, 256))
    error = np.random.default_rng(0).random((1, 256, 256)).astype(np.float16)
    output.write("image", Box((1, 0, 0), (2, 256, 256)), error)
    output.write("classes", Box((1, 0, 0), (2, 256, 256)), np.full((1, 256, 256), 7, np.uint8))
    output.write("embedding", Box((1, 0, 0), (2, 256, 256)), np.ones((4, 1, 256, 256)))
    output.complete()

    group = zarr.open_group(str(path), mode="r")
    assert group.metadata.zarr_format == (3 if version == "0.5" else 2)
    image = ome_zarr_models.open_ome_zarr(group)
    assert isinstance(image, model)
    model.from_zarr(group)
    assert image.labels is not None
    for child in ("labels/classes", "embedding"):
        assert ome_zarr_models.open_ome_zarr(group[child]) is not None

    read = layers(path)
    assert [layer[2] for layer in read] == ["image", "labels"]
    for levels, metadata, _ in read:
        assert [level.shape for level in levels] == [SHAPE, (3, 300, 350)]
        assert tuple(metadata["scale"]) == (50, 5, 4)
        assert tuple(metadata["units"]) == ("nanometer",) * 3
        assert tuple(metadata["axis_labels"]) == ("z", "y", "x")
    np.testing.assert_array_equal(np.asarray(read[0][0][0][1, :256, :256]), error[0])
    assert np.asarray(read[1][0][1][1]).sum() == 7 * 128 * 128

    ours = open_volume(path)
    assert ours.voxel_size == (50, 5, 4)
    assert ours.voxel_size_known
    assert ours.translation == (100, 10, 20)
    assert ours.factors == ((1, 1, 1), (1, 2, 2))
    classes = open_volume(path, dataset="labels/classes")
    assert classes.dtype == np.uint8
    assert classes.read(Box((1, 0, 0), (2, 256, 256))).min() == 7


def test_coarse_voxels_lie_between_the_fine_ones(tmp_path, source):
    path = tmp_path / "out.zarr"
    make(path, source).complete()
    attributes = zarr.open_group(str(path), mode="r").attrs["ome"]
    fine, coarse = attributes["multiscales"][0]["datasets"]
    assert fine["coordinateTransformations"][1]["translation"] == [100, 10, 20]
    assert coarse["coordinateTransformations"][0]["scale"] == [50, 10, 8]
    # halfway between the centres of voxels 0 and 1
    assert coarse["coordinateTransformations"][1]["translation"] == [100, 12.5, 22]


def test_what_was_never_predicted_is_never_written(tmp_path, source):
    path = tmp_path / "out.zarr"
    output = make(path, source, chunk=(1, 256, 256))
    output.write("classes", Box((0, 0, 0), (1, 256, 256)), np.ones((1, 256, 256), np.uint8))
    output.complete()
    # level 0 and the chunk of level 1 that lies over it
    assert len([p for p in (path / "labels/classes").rglob("c/*/*/*") if p.is_file()]) == 2
    assert not [p for p in (path / "0").rglob("c/*/*/*") if p.is_file()]


def test_output_goes_on_where_it_stopped(tmp_path, source):
    path = tmp_path / "out.zarr"
    output = make(path, source)
    assert output.finished() == set()
    output.mark("0/0/0")
    output.mark("0/0/1")
    output.write("image", Box((0, 0, 0), (1, 512, 512)), np.full((1, 512, 512), 0.5))
    again = open_output(path)
    assert again.finished() == {"0/0/0", "0/0/1"}
    assert again.provenance == {"run": "RUN", "seed": 1}
    assert again.image_name == "error"
    assert again.labels == ("classes",)
    assert again.embedding is None
    assert again.image[0, 5, 5] == 0.5
    assert not again.is_complete
    again.complete()
    again.complete()
    assert open_output(path).is_complete


def test_interrupted_pyramid_is_built_again(tmp_path, source, monkeypatch):
    path = tmp_path / "out.zarr"
    output = make(path, source)
    output.write("image", Box((0, 0, 0), (1, 512, 512)), np.full((1, 512, 512), 0.5))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("napari_dense_ssl.volume.multiscale.fill_level", full)
        with pytest.raises(OutputError, match=r"no space left .* resume"):
            output.complete()
    assert not open_output(path).is_complete
    open_output(path).complete()
    assert open_volume(path).levels[1][0, 0, 0].compute() == 0.5


def test_completing_can_be_left_and_gone_on_with(tmp_path, source):
    output = make(tmp_path / "out.zarr", source, chunk=(1, 256, 256))
    output.write("image", Box.whole(SHAPE), np.full(SHAPE, 0.5))
    output.write("classes", Box((1, 0, 0), (2, 256, 256)), np.full((1, 256, 256), 7))
    job = output.completing()
    assert next(job) == (1, 13)  # 3 × 2 × 2 chunks of the image's level 1, and one of the classes'
    job.close()
    assert not output.is_complete
    assert [done for done, _ in output.completing()] == list(range(1, 14))
    assert output.is_complete
    assert list(output.completing()) == []


def test_a_small_part_of_a_huge_output_is_completed_at_once(tmp_path):
    huge = da.zeros((20_000, 20_480, 20_480), dtype="u1", chunks=(64, 2048, 2048))
    source = Volume.from_arrays([huge], voxel_size=(8, 8, 8), source="8 TB")
    output = make(tmp_path / "out.zarr", source)
    box = Box((6976, 8192, 4096), (7040, 8704, 4608))
    output.write("classes", box, np.full((64, 512, 512), 7))
    assert list(output.completing())[-1] == (63, 63)  # 32, 16, 8, 4, 2 and 1 chunks of the coarser levels
    volume = open_volume(tmp_path / "out.zarr", dataset="labels/classes")
    assert volume.read(Box((3500, 4096, 2048), (3501, 4352, 2304)), level=1).all()


def test_manifest_drops_a_torn_line(tmp_path):
    path = tmp_path / "finished.txt"
    path.write_bytes(b"a\nb\nhalf")
    manifest = Manifest(path)
    assert manifest.keys() == {"a", "b"}
    manifest.add("c")
    assert path.read_bytes() == b"a\nb\nc\n"
    assert Manifest(path).keys() == {"a", "b", "c"}
    path.write_bytes(b"half")
    assert Manifest(path).keys() == set()
    assert path.read_bytes() == b""
    for wrong in ("", "two\nlines"):
        with pytest.raises(ValueError, match="one line"):
            manifest.add(wrong)


def test_manifest_is_synced_before_it_is_believed(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    manifest = Manifest(tmp_path / "finished.txt")
    manifest.add("a")
    assert len(synced) == 1

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space left"):
        manifest.add("b")
    assert manifest.keys() == {"a"}


def test_manifest_does_not_disturb_zarr(tmp_path, source):
    output = make(tmp_path / "out.zarr", source)
    output.mark("0/0/0")
    group = zarr.open_group(str(output.path), mode="r")
    assert sorted(name for name, _ in group.members(max_depth=None)) == [
        "0",
        "labels",
        "labels/classes",
        "labels/classes/0",
    ]


def test_existing_output_is_kept_unless_it_is_ours_and_may_go(tmp_path, source):
    path = tmp_path / "out.zarr"
    make(path, source).mark("x")
    with pytest.raises(OutputError, match="exists already"):
        make(path, source)
    assert open_output(path).finished() == {"x"}
    assert make(path, source, overwrite=True).finished() == set()
    foreign = tmp_path / "photos"
    foreign.mkdir()
    (foreign / "holiday.jpg").write_bytes(b"jpg")
    with pytest.raises(OutputError, match="not written by this program"):
        make(foreign, source, overwrite=True)
    assert (foreign / "holiday.jpg").exists()


def test_input_is_never_touched(tmp_path):
    path = tmp_path / "in.zarr"
    write_volume(path, np.ones((2, 20, 20), np.uint8), (50, 5, 5))
    volume = open_volume(path)
    with pytest.raises(OutputError, match="is the input itself"):
        make(path, volume, overwrite=True)
    with pytest.raises(OutputError, match="lies inside the input"):
        make(path / "prediction.zarr", volume)
    link = tmp_path / "link.zarr"
    link.symlink_to(path)
    with pytest.raises(OutputError, match="is the input itself"):
        make(link, volume, overwrite=True)
    assert open_volume(path).read(Box.whole((2, 20, 20))).all()


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EACCES, "may not write"),
        (errno.EROFS, "may not write"),
        (errno.EIO, "cannot be written"),
    ],
)
def test_trouble_with_the_disk_is_explained(tmp_path, source, monkeypatch, number, what):
    output = make(tmp_path / "out.zarr", source)

    async def refuse(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(zarr.storage.LocalStore, "set", refuse)
    with pytest.raises(OutputError, match=what):
        output.write("image", Box((0, 0, 0), (1, 512, 512)), np.ones((1, 512, 512)))
    with pytest.raises(OutputError, match=what):
        make(tmp_path / "other.zarr", source)


def test_output_under_a_file_is_refused(tmp_path, source):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        make(tmp_path / "file" / "out.zarr", source)


def test_only_outputs_are_gone_on_with(tmp_path):
    with pytest.raises(OutputError, match="There is no output"):
        open_output(tmp_path / "none.zarr")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="no output of this program"):
        open_output(tmp_path / "folder")
    exported = write_volume(tmp_path / "v.zarr", np.ones((2, 20, 20), np.uint8), None)
    with pytest.raises(OutputError, match="not a prediction"):
        open_output(exported)


def test_wrong_names_and_boxes(tmp_path, source):
    output = make(tmp_path / "out.zarr", source)
    values = np.ones((1, 5, 5))
    with pytest.raises(OutputError, match="no labels 'nuclei'"):
        output.write("nuclei", Box((0, 0, 0), (1, 5, 5)), values)
    with pytest.raises(OutputError, match="no embedding"):
        output.write("embedding", Box((0, 0, 0), (1, 5, 5)), values)
    with pytest.raises(RegionError):
        output.write("image", Box((0, 0, 0), (9, 5, 5)), values)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("labels", [False, True])
def test_any_stack_is_written_and_read_back(tmp_path, labels, version):
    array = np.random.default_rng(0).integers(0, 9, (3, 530, 40)).astype(np.uint16)
    path = write_volume(
        tmp_path / "v.zarr", array, (50, 5, 4), (1, 2, 3), labels=labels, version=version, chunk=(2, 64, 64)
    )
    volume = open_volume(path)
    np.testing.assert_array_equal(np.asarray(volume.data), array)
    assert volume.voxel_size == (50, 5, 4)
    assert volume.translation == (1, 2, 3)
    assert volume.levels[1].shape == (3, 265, 20)
    assert ome_zarr_models.open_ome_zarr(zarr.open_group(str(path), mode="r")) is not None
    (layer,) = layers(path)
    assert layer[2] == ("labels" if labels else "image")


def test_blocks_of_a_lazy_input_are_computed_once(tmp_path):
    computed = []

    def block(block_info=None):
        computed.append(block_info[None]["chunk-location"])
        return np.ones((4, 32, 40), np.uint8)

    # dask calls the function once on its own to learn the dtype unless it is told
    lazy = da.map_blocks(
        block, chunks=((4, 4), (32, 32), (40,)), dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)
    )
    path = write_volume(tmp_path / "v.zarr", lazy, (50, 5, 5), chunk=(1, 16, 16))
    assert sorted(computed) == [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)]
    assert open_volume(path).read(Box.whole((8, 64, 40))).all()


def test_unknown_voxel_size_stays_unknown(tmp_path):
    path = write_volume(tmp_path / "v.zarr", np.ones((2, 20, 20), np.float32), None)
    assert not open_volume(path).voxel_size_known
    output = make(tmp_path / "out.zarr", open_volume(path))
    output.complete()
    assert not open_volume(output.path).voxel_size_known


@pytest.mark.parametrize(
    ("array", "labels"),
    [(np.zeros((4, 4)), False), (np.zeros((2, 4, 4), complex), False), (np.zeros((2, 4, 4)), True)],
)
def test_what_cannot_be_written_is_refused(tmp_path, array, labels):
    with pytest.raises(OutputError, match="cannot be written"):
        write_volume(tmp_path / "v.zarr", array, None, labels=labels)
    assert not (tmp_path / "v.zarr").exists()
