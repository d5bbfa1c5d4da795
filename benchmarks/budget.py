"""What more training buys, and what a larger network does: steps against mi_frac.

    python benchmarks/budget.py [--volume vnc] [--steps 75,300,1200,3000] [--networks default,wide]
        [--seeds 0] [--out budget] [--log benchmarks/runs.csv] [--picture PNG] [--draw-only]

Trains ``masked-clusters`` with each network for each number of steps, predicts, scores and audits. Runs are
lines of the log that ``quality.py`` keeps; what it has is not measured again. The picture shows all runs of
the recipe that the log has for the volume, and k-means on the filter bank beside them.

A run in steps is worth the same on any machine, in minutes it is not; the seconds that are printed are those
of training, prediction, scores and audit on this one.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

from napari_dense_ssl.engine import RECIPES, TrainSettings
from napari_dense_ssl.model.device import use_threads
from one_sentence import in_one_sentence, known_names
from quality import once_trained
from runs_log import RunsLog
from volumes import Case, cases

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RECIPE = "masked-clusters"
NETWORKS: dict[str, dict[str, Any]] = {
    "small": {"widths": (16, 32, 64), "features": 32},
    "default": {},
    "wide": {"widths": (64, 128, 256), "features": 128},
}
MARKERS = {"small": "s", "default": "o", "wide": "^"}

TOLD = ("surroundings", "surroundings_after", "filter_votes", "pixel_votes")
"""Settings of the objective that change how classes are told, and nothing that is learned."""


def settings_of(case: Case, network: str, steps: int, seed: int) -> TrainSettings:
    """Return the recipe with a network and a budget in steps, on the volume's fit slices."""
    table = RECIPES[RECIPE].settings().model_dump()
    table["encoder"] |= NETWORKS[network]
    table |= {"minutes": None, "steps": steps, "seed": seed, "roi": str(case.fit_box)}
    return TrainSettings.model_validate(table)


def network_of(row: dict[str, str]) -> str | None:
    """Return the name of the network that a logged run had; None where it differs in anything else.

    Settings that did not exist yet when a run was logged are at their defaults. In which way classes were
    told does not matter: all are drawn.
    """
    logged = TrainSettings.model_validate(ast.literal_eval(row["settings"]))
    settings = json.loads(logged.model_dump_json())
    default = json.loads(RECIPES[RECIPE].settings().model_dump_json())
    for part in ("objective", "optimiser", "sampler"):
        if any(settings[part][name] != value for name, value in default[part].items() if name not in TOLD):
            return None
    if any(settings[name] != default[name] for name in ("classes", "context")):
        return None
    for name, update in NETWORKS.items():
        wanted = default["encoder"] | json.loads(json.dumps(update))
        if settings["encoder"] == wanted:
            return name
    return None


def draw(path: Path, case: Case, log: RunsLog) -> None:
    """Draw mi_frac against steps: a point a run, a line a network through the medians."""
    runs: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in log.rows:
        if row["volume"] == case.name and row["method"] == RECIPE and row["mi_frac"]:
            network = network_of(row)
            if network is not None:
                runs[network][int(row["steps"])].append(float(row["mi_frac"]))
    if not runs:
        raise SystemExit(f"The log has no runs of {RECIPE} on {case.name} yet; run without --draw-only.")
    figure, axis = plt.subplots(figsize=(6.4, 4))
    for network in (name for name in NETWORKS if name in runs):
        steps = sorted(runs[network])
        medians = [median(runs[network][n]) for n in steps]
        (line,) = axis.plot(steps, medians, "-", label=f"{network} network, median")
        points = [(n, score) for n in steps for score in runs[network][n]]
        axis.plot(*zip(*points, strict=True), MARKERS[network], color=line.get_color(), alpha=0.8)
    filters = [
        float(row["mi_frac"])
        for row in log.rows
        if row["volume"] == case.name and row["method"] == "kmeans-filters"
    ]
    if filters:
        axis.axhline(filters[-1], color="0.4", linestyle="--", label="k-means on the filter bank")
    axis.set_xscale("log")
    measured = sorted({n for found in runs.values() for n in found})
    axis.set_xticks(measured, [f"{n:,}" for n in measured])
    axis.minorticks_off()
    axis.set_xlabel("training steps (batches of 12 crops of 112 px)")
    axis.set_ylabel("mi_frac, share of the truth's information")
    axis.set_title(f"{RECIPE} on {case.name}")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--volume", default="vnc")
    parser.add_argument("--steps", default="75,300,1200,3000")
    parser.add_argument("--networks", default="default,wide")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--out", type=Path, default=Path("budget"))
    parser.add_argument("--log", type=Path, default=Path(__file__).with_name("runs.csv"))
    parser.add_argument("--picture", type=Path, default=None)
    parser.add_argument("--draw-only", action="store_true")
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    use_threads(options.threads)
    networks = known_names(parser, options.networks, NETWORKS, "network")
    log, case = RunsLog(options.log), cases([options.volume])[0]
    if not options.draw_only:
        for steps in (int(part) for part in options.steps.split(",")):
            for network in networks:
                for seed in (int(part) for part in options.seeds.split(",")):
                    settings = settings_of(case, network, steps, seed)
                    row = once_trained(case, RECIPE, settings, options.out, log)
                    print(
                        f"{case.name}, {network} network, {steps} steps, seed {seed}: mi_frac "
                        f"{row['mi_frac']}, mIoU {row['miou']}, {row['verdict']}, {row['seconds']} s in all",
                        flush=True,
                    )
    picture = options.picture or options.out / f"budget-{case.name}.png"
    draw(picture, case, log)
    print(picture)


if __name__ == "__main__":
    in_one_sentence(main)
