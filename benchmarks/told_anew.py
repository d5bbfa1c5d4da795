"""What other ways of telling classes make of one training: the same weights, clusters and head fitted anew.

    python benchmarks/told_anew.py RUN [--volume vnc] [--ways "objective.filter_votes=1;"]
        [--more 1,2,3] [--out told] [--threads 1] [--audit]

RUN is the folder of a finished training on that volume's fit slices, as ``quality.py`` leaves them in
``quality/runs/HASH/run``. For each way (assignments that ``train --set`` takes, joined by commas; ways are
parted by semicolons, an empty one is RUN's own) and each number of ``--more`` a copy of the folder is trained
for so many steps more, at whose save classes are told, and predicted and scored. Which pixels are clustered
hangs on the step, so several numbers say how much is chance. Only settings that do not change what has been
learned make sense here.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import yaml

from napari_dense_ssl.cli.train import gather
from napari_dense_ssl.core.errors import OutputError, SettingsError
from napari_dense_ssl.engine import train
from napari_dense_ssl.model.device import use_threads
from napari_dense_ssl.predict import predict
from one_sentence import in_one_sentence
from quality import Row, audited, measured
from volumes import Case, cases

SETTINGS = "settings.yaml"


def told_anew(case: Case, run: Path, way: list[str], more: int, folder: Path, audit: bool) -> Row:
    """Return the scores of a run whose classes are told in another way."""
    steps = gather(run / SETTINGS, {}, []).steps
    if steps is None:
        raise SettingsError(f"{run} was trained by the clock; expected a run with a budget in steps.")
    settings = gather(run / SETTINGS, {}, [*way, f"steps={steps + more}"])
    if folder.exists():
        raise OutputError(f"{folder} is there already; choose another --out, or remove it.")
    copy = folder / "run"
    shutil.copytree(run, copy)
    text = yaml.safe_dump(settings.to_yaml(), sort_keys=False)
    (copy / SETTINGS).write_text(text, encoding="utf-8")
    for _ in train(case.volume, copy, settings, resume=True):
        pass
    out = folder / "classes.zarr"
    for _ in predict(case.volume, copy, out, what=("classes",)):
        pass
    return measured(case, out) | (audited(case, copy, quick=False) if audit else {})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--volume", default="vnc")
    parser.add_argument("--ways", default=";objective.filter_votes=1;objective.surroundings=0")
    parser.add_argument("--more", default="1")
    parser.add_argument("--out", type=Path, default=Path("told"))
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--audit", action="store_true")
    options = parser.parse_args()
    use_threads(options.threads)
    case = cases([options.volume])[0]
    for number, way in enumerate(options.ways.split(";")):
        assignments = [part for part in way.split(",") if part]
        for more in (int(part) for part in options.more.split(",")):
            folder = options.out / f"{number}-{more}"
            row = told_anew(case, options.run, assignments, more, folder, options.audit)
            figures = ", ".join(
                f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
            )
            print(f"{case.name}, {way or 'its own way'}, {more} more: {figures}", flush=True)


if __name__ == "__main__":
    in_one_sentence(main)
