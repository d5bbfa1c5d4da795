"""Runs from elsewhere: what comes in whole, and what is refused without a trace."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_dense_ssl.core.errors import OutputError, RunError
from napari_dense_ssl.core.events import Finished, Step
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.predict import predict
from napari_dense_ssl.share import export_model, import_model
from napari_dense_ssl.share.archive import MOST_RATIO
from napari_dense_ssl.volume import open_output, open_volume
from napari_dense_ssl.volume.class_file import read_classes

from .conftest import SOURCE, make_run


def files_of(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def zipped_folder(path: Path, folder: Path, prefix: str = "") -> Path:
    found = [one for one in folder.rglob("*") if one.is_file()]
    return zipped(path, {prefix + one.relative_to(folder).as_posix(): one.read_bytes() for one in found})


def same_network(one: RunFolder, two: RunFolder) -> None:
    first, second = one.load_encoder().state_dict(), two.load_encoder().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert one.fingerprint() == two.fingerprint(), "outputs that were begun there can be gone on with here"


def test_a_package_comes_back_as_the_run_it_was(run, package, tmp_path, last) -> None:
    events = list(import_model(package, tmp_path / "here" / "run"))
    assert isinstance(events[-1], Finished)
    summary = last(events)
    assert summary["kind"] == "package"
    assert (summary["licence"], summary["authors"]) == ("CC-BY-4.0", "Ada Lovelace")
    assert summary["difference"] < 1e-4
    assert [event.index for event in events if isinstance(event, Step)] == list(range(1, 8))
    found = RunFolder.open(tmp_path / "here" / "run")
    same_network(run, found)
    assert found.settings == run.settings
    assert found.voxel_size == run.voxel_size
    assert found.facts["imported"]["from"] == "model.zip"
    assert read_classes(found.path / "classes.json").book.name(0) == "membrane"
    assert "# Dense SSL classes" in (found.path / "README.md").read_text()
    assert [one.name for one in (tmp_path / "here").iterdir()] == ["run"]


def test_an_imported_run_predicts_what_the_first_one_does(run, package, tmp_path) -> None:
    list(import_model(package, tmp_path / "run"))
    volume = open_volume(SOURCE)
    for source, name in ((run.path, "there"), (tmp_path / "run", "here")):
        list(predict(volume, source, tmp_path / f"{name}.zarr", what=("classes",), device="cpu"))
    there, here = (open_output(tmp_path / f"{name}.zarr").label()[:] for name in ("there", "here"))
    np.testing.assert_array_equal(there, here)


@pytest.mark.parametrize("form", ["folder", "zip", "zip with a folder in it", "unpacked package"])
def test_other_forms(form: str, run, package, tmp_path, last) -> None:
    if form == "folder":
        source = run.path
    elif form == "unpacked package":
        source = tmp_path / "unpacked"
        with zipfile.ZipFile(package) as file:
            file.extractall(source)
    else:
        source = zipped_folder(tmp_path / "run.zip", run.path, "runs/a/" if "in it" in form else "")
    summary = last(list(import_model(source, tmp_path / "out")))
    found = RunFolder.open(tmp_path / "out")
    same_network(run, found)
    is_package = form == "unpacked package"
    assert summary["kind"] == ("package" if is_package else "run folder")
    assert (found.latest() / "state").exists() != is_package
    assert found.events.exists() != is_package
    assert (found.path / "classes.json").exists()


def test_an_imported_run_can_be_exported_but_no_path_of_a_strangers_is_opened(package, tmp_path) -> None:
    list(import_model(package, tmp_path / "run"))
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["volume"]["source"] = SOURCE  # stands for a file that lies here
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    list(export_model(tmp_path / "run", tmp_path / "again.zip"))
    assert files_of(tmp_path / "again.zip")["test_input.npy"] != files_of(package)["test_input.npy"]


# -- what is refused ---------------------------------------------------------------------------------


class Evil:
    """A pickle of it would make a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


