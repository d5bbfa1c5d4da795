"""Every recipe at equal budget, and what it has to beat, on volumes whose truth is known.

    python benchmarks/quality.py [--minutes M | --steps N] [--recipes a,b] [--baselines c,d]
        [--volumes vnc,fib25,sample] [--seeds 0,1,2] [--out DIR] [--log benchmarks/runs.csv] [--quick]
        [--no-probes]

Written to DIR, for each volume: a table of medians over seeds, and a picture, class maps side by side with
the audit's verdict under each. Each run is a line of the log; what the log has with the same settings is not
measured again. ``--quick`` takes 60 steps a recipe on a small synthetic volume: it shows that all of it runs,
and its figures mean little.

Figures: mi_frac, mIoU by majority and AMI of unnamed classes (K = 50); mIoU of segmentations from 20 and 200
scribbled pixels a class, by ``probe`` on what was learned, by random forests on what was not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import napari_dense_ssl
from baselines import clusters, forest, supervised
from napari_dense_ssl.core.events import Finished, Step
from napari_dense_ssl.engine import RECIPES, TrainSettings, train
from napari_dense_ssl.evaluate import evaluate
from napari_dense_ssl.model.device import use_threads
from napari_dense_ssl.predict import ProbeSettings, predict, probe
from napari_dense_ssl.volume import open_output
from one_sentence import in_one_sentence, known_names
from pictures import draw_maps, write_table
from runs_log import RunsLog, settings_hash
from volumes import SCRIBBLED, Case, cases

CLUSTERED = ("intensity", "filters", "random")
FORESTS = ("filters", "imagenet", "imagenet+filters")
BASELINES = (
    *(f"kmeans-{name}" for name in CLUSTERED),
    *(f"forest-{name}" for name in FORESTS),
    "supervised",
)
Row = dict[str, Any]


def measured(case: Case, classes: Any) -> Row:
    """Scores of unnamed classes, named on the fit slices."""
    scores = evaluate(classes, case.truth, fit=case.fit, score=case.score)
    return {"mi_frac": scores.mi_frac, "miou": scores.miou, "ami": scores.ami}


def segmented(case: Case, segmentation: Any) -> float:
    return evaluate(segmentation, case.truth, score=case.score, named=True).miou


def baseline(
    case: Case, name: str, seed: int, minutes: float | None, steps: int | None
) -> tuple[Row, np.ndarray]:
    kind, _, features = name.partition("-")
    if kind == "kmeans":
        classes = clusters(case, features, seed)
        return measured(case, classes), classes[case.score.start]
    if kind == "forest":
        found = {n: forest(case, features, n, seed) for n in SCRIBBLED}
        row = {f"probe_{n}": segmented(case, segmentation) for n, segmentation in found.items()}
        return row, found[SCRIBBLED[-1]][case.score.start]
    segmentation, taken = supervised(case, minutes, steps, seed)
    row = {"miou": segmented(case, segmentation), "steps": taken}
    return row, segmentation[case.score.start]


def audited(case: Case, run: Path, quick: bool) -> Row:
    """Verdict, leak and content, where this version has an audit."""
    audit: Callable[..., Any] | None = getattr(napari_dense_ssl, "audit", None)
    if audit is None:
        return {}
    row: Row = {}
    for event in audit(case.volume, run, **({"crops": 32} if quick else {})):
        if isinstance(event, Finished):
            row = {key: event.summary.get(key) for key in ("verdict", "leak", "content")}
    return row


def recipe(
    case: Case, settings: TrainSettings, folder: Path, quick: bool, probes: bool
) -> tuple[Row, np.ndarray]:
    """Train, predict, score, probe, audit; what is there already of an interrupted run is used."""
    run, steps = folder / "run", 0
    for event in train(case.volume, run, settings, resume=(run / "checkpoints" / "latest").exists()):
        if isinstance(event, Step):
            steps = event.index
    out = folder / "classes.zarr"
    for _ in predict(case.volume, run, out, what=("classes",), resume=True):
        pass
    row = measured(case, out)
    row["steps"] = steps or None
    for pixels in SCRIBBLED if probes else ():
        row[f"probe_{pixels}"] = probed(case, run, folder, pixels, settings.seed)
    return row | audited(case, run, quick), open_output(out).label("classes")[case.score.start]


def probed(case: Case, run: Path, folder: Path, pixels: int, seed: int) -> float:
    """Segment the whole volume, which holds scribbles and score slices alike; the mIoU of the latter."""
    out = folder / f"probe-{pixels}.zarr"
    for _ in probe(case.volume, run, case.scribbles(pixels, seed), out, resume=True):
        pass
    return segmented(case, open_output(out).label("segmentation"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="training time of a recipe, 15 by default")
    budget.add_argument("--steps", type=int)
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--baselines", default=",".join(BASELINES))
    parser.add_argument("--volumes", default="vnc,sample")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--out", type=Path, default=Path("quality"))
    parser.add_argument("--log", type=Path, default=Path(__file__).with_name("runs.csv"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-probes", dest="probes", action="store_false", help="unnamed classes only")
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    use_threads(options.threads)
    minutes, steps = options.minutes, options.steps
    volumes = options.volumes.split(",")
    if options.quick:
        minutes, steps, volumes = None, steps or 60, ["small"]
    elif minutes is None and steps is None:
        minutes = 15.0
    log = RunsLog(options.log)
    asked = f"{options.baselines},{options.recipes}"
    names = known_names(parser, asked, (*BASELINES, *RECIPES), "recipe or baseline")
    for case in cases(volumes):
        found: list[dict[str, str]] = []
        for name in names:
            for seed in (int(part) for part in options.seeds.split(",")):
                row = once(case, name, seed, minutes, steps, options, log)
                found.append(row)
                figures = {
                    k: row[k] for k in ("mi_frac", "miou", "probe_20", "probe_200", "verdict") if row[k]
                }
                print(case.name, name, f"seed {seed}", *(f"{k} {v}" for k, v in figures.items()), flush=True)
        write_table(options.out / f"table-{case.name}.md", case.name, found)
        draw_maps(options.out / f"classes-{case.name}.png", case, found, options.out / "maps")


def once(
    case: Case,
    name: str,
    seed: int,
    minutes: float | None,
    steps: int | None,
    options: argparse.Namespace,
    log: RunsLog,
) -> dict[str, str]:
    """Look a run up in the log, or do it and enter it."""
    if name in RECIPES:
        update = {"minutes": minutes, "steps": steps, "seed": seed, "roi": str(case.fit_box)}
        settings = TrainSettings.model_validate(RECIPES[name].settings().model_dump() | update)
        return once_trained(
            case, name, settings, options.out, log, quick=options.quick, probes=options.probes
        )
    decides: Row = {"volume": case.name, "method": name, "seed": seed}
    if name == "supervised":
        encoder = TrainSettings().encoder.model_dump(mode="json")
        decides |= {"minutes": minutes, "steps": steps, "settings": encoder}
    else:
        minutes = steps = None
    return _logged(
        log,
        decides,
        {"minutes": minutes, "steps": steps},
        options.out,
        lambda key: baseline(case, name, seed, minutes, steps),
    )


def once_trained(
    case: Case,
    name: str,
    settings: TrainSettings,
    out: Path,
    log: RunsLog,
    *,
    quick: bool = False,
    probes: bool = False,
) -> dict[str, str]:
    """Look a training and its figures up in the log, or do it and enter it."""
    decides: Row = {"volume": case.name, "method": name, "seed": settings.seed}
    decides["settings"] = settings.model_dump(
        mode="json", exclude={"threads", "preview_seconds", "checkpoint_seconds"}
    )
    decides["probe"] = ProbeSettings().model_dump(mode="json") if probes else None
    return _logged(
        log,
        decides,
        {"minutes": settings.minutes, "steps": settings.steps},
        out,
        lambda key: recipe(case, settings, out / "runs" / key, quick, probes),
    )


def _logged(
    log: RunsLog, decides: Row, budget: Row, out: Path, run: Callable[[str], tuple[Row, np.ndarray]]
) -> dict[str, str]:
    key = settings_hash(decides)
    logged = log.find(key)
    if logged is not None:
        return logged
    begun = time.perf_counter()
    row, picture = run(key)
    maps = out / "maps"
    maps.mkdir(parents=True, exist_ok=True)
    np.save(maps / f"{key}.npy", picture)
    facts = {
        "hash": key,
        "volume": decides["volume"],
        "method": decides["method"],
        "seed": decides["seed"],
        "version": napari_dense_ssl.__version__,
        "seconds": time.perf_counter() - begun,
        "settings": decides.get("settings", {}),
    }
    return log.append(budget | row | facts)


if __name__ == "__main__":
    in_one_sentence(main)
