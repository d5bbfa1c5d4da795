import json
from pathlib import Path

import numpy as np

from napari_dense_ssl.core.events import Audited, Preview, Saved, Step, event_record
from napari_dense_ssl.core.geometry import Box, Grid
from napari_dense_ssl.core.watch import View, Watch


def test_records_are_plain_json_and_name_their_event() -> None:
    step = Step(3, 10, 0.3, None, 4.0, {"loss": 1.5}, 1e-3)
    record = json.loads(json.dumps(event_record(step)))
    assert record["event"] == "Step"
    assert record["losses"] == {"loss": 1.5}
    assert json.loads(json.dumps(event_record(Saved(Path("a/b"), 3))))["path"] == str(Path("a/b"))


def test_a_preview_is_recorded_without_its_pixels() -> None:
    box = Box((1, 0, 0), (2, 4, 4))
    preview = Preview(1, box, Grid(), np.ones((4, 4), np.uint8), step=7)
    assert event_record(preview) == {"event": "Preview", "z": 1, "box": "1:2,0:4,0:4", "step": 7}


def test_an_audit_is_recorded_without_its_pictures() -> None:
    audited = Audited("content", {"leak": 0.001}, step=7, result=np.ones(3))
    record = json.loads(json.dumps(event_record(audited)))
    assert record == {"event": "Audited", "verdict": "content", "figures": {"leak": 0.001}, "step": 7}


def test_a_watch_holds_the_latest_view_only() -> None:
    watch = Watch()
    assert watch.view() is None
    for z in (3, 5):
        watch.look(View(Box((z, 0, 0), (z + 1, 8, 8))))
    view = watch.view()
    assert view is not None
    assert view.z == 5
