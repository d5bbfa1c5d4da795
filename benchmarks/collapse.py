"""How the first five experiments end in codes for the place, and which guard cures what.

    python benchmarks/collapse.py [VOLUME] [--roi 0:16] [--steps 700] [--quick]

(a) Trains exp1 to exp5 with a network small enough for hundreds of steps on one core, looks at the averaged
encoder at chosen steps with the audit (crops as large as those trained on, from slices outside --roi where
there are any), and appends the figures to a CSV; (b) draws leak and content against steps, with class maps of
two crops at some of them; (c) switches the guards on, one at a time, on top of an experiment that collapses,
and prints a Markdown table. What was found with it: docs/collapse.md.

    python benchmarks/collapse.py VOLUME --only exp3-ema --set optimiser.learning_rate=0.003
    python benchmarks/collapse.py VOLUME --untrained 8

The first follows one experiment with other settings and stops there; the second asks networks of 8 seeds what
their classes are about before the first step.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.core.events import Audited
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.objectives import OBJECTIVES
from napari_dense_ssl.engine.processes import Processes
from napari_dense_ssl.engine.recipes import recipe
from napari_dense_ssl.engine.schedule import learning_rate
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.evaluate.audit_job import LightAudit
from napari_dense_ssl.evaluate.audit_torch import TorchEncode
from napari_dense_ssl.model.device import use_threads
from napari_dense_ssl.sampling.crops import CropSampler
from napari_dense_ssl.volume import Intensity, Volume, open_volume
from one_sentence import in_one_sentence

EXPERIMENTS = ("exp1-sigreg", "exp2-diversity", "exp3-ema", "exp4-cross-sample", "exp5-equivariance")
FIGURES = (
    *("leak", "content", "place", "effective_classes", "effective_classes_slice"),
    *("low_level", "flatness", "coherence"),
)
TERMS = ("prediction", "sigreg", "shortfall", "blur", "variance", "equivariance")
OFF_RIM = ("classes_inside", "same_inside")
FACTS = ("run", "recipe", "volume", "changes", "seed", "step", "seconds", "verdict")

SMALL: Mapping[str, Any] = {
    "classes": 16,
    "encoder.stages": 3,
    "encoder.depths": (1, 1, 2),
    "encoder.widths": (16, 32, 48),
    "encoder.features": 32,
    "encoder.detail": 0,
    "sampler.crop": 48,
    "sampler.batch": 3,
    "sampler.block": 128,
    "objective.border_trim": 6,
    "objective.predictor_width": 32,
    "optimiser.learning_rate": 1e-2,
    "optimiser.average_decay": 0.98,
}
"""The experiments' proportions at a fifth of their size: an eighth trimmed, a reach of several crops."""

SHARP: Mapping[str, Any] = {"objective.sharpness_weight": 0.5}
"""For exp2 to exp5: with .1 pixels were still undecided after 300 steps."""

CPU = {"device": "cpu", "precision": "32"}
GREY = "grey"
"""What stands among the changes for how grey values are scaled, which is no setting of a training."""

_SHIFT = {"sampler.view_shift": 16}
_SUM = SMALL["classes"]

GUARDS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "grey values only divided by 255": {GREY: "255"},
    "G1 reflect padding": {"encoder.padding": "reflect"},
    "G2 shift of the hidden slice": {"objective.same_window": False, **_SHIFT},
    "G2 symmetries": {"sampler.symmetries": True},
    "G2 photometric change": {"sampler.photometric": 0.4},
    "G3 balance over the batch": {"objective.marginal": "batch"},
    "G4 prediction summed over K": {"objective.prediction_weight": _SUM},
    "equivariance to turns": {"objective.equivariance_weight": _SUM},
    "equivariance to turns and shifts": {
        "objective.equivariance_weight": _SUM,
        "objective.equivariance_shift": True,
        **_SHIFT,
    },
    "all of them": {
        GREY: "volume",
        "encoder.padding": "reflect",
        "objective.same_window": False,
        "sampler.symmetries": True,
        "sampler.photometric": 0.4,
        "objective.marginal": "batch",
        "objective.prediction_weight": _SUM,
        "objective.equivariance_weight": _SUM,
        "objective.equivariance_shift": True,
        **_SHIFT,
    },
}


