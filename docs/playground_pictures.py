"""Make the pictures of docs/playground.md: the dock in a real napari window, and the animation.

xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" python docs/playground_pictures.py [--theme light]
napari-dense-ssl playground dsm --set frames=24 --out dsm   # whose training.gif is images/playground.gif
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from screenshots import IMAGES, Session, wait, wait_until


def run(dock: Any, method: str, epochs: int) -> None:
    """Train a method through the dock's fields and buttons, and say how long the first picture took."""
    tab = dock.mixture
    tab.method.setCurrentIndex(tab.method.findText(method))
    tab.epochs.setValue(epochs)
    begun, used = time.monotonic(), time.process_time()
    tab.start_button.click()
    wait_until(lambda: tab.layers is not None, "the first picture")
    took, used = time.monotonic() - begun, time.process_time() - used
    print(f"{method}: first picture after {took:.2f} s ({used:.2f} s of CPU)")
    wait_until(lambda: not dock.busy, "the end", 900)
    wait(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=IMAGES)
    parser.add_argument("--theme", default="dark", choices=["dark", "light"])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("methods", nargs="*", default=["jepa-basic", "jepa-ema", "dsm"])
    options = parser.parse_args()
    options.images.mkdir(parents=True, exist_ok=True)
    session = Session(options.images)
    session.viewer.theme = options.theme
    dock: Any = session.dock("Playground")
    for method in options.methods:
        run(dock, method, options.epochs)
        path = options.images / f"playground-{method}.png"
        session.viewer.screenshot(str(path), canvas_only=False, flash=False)
        print(path)
    session.viewer.close()


if __name__ == "__main__":
    main()
