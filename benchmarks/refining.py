"""What refining the encoder on scribbles gains, and whether its check says so: mIoU with and without.

    python benchmarks/refining.py RUN [--volume vnc] [--pixels 20,200] [--steps 200] [--seed 0]
        [--features all] [--out refining]

RUN was trained on the fit slices of a volume of ``volumes.py``. Its embedding is probed as it is and
refined, for each number of scribbled pixels a class; the score slices are segmented whole and compared with
their truth, which nothing before has seen. Printed for each: mIoU and seconds without and with refining,
which is always done here, and what the check said; without alone for ``--steps 0``. One draw of
scribbles, where the volume brings none;
``--seed`` is of that draw and of the classifier.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from napari_dense_ssl.core.events import Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model.device import use_threads
from napari_dense_ssl.predict import ProbeSettings, probe
from napari_dense_ssl.volume import open_output
from one_sentence import in_one_sentence
from quality import segmented
from volumes import Case, cases

CHECKED = "Refined on one half"


def probed(
    case: Case, run: Path, out: Path, pixels: int, settings: ProbeSettings
) -> tuple[float, float, str]:
    """Return the mIoU of the score slices, seconds, and what the check said."""
    _, height, width = case.volume.shape
    region = Box((case.score.start, 0, 0), (case.score.stop, height, width))
    begun, said = time.perf_counter(), ""
    for event in probe(
        case.volume,
        run,
        case.scribbles(pixels, settings.seed),
        out,
        region=region,
        fit_region=case.fit_box,
        settings=settings,
        overwrite=True,
    ):
        if isinstance(event, Noted) and event.message.startswith(CHECKED):
            said = event.message
    seconds = time.perf_counter() - begun
    return segmented(case, open_output(out).label("segmentation")), seconds, said


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--volume", default="vnc")
    parser.add_argument("--pixels", default="20,200")
    parser.add_argument("--steps", type=int, default=200, help="0: only as the encoder is")
    parser.add_argument("--features", default=ProbeSettings().features)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("refining"))
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    if not options.run.is_dir():
        parser.error(f"there is no run folder at {options.run}; give the folder that train wrote with --out")
    use_threads(options.threads)
    case = cases([options.volume])[0]
    options.out.mkdir(parents=True, exist_ok=True)
    for pixels in (int(part) for part in options.pixels.split(",")):
        fixed = ProbeSettings.model_validate({"seed": options.seed, "features": options.features})
        plain, took, _ = probed(case, options.run, options.out / f"fixed-{pixels}.zarr", pixels, fixed)
        told = f"{case.name}, {pixels} pixels a class, seed {options.seed}: mIoU {plain:.3f} ({took:.0f} s)"
        if options.steps == 0:
            print(f"{told}, features {options.features}.", flush=True)
            continue
        refined = fixed.model_copy(update={"refine_steps": options.steps})
        out = options.out / f"refined-{pixels}.zarr"
        score, seconds, said = probed(case, options.run, out, pixels, refined)
        left_out = said.endswith("left out.")
        if left_out:  # what it would have given all the same
            settings = fixed.model_copy(update={"refine_steps": options.steps, "refine_check": False})
            score, seconds, _ = probed(case, options.run, options.out / "all-the-same.zarr", pixels, settings)
        print(
            f"{told}, refined {score:.3f} ({seconds:.0f} s). {said or 'The check could not be made.'}",
            flush=True,
        )


if __name__ == "__main__":
    in_one_sentence(main)
