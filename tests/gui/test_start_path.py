"""What opening a dock costs: no torch, and little beside napari's own start."""

from __future__ import annotations

import subprocess
import sys

OPEN = """
import sys, time
begin = time.process_time()
import napari
viewer = napari.Viewer(show=False)
print("napari", time.process_time() - begin)
for name in sys.argv[1:]:
    begin = time.process_time()
    viewer.window.add_plugin_dock_widget("napari-dense-ssl", name)
    print(name, time.process_time() - begin)
    assert "torch" not in sys.modules, f"{name} imports torch"
viewer.close()
"""
DOCKS = ("Volume", "Train", "Classes", "Scribble", "Evaluate", "Playground", "Share")


def test_docks_open_without_torch_and_take_little_beside_the_window_itself(tmp_path):
    """In processor time, against napari's own start: half a second where that takes two and a half."""
    script = tmp_path / "open.py"
    script.write_text(OPEN)
    done = subprocess.run(
        [sys.executable, str(script), *DOCKS], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    took = {name: float(seconds) for name, seconds in (line.split() for line in done.stdout.splitlines())}
    assert set(took) == {"napari", *DOCKS}
    slow = {name: f"{took[name] / took['napari']:.2f}" for name in DOCKS if took[name] > 0.2 * took["napari"]}
    assert not slow, f"of napari's own start: {slow}"


GUARD = """
import sys, time
import napari, numpy as np
from qtpy.QtTest import QTest
from napari_dense_ssl.core.events import Finished
from napari_dense_ssl.gui.job import Job
from napari_dense_ssl.gui.triton_guard import llvm_is_loaded

viewer = napari.Viewer(show=True)
viewer.add_image(np.zeros((64, 64), np.uint8))
QTest.qWait(500)

def work():
    import timm, torch
    yield Finished(None, {"sum": float(torch.ones(3).sum())})

job = Job("Importing", work)
job.start()
while job.running:
    QTest.qWait(50)
print("LLVM" if llvm_is_loaded() else "no LLVM", job.outcome.value)
viewer.close()
"""


def test_torch_can_be_imported_beside_a_window(tmp_path):
    # With Mesa's LLVM in the process, importing triton ends in a segmentation fault.
    (tmp_path / "guard.py").write_text(GUARD)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "guard.py")], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "finished"
