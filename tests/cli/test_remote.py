"""From a web server to a prediction, with the commands that a user types."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tests.cli.conftest import TINY
from tests.volume.served import FORMATS, array_of, web

from napari_dense_ssl.volume import open_volume


def test_train_and_predict_from_a_web_server(call, tmp_path: Path):
    (tmp_path / "www").mkdir()
    array = array_of((6, 96, 96))
    FORMATS["OME-Zarr 0.5"](tmp_path / "www" / "em.zarr", array)
    FORMATS["OME-Zarr 0.5"](tmp_path / "em.zarr", array)
    with web(tmp_path / "www") as site:
        url = f"{site.url}/em.zarr"
        told = call("info", url)
        assert told.status == 0, told.err
        assert "OME-Zarr 0.5" in told.out
        assert "40 x 8 x 8 nm" in told.out
        trained = call("train", url, "--out", tmp_path / "run", "--steps", "2", *TINY)
        assert trained.status == 0, trained.err
        outputs = []
        for name, source in (("far", url), ("near", tmp_path / "em.zarr")):
            out = tmp_path / f"{name}.zarr"
            done = call("predict", source, "--run", tmp_path / "run", "--out", out, "--what", "classes")
            assert done.status == 0, done.err
            outputs.append(np.asarray(open_volume(out, dataset="labels/classes").data))
        np.testing.assert_array_equal(*outputs)
        assert outputs[0].min() > 0
        (tmp_path / "far.zarr").rename(tmp_path / "www" / "far.zarr")
        scored = call("evaluate", f"{site.url}/far.zarr", tmp_path / "near.zarr", "--json")
        assert scored.status == 0, scored.err
        assert json.loads(scored.out)["ari"] == 1
        missing = call("evaluate", f"{site.url}/far.zarr", tmp_path / "near.zarr", "--label", "nuclei")
        assert missing.status == 2
        assert "no label image named 'nuclei'; it holds: classes" in missing.err


def test_a_server_that_refuses_in_mid_run(call, small_run: Path, tmp_path: Path):
    (tmp_path / "www").mkdir()
    FORMATS["OME-Zarr 0.5"](tmp_path / "www" / "em.zarr", array_of((6, 96, 96)))
    with web(tmp_path / "www") as site:
        site.answers["/0/c/1/5/"] = 403
        job = ("predict", f"{site.url}/em.zarr", "--run", small_run, "--out", tmp_path / "out.zarr")
        job = (*job, "--resample", "ignore")
        answer = call(*job)
        assert answer.status == 2
        assert "may not be read with the credentials at hand" in answer.err
        assert "Traceback" not in answer.err
        del site.answers["/0/c/1/5/"]
        again = call(*job, "--resume")
        assert again.status == 0, again.err
    assert np.asarray(open_volume(tmp_path / "out.zarr", dataset="labels/classes").data).min() > 0
