"""``demo``: the whole way on a synthetic volume, from pixels to a page with scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dense_ssl.cli.progress import duration, follow, keeping
from napari_dense_ssl.cli.train import gather
from napari_dense_ssl.cli.window import Shown, has_display, show
from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.core.geometry import Box

if TYPE_CHECKING:
    from napari_dense_ssl.evaluate import Audit, Scores
    from napari_dense_ssl.volume import Volume

SHAPE = (12, 512, 512)
"""Z, Y and X of the synthetic volume: small enough to be predicted in a minute on two cores."""

TRAINED = 9
"""Slices from the top that are trained on; the others are scored."""

CROPS = 48
"""Pairs of crops that are audited, as many as during training. Figures to be quoted take 200."""

_QUICK = [
    "sampler.batch=6",
    "objective.codebook_pixels=40000",
    "objective.generations=2",
    "objective.first_share=0.5",
]
"""Settings for minutes in place of hours: more and smaller steps, targets that are fitted faster."""

_RECORD = "demo.json"
_PARTS = ("volume.zarr", "truth.zarr", "run", "prediction.zarr", "report.png", "audit.png")
_COLUMNS = {"mi_frac": "mi_frac", "miou": "mIoU", "ami": "AMI", "ari": "ARI", "effective_classes": "classes"}


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for what the demo makes.")] = Path("demo"),
    minutes: Annotated[float, typer.Option(metavar="M", help="Training time.")] = 2.0,
    headless: Annotated[bool, typer.Option("--headless", help="Do not open napari at the end.")] = False,
) -> None:
    """Synthetic volume to classes, errors, scores, audit, report; opens napari where there is a display."""
    settings = gather(None, {"minutes": str(minutes), "roi": f"0:{TRAINED},:,:"}, _QUICK)
    _claim(out, minutes)
    _say(f"A synthetic volume of {' x '.join(map(str, SHAPE))} voxels, and its truth, which only scores see.")
    volume, truth = _volume(out)
    _say(f"Training without labels on slices 0 to {TRAINED - 1}, for {duration(60 * minutes)}.")
    from napari_dense_ssl.engine.train import train
    from napari_dense_ssl.predict import PredictSettings, predict

    stopped = "Stopped; run the demo again to begin anew."
    follow(train(volume, out / "run", settings), stopped=lambda: stopped)
    _say("Predicting every slice: its classes, and where turning or moving the image would change them.")
    follow(
        # A tile a slice: slices as small as these would pay most for halos.
        predict(volume, out / "run", out / "prediction.zarr", settings=PredictSettings(tile=max(SHAPE[1:]))),
        stopped=lambda: stopped,
    )
    _say("Scoring, beside the control: k-means on a filter bank, trained and scored on the same slices.")
    scores = _scores(out, volume, truth, settings.classes)
    _say("Auditing, on the slices that were not trained on: do the classes follow the image, or the place?")
    found = _audit(out, volume, stopped)
    _report(out, volume, truth, scores, found, minutes)
    record = {
        "minutes": minutes,
        "scores": {name: one.as_dict() for name, one in scores.items()},
        "audit": found.as_dict(),
    }
    (out / _RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    _tell(out, scores, found)
    if not headless and has_display():
        _say("Opening napari; close its window to end.")
        show(
            [
                Shown(str(out / "volume.zarr"), name="synthetic EM"),
                Shown(str(out / "truth.zarr"), kind="labels", name="truth", visible=False),
                Shown(str(out / "prediction.zarr"), kind="image", name="equivariance error", visible=False),
                Shown(str(out / "prediction.zarr/labels/classes"), kind="labels", name="classes"),
            ]
        )


def _say(message: str) -> None:
    typer.echo(f"\n{message}", err=True)


def _claim(out: Path, minutes: float) -> None:
    """Make the folder; an earlier demo's parts are removed, anything else is left alone and refused."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / _RECORD).is_file())):
        raise OutputError(f"{out} is there and holds no demo; choose a new folder with --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for part in _PARTS:
            if (out / part).is_dir():
                shutil.rmtree(out / part)
            else:
                (out / part).unlink(missing_ok=True)
        (out / _RECORD).write_text(json.dumps({"minutes": minutes}) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"The demo cannot be written to {out} ({error.strerror}); choose another folder with --out."
        ) from error


def _volume(out: Path) -> tuple[Volume, Volume]:
    """Write the sample and its truth: they are read many times, and other programs can open them."""
    from napari_dense_ssl.volume import open_volume, write_volume

    paths = []
    for sample, part in (("sample:em", "volume.zarr"), ("sample:em-labels", "truth.zarr")):
        made = open_volume(f"{sample}?shape={'x'.join(map(str, SHAPE))}")
        labels = part == "truth.zarr"
        paths.append(write_volume(out / part, made.data, made.voxel_size, made.translation, labels=labels))
    return open_volume(paths[0]), open_volume(paths[1])


def _scores(out: Path, volume: Volume, truth: Volume, classes: int) -> dict[str, Scores]:
    """Name the classes on the trained slices and score the others, for the learned map and the control."""
    from napari_dense_ssl.evaluate import evaluate, kmeans_filter_bank

    trained = Box((0, 0, 0), (TRAINED, *SHAPE[1:]))
    control = kmeans_filter_bank(volume, fit_region=trained, classes=classes)
    fit, score = slice(0, TRAINED), slice(TRAINED, SHAPE[0])
    return {
        "learned": evaluate(out / "prediction.zarr", truth, fit=fit, score=score),
        "filter bank": evaluate(control, truth, fit=fit, score=score),
    }


def _audit(out: Path, volume: Volume, stopped: str) -> Audit:
    """Audit a few crops, and draw the audit's own page."""
    from napari_dense_ssl.evaluate import Audit, audit, write_audit_report

    kept: list[Audit] = []
    follow(keeping(audit(volume, out / "run", crops=CROPS), Audit, kept), stopped=lambda: stopped)
    (found,) = kept
    sizes = volume.voxel_size
    write_audit_report(found, out / "audit.png", title="Synthetic EM", pixel_size=(sizes.y, sizes.x))
    return found


def _report(
    out: Path, volume: Volume, truth: Volume, scores: dict[str, Scores], found: Audit, minutes: float
) -> None:
    """Draw the page on the middle one of the scored slices."""
    from napari_dense_ssl.evaluate.report import ReportPage, read_losses, write_report
    from napari_dense_ssl.volume import open_volume
    from napari_dense_ssl.volume.synthetic import CLASSES

    plane = Box.whole(volume.shape).plane((TRAINED + SHAPE[0]) // 2)
    sizes = volume.voxel_size
    page = ReportPage(
        raw=volume.read(plane)[0],
        classes=open_volume(out / "prediction.zarr" / "labels" / "classes").read(plane)[0],
        error=open_volume(out / "prediction.zarr").read(plane)[0],
        truth=truth.read(plane)[0],
        truth_names=CLASSES,
        title="Synthetic EM: classes learned without labels",
        facts=(
            f"{duration(60 * minutes)} of training on slices 0 to {TRAINED - 1}",
            f"slice {plane.start[0]}, never trained on",
            f"voxels of {sizes.z:g} x {sizes.y:g} x {sizes.x:g} nm (z, y, x)",
        ),
        pixel_size=(sizes.y, sizes.x),
        losses=read_losses(out / "run" / "events.jsonl"),
        scores=scores,
        score_note=f"Slices {TRAINED} to {SHAPE[0] - 1}; classes named on slices 0 to {TRAINED - 1}.",
        audit=found,
    )
    write_report(page, out / "report.png")


def _tell(out: Path, scores: dict[str, Scores], found: Audit) -> None:
    typer.echo(f"{'':<14}" + "".join(f"{heading:>10}" for heading in _COLUMNS.values()))
    for name, one in scores.items():
        figures = one.as_dict()
        typer.echo(f"{name:<14}" + "".join(f"{figures[column]:>10.3f}" for column in _COLUMNS))
    typer.echo("mi_frac: share of the truth's information that the classes tell, 0 to 1.")
    typer.echo(f"audit       {found.sentence}")
    typer.echo(f"report      {out / 'report.png'}; the audit's own page: {out / 'audit.png'}")
    typer.echo(f"prediction  {out / 'prediction.zarr'} (OME-Zarr: the error; labels/classes: the classes)")
    typer.echo(f"look again  napari-dense-ssl open {out / 'volume.zarr'}")