@dataclass(frozen=True)
class Run:
    """A training to be followed: what it is called, what it starts from, what is changed."""

    name: str
    recipe: str
    changes: Mapping[str, Any]

    def settings(self, steps: int, seed: int) -> TrainSettings:
        """Return the recipe's settings with the changes, as many steps long."""
        table = recipe(self.recipe).settings().model_dump()
        for key, value in self.changes.items():
            if key == GREY:
                continue
            *rooms, name = key.split(".")
            room = table
            for part in rooms:
                room = room[part]
            room[name] = value
        return TrainSettings.model_validate(table | {"minutes": None, "steps": steps, "seed": seed} | CPU)


@dataclass(frozen=True)
class Setting:
    """What all runs share."""

    volume: Volume
    label: str
    region: Box
    steps: int
    looks: tuple[int, ...]
    seed: int
    crops: int

    def intensity(self, grey: str) -> Intensity:
        """Return how grey values are scaled; the experiments divided by 255 and did nothing else."""
        if grey == "volume":
            return self.volume.intensity(self.region)
        return Intensity(mean=0.0, std=255.0, low=0.0, high=255.0)


def look_steps(steps: int, count: int) -> tuple[int, ...]:
    """Return the steps to look at: the untrained network, then closer together in the beginning."""
    shares = np.linspace(0, 1, count) ** 1.5
    return tuple(sorted({round(steps * float(share)) for share in shares}))


def follow(run: Run, setting: Setting) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Train, and yield a row of the table and class maps (2, Y, X) of two crops at each look.

    Seconds are those of the processor, of training alone: machines are shared.
    """
    settings = run.settings(setting.steps, setting.seed)
    settings = settings.resolved(float("inf"), setting.region.shape[0])
    objective = OBJECTIVES[settings.objective.kind]
    grey = str(run.changes.get(GREY, "volume"))
    intensity = setting.intensity(grey)
    networks = Networks(settings, Processes(settings), objective.student)

    def sampler_of(seed: int) -> CropSampler:
        return CropSampler(
            setting.volume,
            setting.region,
            intensity,
            settings.sampler,
            context=settings.context,
            seed=seed,
        )

    pretext = objective.pretext(settings, networks, sampler_of)
    encoder = networks.averaged_encoder
    audit = LightAudit(
        setting.volume,
        setting.region,
        intensity,
        encoder.multiple,
        crops=setting.crops,
        crop=settings.sampler.crop,
    )
    encode = TorchEncode(encoder, networks.device)
    images = shown_crops(setting, intensity, settings.sampler.crop)
    losses: dict[str, list[float]] = {}
    spent = 0.0
    with sampler_of(settings.seed) as sampler:
        for step in range(setting.steps + 1):
            if step in setting.looks:
                means = {name: float(np.mean(values)) for name, values in losses.items()}
                losses = {}
                for _ in pretext.settle(step):
                    pass
                found = [event for event in audit.look(encode, step) if isinstance(event, Audited)][-1]
                row = {"run": run.name, "recipe": run.recipe, "volume": setting.label}
                row |= {"changes": json.dumps(dict(run.changes)), "seed": settings.seed, "step": step}
                row |= {"seconds": round(spent, 1), "verdict": found.verdict}
                row |= {k: f"{v:.4f}" for k, v in found.figures.items() if k in FIGURES}
                row |= {k: f"{v:.5f}" for k, v in means.items() if k in TERMS}
                classes = encode(images).argmax(1).astype(np.uint8)
                yield row | inside(classes, settings.sampler.crop // 8), classes
            if step == setting.steps:
                return
            begun = time.process_time()
            fraction = step / setting.steps
            for _ in pretext.prepare(fraction):
                pass
            batch = sampler.batch(step)
            for _ in pretext.ready(batch, sampler):
                pass
            networks.begin_step(learning_rate(settings.optimiser, pretext.progress(fraction)))
            loss, terms = pretext.losses(batch, step, slice(0, len(batch.windows)))
            networks.backward(loss, last=True)
            networks.end_step()
            for name, value in terms.items():
                losses.setdefault(name, []).append(float(value))
            spent += time.process_time() - begun


def inside(classes: np.ndarray, trim: int) -> dict[str, str]:
    """Look at two crops' maps (2, Y, X) off the rim that no loss looks at, which the audit's leak includes.

    Effective classes, and the share of places that have the same class in both.
    """
    first, second = classes[:, trim:-trim, trim:-trim]
    shares = np.bincount(np.concatenate([first, second]).ravel()) / (2 * first.size)
    used = np.exp(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
    values = (used, (first == second).mean())
    return dict(zip(OFF_RIM, (f"{value:.3f}" for value in values), strict=True))


def shown_crops(setting: Setting, intensity: Intensity, crop: int) -> np.ndarray:
    """Cut two crops (2, 1, crop, crop) out of the last slice, far from each other."""
    z, height, width = setting.volume.shape
    corners = ((height // 5, width // 5), (height - height // 5 - crop, width - width // 3 - crop))
    boxes = [Box((z - 1, y, x), (z, y + crop, x + crop)) for y, x in corners]
    return np.stack([intensity.normalise(setting.volume.read(box)) for box in boxes])


def followed(run: Run, setting: Setting, table: Path, maps: Path) -> list[dict[str, Any]]:
    """Follow a run, append its rows to the table and keep its class maps."""
    rows, pictures = [], {}
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, (*FACTS, *FIGURES, *TERMS, *OFF_RIM), restval="", lineterminator="\n")
        if new:
            writer.writeheader()
        for row, classes in follow(run, setting):
            writer.writerow(row)
            file.flush()
            rows.append(row)
            pictures[str(row["step"])] = classes
            shown = " ".join(
                f"{k} {row[k]}" for k in ("leak", "content", "place", "effective_classes", "low_level")
            )
            terms = " ".join(f"{k} {row[k]}" for k in TERMS if k in row)
            print(
                f"{run.name:32} {row['step']:5} {row['seconds']:6} s  {row['verdict']:10} {shown} | {terms}"
            )
    maps.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(maps / f"{run.name}.npz", **pictures)
    return rows


def kept(table: Path, names: Sequence[str]) -> list[list[dict[str, Any]]]:
    """Return the last rows that a table has of each of some runs."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    runs = []
    for name in names:
        mine = [row for row in rows if row["run"] == name]
        if not mine:
            raise SystemExit(f"{table} has no run named {name!r}.")
        begun = max(i for i, row in enumerate(mine) if row["step"] == "0")
        runs.append([{**row, "step": int(row["step"])} for row in mine[begun:]])
    return runs


