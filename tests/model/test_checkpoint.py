import pickle
from pathlib import Path

import pytest
import torch

from napari_dense_ssl.core.errors import OutputError, RunError
from napari_dense_ssl.model import DenseEncoder, EncoderSettings, RunFolder
from napari_dense_ssl.model import checkpoint as module
from napari_dense_ssl.model.checkpoint import load_state, load_weights, save_checkpoint
from napari_dense_ssl.model.checkpoint_folder import latest_checkpoint

SETTINGS = EncoderSettings(stages=2, depths=(1, 1), widths=(4, 4), features=4, detail=2)
FACTS = {"volume": {"intensity": {"mean": 1.0, "std": 2.0}, "voxel_size": [50, 4, 4]}}


def make_run(path: Path) -> RunFolder:
    run = RunFolder.create(path, {"classes": 5, "encoder": SETTINGS.model_dump(mode="json")}, FACTS)
    encoder = DenseEncoder(SETTINGS, 5)
    weights = {f"average.{k}": v for k, v in encoder.state_dict().items()}
    save_checkpoint(run.checkpoints, 3, weights, {"step": 3})
    return run


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    weights = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(3)}
    path = save_checkpoint(tmp_path, 7, weights, {"step": 7, "list": [1, torch.ones(2)]})
    assert latest_checkpoint(tmp_path) == path
    for name, value in load_weights(path).items():
        torch.testing.assert_close(value, weights[name])
    assert load_state(path)["step"] == 7


def test_the_newest_checkpoints_stay_and_older_ones_go(tmp_path: Path) -> None:
    for step in (1, 2, 10):
        save_checkpoint(tmp_path, step, {"a": torch.ones(1)}, {})
    assert sorted(p.name for p in tmp_path.glob("step-*")) == ["step-10", "step-2"]
    assert latest_checkpoint(tmp_path) == tmp_path / "step-10"


def test_a_crash_while_writing_leaves_the_last_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save_checkpoint(tmp_path, 1, {"a": torch.ones(1)}, {"step": 1})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.torch, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        save_checkpoint(tmp_path, 2, {"a": torch.ones(1)}, {})
    assert latest_checkpoint(tmp_path) == first
    assert load_state(first) == {"step": 1}
    assert not list(tmp_path.glob(".step*"))


def test_a_half_written_folder_is_passed_over(tmp_path: Path) -> None:
    whole = save_checkpoint(tmp_path, 1, {"a": torch.ones(1)}, {})
    (tmp_path / "step-9").mkdir()
    (tmp_path / "latest").write_text("step-9\n")
    assert latest_checkpoint(tmp_path) == whole


def test_a_tampered_file_is_refused(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, {"a": torch.ones(100)}, {"step": 1})
    data = bytearray((path / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (path / "weights.safetensors").write_bytes(bytes(data))
    with pytest.raises(RunError, match="checksum"):
        load_weights(path)


def test_a_state_that_would_run_code_is_refused_even_with_its_checksum(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, {"a": torch.ones(1)}, {"step": 1})

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    (path / "state").write_bytes(pickle.dumps({"step": Evil()}, protocol=2))
    sums = (path / "checksums.json").read_text()
    (path / "checksums.json").write_text(
        sums.replace(sums.split('"state": "')[1][:64], module._digest(path / "state"))
    )
    with pytest.raises(RunError, match="state"):
        load_state(path)
    assert not (tmp_path / "ran").exists()


def test_a_run_folder_gives_its_averaged_encoder(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    encoder = run.load_encoder()
    assert encoder.classes == 5
    assert not encoder.training
    assert run.voxel_size.z == 50
    assert len(run.fingerprint()) == 16


def test_a_second_run_does_not_overwrite_the_first(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    with pytest.raises(OutputError, match="holds a run already"):
        make_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda run: (run / "run.json").write_text('{"format": 99, "software": "x 9"}'), "format 99.*x 9"),
        (lambda run: (run / "run.json").unlink(), "no run.json"),
        (lambda run: (run / "settings.yaml").write_text("{unclosed"), "damaged"),
        (lambda run: (run / "settings.yaml").write_text("- a list"), "no tables"),
    ],
)
def test_a_broken_run_folder_says_what_is_wrong(tmp_path: Path, break_it, says: str) -> None:  # type: ignore[no-untyped-def]
    make_run(tmp_path / "run")
    break_it(tmp_path / "run")
    with pytest.raises(RunError, match=says):
        RunFolder.open(tmp_path / "run")


def test_settings_that_do_not_fit_the_weights_are_noticed(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    text = (tmp_path / "run" / "settings.yaml").read_text()
    (tmp_path / "run" / "settings.yaml").write_text(text.replace("classes: 5", "classes: 6"))
    with pytest.raises(RunError, match="does not fit"):
        RunFolder.open(tmp_path / "run").load_encoder()
