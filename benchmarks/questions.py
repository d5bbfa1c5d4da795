"""What one setting of the default recipe is worth: the open questions of its design, one at a time.

    python benchmarks/questions.py [--volume vnc] [--steps 300] [--questions "generations,crop"] [--seeds 0]
        [--out questions] [--log benchmarks/runs.csv]

Trains ``masked-clusters`` as it is and with each answer to a question, at the same number of steps, predicts,
scores and audits. Runs are lines of the log that ``quality.py`` keeps; what it has is not measured again. An
answer is what ``napari-dense-ssl train --set`` takes. The seconds are those of training, prediction, scores
and audit together, on a machine that may do other things.

More classes say more of anything, hence k-means on the filter bank, with as many clusters, beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from baselines import CLASSES, clusters
from napari_dense_ssl.cli.train import gather
from napari_dense_ssl.engine import TrainSettings
from napari_dense_ssl.model.device import use_threads
from one_sentence import in_one_sentence, known_names
from quality import measured, once_trained
from runs_log import RunsLog
from volumes import Case, cases

RECIPE = "masked-clusters"
AS_IT_IS = "as it is"
QUESTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "default": {AS_IT_IS: ()},
    "generations": {
        "1": ("objective.generations=1",),
        "2": ("objective.generations=2",),
        "5": ("objective.generations=5",),
    },
    "mask": {
        "15 %": ("objective.mask_share=0.15",),
        "50 %": ("objective.mask_share=0.5",),
        "squares of 32 px": ("objective.mask_size=32",),
    },
    "crop": {
        "24 of 80 px": ("sampler.crop=80", "sampler.batch=24"),
        "5 of 176 px": ("sampler.crop=176", "sampler.batch=5"),
    },
    "context": {"2 + 2 slices": ("context=2", "encoder.slices=1")},
    "width": {
        "half": ("encoder.widths=[16, 32, 64]", "encoder.features=32"),
        "double": ("encoder.widths=[64, 128, 256]", "encoder.features=128"),
    },
    "backbone": {
        "2 stages": ("encoder.stages=2", "encoder.depths=[2, 4]", "encoder.widths=[32, 64]"),
        "4 stages": ("encoder.stages=4", "encoder.depths=[2, 2, 4, 2]", "encoder.widths=[32, 64, 128, 256]"),
        "twice the blocks": ("encoder.depths=[4, 4, 8]",),
        "no detail branch": ("encoder.detail=0",),
    },
    "rate": {
        "0.001": ("optimiser.learning_rate=0.001",),
        "0.006": ("optimiser.learning_rate=0.006",),
    },
    "averaging": {
        "0.97": ("optimiser.average_decay=0.97",),
        "0.997": ("optimiser.average_decay=0.997",),
    },
    "surroundings": {
        "none": ("objective.surroundings=0",),
        "4 px": ("objective.surroundings=4", "objective.surroundings_after=0"),
        "8 px": ("objective.surroundings=8", "objective.surroundings_after=0"),
        "16 px": ("objective.surroundings=16", "objective.surroundings_after=0"),
    },
    "votes": {
        "one": ("objective.filter_votes=1",),
        "two": ("objective.filter_votes=2",),
        "three": ("objective.filter_votes=3",),
    },
    "pixel votes": {
        "one": ("objective.pixel_votes=1",),
        "two": ("objective.pixel_votes=2",),
        "four": ("objective.pixel_votes=4",),
    },
    "classes": {"25": ("classes=25",), "100": ("classes=100",)},
}


def settings_of(case: Case, answer: tuple[str, ...], steps: int, seed: int) -> TrainSettings:
    """Return the recipe with an answer and a budget in steps, on the volume's fit slices."""
    table = gather(None, {"recipe": RECIPE}, list(answer)).model_dump()
    table |= {"minutes": None, "steps": steps, "seed": seed, "roi": str(case.fit_box)}
    return TrainSettings.model_validate(table)


def line(question: str, answer: str, rows: list[dict[str, str]]) -> str:
    """Return a line of the Markdown table: medians over seeds, of mi_frac each seed's."""

    def middle(name: str, digits: int = 3) -> str:
        values = [float(row[name]) for row in rows if row[name]]
        return f"{median(values):.{digits}f}" if values else ""

    each = " / ".join(f"{float(row['mi_frac']):.3f}" for row in rows)
    verdicts = ", ".join(dict.fromkeys(row["verdict"] for row in rows if row["verdict"]))
    cells = (each, *(middle(name) for name in ("miou", "ami")), middle("leak", 4), middle("content"))
    return f"| {question}: {answer} | {' | '.join(cells)} | {verdicts} | {middle('seconds', 0)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--volume", default="vnc")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--questions", default=",".join(QUESTIONS))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--out", type=Path, default=Path("questions"))
    parser.add_argument("--log", type=Path, default=Path(__file__).with_name("runs.csv"))
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    use_threads(options.threads)
    chosen = known_names(parser, options.questions, QUESTIONS, "question")
    log, case = RunsLog(options.log), cases([options.volume])[0]
    seeds = [int(part) for part in options.seeds.split(",")]
    columns = "mi_frac | mIoU | AMI | leak | content | verdict | seconds"
    print(f"| {case.name}, {options.steps} steps | {columns} |")
    print("| --- |" + " --- |" * 7)
    for question in chosen:
        for answer, changes in QUESTIONS[question].items():
            runs = [settings_of(case, changes, options.steps, seed) for seed in seeds]
            rows = [once_trained(case, RECIPE, settings, options.out, log) for settings in runs]
            print(line(question, answer, rows), flush=True)
            if runs[0].classes != CLASSES:
                found = measured(case, clusters(case, "filters", seeds[0], runs[0].classes))
                figures = " | ".join(f"{found[name]:.3f}" for name in ("mi_frac", "miou", "ami"))
                print(f"| the same of k-means on the filter bank | {figures} | | | | |", flush=True)


if __name__ == "__main__":
    in_one_sentence(main)