def is_refused(source: Path, place: Path, match: str, **options: int) -> None:
    out = place / "made" / "for" / "run"
    before = sorted(place.rglob("*"))
    with pytest.raises(RunError, match=match) as refused:
        list(import_model(source, out, **options))
    text = str(refused.value)
    assert str(source.name) in text
    assert text.endswith(".")
    assert "\n" not in text
    assert ".run-" not in text, "speaks of what the user named"
    assert sorted(place.rglob("*")) == before, "nothing is left behind"


def evil_state(run: RunFolder, tmp_path: Path) -> Path:
    """A run folder whose training state is a pickle that would run code, with the checksum that it has."""
    folder = tmp_path / "evil run"
    shutil.copytree(run.path, folder)
    checkpoint = folder / "checkpoints" / "step-7"
    state = pickle.dumps({"step": Evil(tmp_path / "ran")}, protocol=2)
    (checkpoint / "state").write_bytes(state)
    sums = json.loads((checkpoint / "checksums.json").read_text())
    (checkpoint / "checksums.json").write_text(
        json.dumps(sums | {"state": hashlib.sha256(state).hexdigest()})
    )
    return folder


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_pickle_that_would_run_code_is_refused(as_zip: bool, run, tmp_path) -> None:
    folder = evil_state(run, tmp_path)
    source = zipped_folder(tmp_path / "evil.zip", folder) if as_zip else folder
    is_refused(source, tmp_path, "state")
    assert not (tmp_path / "ran").exists()


def test_weights_that_are_a_pickle_are_refused(package, tmp_path) -> None:
    files = files_of(package)
    evil = pickle.dumps(Evil(tmp_path / "ran"))
    sums = json.loads(files["checksums.json"]) | {"weights.safetensors": hashlib.sha256(evil).hexdigest()}
    table = files["rdf.yaml"].decode()
    old = hashlib.sha256(files["weights.safetensors"]).hexdigest()
    assert old in table
    table = table.replace(old, hashlib.sha256(evil).hexdigest())
    new_sums = json.dumps(sums).encode()
    table = table.replace(
        hashlib.sha256(files["checksums.json"]).hexdigest(), hashlib.sha256(new_sums).hexdigest()
    )
    bad = files | {
        "weights.safetensors": evil,
        "checksums.json": new_sums,
        "rdf.yaml": table.encode(),
    }
    is_refused(zipped(tmp_path / "bad.zip", bad), tmp_path, "weights.safetensors")
    assert not (tmp_path / "ran").exists()


def test_a_test_array_that_is_a_pickle_is_refused(package, tmp_path) -> None:
    evil = tmp_path / "evil.npy"
    np.save(evil, np.array([Evil(tmp_path / "ran")], dtype=object), allow_pickle=True)
    files = files_of(package)
    data = evil.read_bytes()
    old, new = (hashlib.sha256(one).hexdigest() for one in (files["test_output.npy"], data))
    table = files["rdf.yaml"].decode().replace(old, new).encode()
    bad = zipped(tmp_path / "bad.zip", files | {"test_output.npy": data, "rdf.yaml": table})
    is_refused(bad, tmp_path, "test_output.npy is no array of numbers")
    assert not (tmp_path / "ran").exists()


NAMES = {
    "parent folder": "../escaped.txt",
    "parent folder inside": "previews/../../escaped.txt",
    "absolute": "/escaped.txt",
    "drive": "C:/escaped.txt",
    "backslashes": "..\\escaped.txt",
}


@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_leads_out_is_refused(case: str, package, tmp_path) -> None:
    bad = zipped(tmp_path / "bad.zip", files_of(package) | {NAMES[case]: b"gotcha"})
    is_refused(bad, tmp_path, "leads out of the folder")
    assert not list(tmp_path.rglob("escaped.txt"))


