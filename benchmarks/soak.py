"""Use the docks for long, in random order, and see that nothing breaks, stays behind or grows.

    xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" python benchmarks/soak.py [--minutes 20] [--seed 0]
        [--rest 90] [--trace]

A person opens volumes, trains, pauses, stops and resumes, scrolls, zooms, turns to 3-D, follows classes,
hides them, sets thresholds, writes whole volumes, deletes, renames, duplicates and replaces layers, closes
docks and windows, all in an order that the seed fixes. Every `--rest` seconds all is closed, and only then
memory is compared: at rest the same things are open, whatever was done before.

Ends with status 1, and says what was found, where

- anything raised: in the window, in a thread, in a destructor, as an error notification that is no refusal,
  or as a warning of Qt;
- at a rest, a job ran for longer than 10 s after its dock was closed, or a thread, widget or Qt object of
  ours was left;
- between the rests of the last half, the number of our objects of any class, or of napari's layers, grew at
  each;
- memory at rest grew: the median slope between rests (Theil-Sen), after a warm-up of the first third,
  is above 2 MB a minute and makes up more than 5 % of the memory over the time.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from soak_ears import Ears, census, held_by, in_use, rss, settle, threads_left, widgets_left
from soak_person import Person

STOP_SECONDS = 10.0
GROWTH_MB = 2.0  # a minute
GROWTH_SHARE = 0.05
DASK_CACHE = 16 << 20  # bytes; full before memory is compared
LISTED = frozenset({"JobWorker", "Mailbox"})  # napari's list of tasks keeps these, empty, while it runs
LEAST_RESTS = 6  # below that, memory is not judged


class Soak:
    """A person, ears, and what was found at rests.

    Parameters
    ----------
    make_viewer : callable
        Opens a window.
    folder : Path
        For volumes, runs and outputs.
    seed : int
    trace : bool
        Whether to print each action.
    """

    def __init__(
        self, make_viewer: Callable[[], Any], folder: Path, seed: int = 0, trace: bool = False
    ) -> None:
        self.chance = random.Random(seed)
        self.ears, self.trace = Ears(), trace
        self.person = Person(make_viewer, folder, self.chance)
        self.done: Counter[str] = Counter()
        self.rests: list[tuple[float, float, Counter[str]]] = []
        self.in_use: list[float] = []
        self.begun = time.monotonic()

    def act(self) -> None:
        """Do something, and let the window live for a moment."""
        from qtpy.QtTest import QTest

        try:
            said = self.person.act()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            said = "acting"
            self.ears.hear("exception", error)
        if said is not None:
            self.done[said] += 1
            self.ears.doing = said
            if self.trace:
                print(f"{time.monotonic() - self.begun:7.1f} s  {said}", flush=True)
            QTest.qWait(round(self.chance.choice([5, 50, 200, 600])))

    def rest(self) -> None:
        """Close all, and look at what is left."""
        from qtpy.QtTest import QTest

        self.ears.doing = "closing all"
        try:
            self.person.rest()
        except Exception as error:  # noqa: BLE001 - as above
            self.ears.hear("exception", error)
        deadline = time.monotonic() + STOP_SECONDS
        while threads_left() and time.monotonic() < deadline:
            QTest.qWait(50)
        QTest.qWait(200)
        settle()
        for kind, names in (("threads", threads_left()), ("widgets or Qt objects", widgets_left())):
            if names:
                docks = [name for name in names if name.endswith("Dock")]
                holders = [f"\n{held_by(name)}" for name in docks[:1]]
                self.ears.hear(f"{kind} left", ", ".join(names) + "".join(holders))
        self.rests.append((time.monotonic() - self.begun, rss(), census()))
        self.in_use.append(in_use())
        if self.trace:
            last = self.rests[-1]
            print(f"{last[0]:7.1f} s  at rest, {last[1]:.0f} MB, {self.in_use[-1]:.0f} in use", flush=True)

    def growth(self) -> tuple[float, float]:
        """Return the median slope of memory between rests after the warm-up, MB a minute, and its share."""
        import numpy as np

        late = self.rests[len(self.rests) // 3 :]
        slopes = [60 * (b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(late) for b in late[i + 1 :]]
        slope = float(np.median(slopes)) if slopes else 0.0
        return slope, slope * (late[-1][0] - late[0][0]) / 60 / late[0][1]

    def judge(self) -> list[str]:
        """Return what was found, a sentence each; none where all is well."""
        found = [f"{count} × {text}" for text, count in self.ears.found.items()]
        late = [counted for _, _, counted in self.rests[len(self.rests) // 2 :]]
        if len(late) > 2:
            names = late[-1].keys() - LISTED
            growing = [name for name in sorted(names) if all(b[name] > a[name] for a, b in pairwise(late))]
            found += [f"{name} grows at each rest: {[one[name] for one in late]}" for name in growing]
        if len(self.rests) >= LEAST_RESTS:
            slope, share = self.growth()
            if slope > GROWTH_MB and share > GROWTH_SHARE:
                memory = ", ".join(f"{one[1]:.0f}" for one in self.rests)
                found.append(f"memory at rest grows by {slope:.1f} MB a minute: {memory} MB")
        return found


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rest", type=float, default=90, help="seconds between two rests")
    parser.add_argument("--trace", action="store_true", help="print each action")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Settings and runs of its own; and docks may touch the viewer from the main thread only.
        os.environ |= {
            "XDG_CONFIG_HOME": f"{name}/config",
            "XDG_DATA_HOME": f"{name}/data",
            "NAPARI_CONFIG": f"{name}/napari.yaml",
            "NAPARI_ENSURE_PLUGIN_MAIN_THREAD": "1",
        }
        sys.exit(soaked(folder, options))


def soaked(folder: Path, options: argparse.Namespace) -> int:
    import napari
    from napari.utils import resize_dask_cache
    from qtpy.QtWidgets import QApplication

    # napari keeps what dask computed, up to a tenth of the machine's memory: hours of use to fill it.
    resize_dask_cache(DASK_CACHE)

    def make_viewer() -> Any:
        viewer = napari.Viewer()
        viewer.window.resize(1280, 800)
        return viewer

    soak = Soak(make_viewer, folder, options.seed, options.trace)
    with soak.ears:
        soak.person.begin()
        while time.monotonic() - soak.begun < 60 * options.minutes:
            until = time.monotonic() + options.rest
            while time.monotonic() < until:
                soak.act()
            soak.rest()
        soak.person.viewers[0].close()
        QApplication.processEvents()
    found = soak.judge()
    slope, share = soak.growth()
    print(f"{sum(soak.done.values())} actions in {(time.monotonic() - soak.begun) / 60:.1f} min:")
    print("  " + ", ".join(f"{name} {count}" for name, count in soak.done.most_common()))
    print(f"refusals: {dict(soak.ears.refused)}")
    for text, count in soak.ears.warned.most_common(12):
        print(f"warned {count} × {text}")
    print("memory at rest, MB: " + ", ".join(f"{one[1]:.0f}" for one in soak.rests))
    print("of them in use, MB: " + ", ".join(f"{one:.0f}" for one in soak.in_use))
    print(f"slope {slope:.2f} MB a minute, {100 * share:.1f} % over the time after the warm-up")
    print(
        "left at the last rest: " + ", ".join(f"{name} {n}" for name, n in soak.rests[-1][2].most_common(12))
    )
    for text in found:
        print(f"FOUND {text}")
    print("nothing was found" if not found else f"{len(found)} things were found")
    return int(bool(found))


if __name__ == "__main__":
    main()