def draw(rows: list[list[dict[str, Any]]], maps: Path, out: Path, thumbnails: int = 4) -> None:
    """Draw leak and content against steps, and class maps of both crops at some of them, a row a run."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(9.5, 1.75 * len(rows)), dpi=80, layout="constrained")
    grid = figure.add_gridspec(len(rows), 4 + thumbnails)
    for line, run in enumerate(rows):
        axes = figure.add_subplot(grid[line, :4])
        steps = [row["step"] for row in run]
        for name, colour in (("leak", "#d62728"), ("content", "#1f77b4"), ("place", "#ff9896")):
            values = [float(row[name]) for row in run]
            axes.plot(steps, values, "o-", color=colour, label=name, markersize=3, linewidth=1)
        axes.set_ylim(-0.05, 1.05)
        axes.set_title(f"{run[0]['run']}: {run[-1]['verdict']}", fontsize=8, loc="left")
        axes.tick_params(labelsize=7)
        if line == 0:
            axes.legend(fontsize=7, frameon=False)
        if line == len(rows) - 1:
            axes.set_xlabel("steps", fontsize=8)
        chosen = np.unique(np.linspace(1, len(run) - 1, thumbnails).round().astype(int))
        with np.load(maps / f"{run[0]['run']}.npz") as kept:
            for column, index in enumerate(chosen):
                panel = figure.add_subplot(grid[line, 4 + column])
                both = class_colours()[kept[str(steps[index])].astype(int) + 1]
                gap = np.ones((2, *both.shape[2:]))
                panel.imshow(np.concatenate([both[0], gap, both[1]]), interpolation="nearest")
                panel.set_title(f"{steps[index]}", fontsize=7, pad=2)
                panel.set_axis_off()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, pil_kwargs={"optimize": True})
    plt.close(figure)


def markdown(rows: list[list[dict[str, Any]]]) -> str:
    """Return a table of the runs' last looks."""
    lines = [
        "| run | verdict | leak | place | content | effective classes | off the rim | steps | s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for last in (run[-1] for run in rows):
        numbers = (f"{float(last[k]):.3f}" for k in ("leak", "place", "content"))
        more = (f"{float(last['effective_classes']):.1f}", f"{float(last['classes_inside']):.1f}")
        cells = (
            last["run"],
            last["verdict"],
            *numbers,
            *more,
            str(last["step"]),
            f"{float(last['seconds']):.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def untrained(changes: Mapping[str, Any], settings: Sequence[Setting]) -> str:
    """Return a table of what classes are about before the first step: medians over the settings' seeds."""
    lines = ["| padding | leak | place | content | effective classes |", "| --- | --- | --- | --- | --- |"]
    for padding in ("zeros", "reflect"):
        run = Run(padding, "exp3-ema", {**changes, "encoder.padding": padding})
        rows = []
        for setting in settings:
            with closing(follow(run, setting)) as looks:
                rows.append(next(looks)[0])
        names = ("leak", "place", "content", "effective_classes")
        medians = (f"{np.median([float(row[name]) for row in rows]):.3f}" for name in names)
        lines.append(f"| {padding} | {' | '.join(medians)} |")
    return "\n".join(lines)


def parsed(pairs: list[str]) -> dict[str, Any]:
    """Return NAME=VALUE pairs as changes of settings; values are YAML."""
    return {name: yaml.safe_load(value) for name, _, value in (pair.partition("=") for pair in pairs)}


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("volume", nargs="?", default="sample:em?shape=20x512x512&seed=0")
    parser.add_argument("--roi", default="0:16", help="slices to train on")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--looks", type=int, default=7)
    parser.add_argument("--crops", type=int, default=48, help="pairs of crops of the audit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--grey", choices=("volume", "255"), default="volume", help="standardised, or divided by 255"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", dest="changes")
    parser.add_argument(
        "--untrained", type=int, default=0, metavar="SEEDS", help="look at untrained networks"
    )
    parser.add_argument(
        "--redraw", nargs="+", metavar="RUN", help="draw these runs of the CSV again, and stop"
    )
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, help="follow these and stop")
    parser.add_argument("--name", default="", help="put before the names of runs")
    parser.add_argument("--guards-on", choices=EXPERIMENTS, default="exp3-ema")
    parser.add_argument("--csv", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--maps", type=Path, default=Path("build/collapse"))
    parser.add_argument("--picture", type=Path, default=Path("docs/images/collapse.png"))
    parser.add_argument("--quick", action="store_true", help="a check in two minutes; proves nothing")
    options = parser.parse_args()
    if options.redraw:
        draw(kept(options.csv, options.redraw), options.maps, options.picture)
        return
    use_threads(options.threads)
    volume = open_volume(options.volume)
    first, last = (int(part) for part in options.roi.split(":"))
    region = Box((first, 0, 0), (last, *volume.shape[1:]))
    steps = 24 if options.quick else options.steps
    looks = look_steps(steps, 3 if options.quick else options.looks)
    label = "/".join(Path(options.volume).parts[-2:])
    setting = Setting(
        volume=volume,
        label=label,
        region=region,
        steps=steps,
        looks=looks,
        seed=options.seed,
        crops=8 if options.quick else options.crops,
    )
    changes = {GREY: options.grey, **parsed(options.changes)}

    if options.untrained:
        print(
            untrained(
                {**SMALL, **changes}, [replace(setting, seed=seed) for seed in range(options.untrained)]
            )
        )
        return

    def go(name: str, start: str, extra: Mapping[str, Any]) -> list[dict[str, Any]]:
        sharp = {} if start == "exp1-sigreg" else SHARP
        run = Run(options.name + name, start, {**SMALL, **sharp, **changes, **extra})
        return followed(run, setting, options.csv, options.maps)

    rows = [go(name, name, {}) for name in options.only or EXPERIMENTS]
    draw(rows, options.maps, options.picture if not options.only else options.maps / "only.png")
    if not options.only:
        chosen = list(GUARDS.items())[:2] if options.quick else list(GUARDS.items())
        print(markdown([go(name, options.guards_on, guard) for name, guard in chosen]))


if __name__ == "__main__":
    in_one_sentence(main)