def test_a_link_in_a_zip_file_is_refused(package, tmp_path) -> None:
    bad = tmp_path / "bad.zip"
    shutil.copy(package, bad)
    link = zipfile.ZipInfo("classes.json.link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(bad, "a") as file:
        file.writestr(link, "/etc/passwd")
    is_refused(bad, tmp_path, "is a link")


def test_a_link_in_a_folder_is_refused(run, tmp_path) -> None:
    folder = tmp_path / "linked"
    shutil.copytree(run.path, folder)
    (tmp_path / "secret.json").write_text("{}")
    (folder / "classes.json").unlink()
    (folder / "classes.json").symlink_to(tmp_path / "secret.json")
    is_refused(folder, tmp_path, "classes.json in it is a link")


def test_bombs_are_refused_before_they_are_unpacked(package, tmp_path) -> None:
    zeros = zipped(tmp_path / "zeros.zip", files_of(package) | {"classes.json": bytes(8 << 20)})
    is_refused(zeros, tmp_path, f"more than {MOST_RATIO} times its size")
    is_refused(package, tmp_path, "more than 20000", limit=20_000)


def test_a_size_that_lies_is_noticed(package, tmp_path) -> None:
    data = bytearray(package.read_bytes())
    with zipfile.ZipFile(package) as file:
        size = file.getinfo("weights.safetensors").file_size
    central = data.rindex(b"weights.safetensors") - 46
    assert data[central : central + 4] == b"PK\x01\x02"
    assert int.from_bytes(data[central + 24 : central + 28], "little") == size
    data[central + 24 : central + 28] = (size // 2).to_bytes(4, "little")
    (tmp_path / "lies.zip").write_bytes(data)
    is_refused(tmp_path / "lies.zip", tmp_path, "damaged|checksum")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_package_that_was_cut_off_is_refused(share: float, package, tmp_path) -> None:
    data = package.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: int(share * len(data))])
    is_refused(tmp_path / "cut.zip", tmp_path, "cut off")


def test_a_byte_that_changed_is_noticed(package, tmp_path) -> None:
    data = bytearray(package.read_bytes())
    place = data.index(b"weights.safetensors") + 400
    data[place] ^= 0xFF
    (tmp_path / "changed.zip").write_bytes(data)
    is_refused(tmp_path / "changed.zip", tmp_path, "damaged")


@pytest.mark.parametrize("name", ["weights.safetensors", "run.json", "settings.yaml", "test_input.npy"])
def test_a_file_that_was_changed_is_noticed(name: str, package, tmp_path) -> None:
    files = files_of(package)
    changed = bytearray(files[name])
    changed[-2] ^= 0x01
    is_refused(
        zipped(tmp_path / "bad.zip", files | {name: bytes(changed)}), tmp_path, f"{name} has another checksum"
    )


def test_weights_that_do_not_give_the_test_output_are_refused(package, tmp_path) -> None:
    files = files_of(package)
    logits = np.load(io.BytesIO(files["test_output.npy"]))
    memory = io.BytesIO()
    np.save(memory, np.roll(logits, 1, axis=1))
    old, new = (hashlib.sha256(one).hexdigest() for one in (files["test_output.npy"], memory.getvalue()))
    table = files["rdf.yaml"].decode().replace(old, new).encode()
    bad = zipped(tmp_path / "bad.zip", files | {"test_output.npy": memory.getvalue(), "rdf.yaml": table})
    is_refused(bad, tmp_path, "do not give its own test output")


def edited(old: str, new: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return edit


RECORDS: dict[str, tuple[str, Callable[[str], str], str]] = {
    "no JSON": ("run.json", lambda text: "{", "damaged"),
    "nested": ("run.json", lambda text: "[" * 100_000, "nested too deeply|damaged"),
    "another version": ("run.json", edited('"format": 1,', '"format": 99,'), "format 99"),
    "no voxel size": ("run.json", edited("4.6", "NaN"), "voxel size"),
    "huge network": ("settings.yaml", edited("- 8\n", "- 1000000\n"), "larger than any"),
    "other network": ("settings.yaml", edited("features: 8", "features: 12"), "does not fit"),
    "no settings": ("settings.yaml", lambda text: "classes: 5\n", "none of this program"),
    "code in YAML": ("settings.yaml", lambda text: "!!python/object/apply:os.system ['true']\n", "damaged"),
    "aliases": (
        "settings.yaml",
        edited("depths:\n  - 1\n  - 1\n", "depths: &a [1, 1]\n  bomb: [*a, *a]\n"),
        "repeats parts of itself",
    ),
    "class names": ("classes.json", lambda text: "{", "holds no names of classes"),
    "names of another network": (
        "classes.json",
        lambda text: json.dumps(
            json.loads(text) | {"classes": 6, "groups": [*json.loads(text)["groups"], [5]]}
        ),
        "is of 6 classes, its network has 5",
    ),
}


@pytest.mark.parametrize("case", RECORDS)
def test_records_that_are_none_are_refused(case: str, run, tmp_path) -> None:
    name, edit, match = RECORDS[case]
    folder = tmp_path / "bad run"
    shutil.copytree(run.path, folder)
    (folder / name).write_text(edit((folder / name).read_text()))
    is_refused(folder, tmp_path, match)


def test_a_package_of_another_tool_is_told_from_ours(package, tmp_path) -> None:
    files = files_of(package)
    table = files["rdf.yaml"].decode().replace("napari_dense_ssl:", "stardist:")
    is_refused(
        zipped(tmp_path / "other.zip", files | {"rdf.yaml": table.encode()}), tmp_path, "of another tool"
    )


def test_what_is_neither_is_said(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    is_refused(tmp_path / "empty", tmp_path, "neither a package")
    is_refused(zipped(tmp_path / "other.zip", {"a.txt": b"a"}), tmp_path, "neither a package")
    (tmp_path / "letter.zip").write_text("a letter")
    is_refused(tmp_path / "letter.zip", tmp_path, "something else")
    is_refused(tmp_path / "nowhere.zip", tmp_path, "nothing at")


def test_a_run_without_a_checkpoint_is_said(run, tmp_path) -> None:
    folder = tmp_path / "stopped"
    shutil.copytree(run.path, folder)
    (folder / "checkpoints" / "step-7" / "checksums.json").unlink()
    is_refused(folder, tmp_path, "no whole checkpoint")


def test_outputs_that_cannot_be(run, package, tmp_path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for source, out, match in (
        (package, tmp_path / "full", "not empty"),
        (package, tmp_path / "full" / "mine.txt", "is a file"),
        (run.path, run.path / "inside", "inside the source"),
        (run.path, run.path, "not empty"),
    ):
        with pytest.raises(OutputError, match=match):
            list(import_model(source, out))
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    list(import_model(package, tmp_path / "empty"))
    assert RunFolder.open(tmp_path / "empty").classes == 5


def test_closing_in_the_middle_leaves_nothing(package, tmp_path) -> None:
    job = import_model(package, tmp_path / "run")
    for event in job:
        if isinstance(event, Step):
            break
    job.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(package, tmp_path, monkeypatch) -> None:
    from napari_dense_ssl.share import importing

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(importing, "write_text_whole", full)
    with pytest.raises(OutputError, match="no space left"):
        list(import_model(package, tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


def test_a_package_has_no_state_to_train_on_from(tmp_path) -> None:
    from napari_dense_ssl.engine.folder import go_on_with
    from napari_dense_ssl.engine.settings import TrainSettings

    run = make_run(tmp_path / "first")
    list(export_model(run, tmp_path / "model.zip"))
    list(import_model(tmp_path / "model.zip", tmp_path / "run"))
    volume = open_volume(SOURCE)
    with pytest.raises(RunError, match="no training state"):
        go_on_with(tmp_path / "run", TrainSettings(), volume, volume.intensity())
