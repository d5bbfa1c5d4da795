"""The package's documentation, written from what the run itself recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from napari_dense_ssl.evaluate.audit_result import MEANINGS
from napari_dense_ssl.model.checkpoint_folder import step_of
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.share.sample import short_source


@dataclass(frozen=True)
class Past:
    """What ``events.jsonl`` tells: the last audit, and how long the newest checkpoint was trained.

    Attributes
    ----------
    steps : int
    seconds : float or None
    verdict : str or None
        Of the last audit at or before that step.
    figures : mapping of str to float
    """

    steps: int
    seconds: float | None
    verdict: str | None
    figures: Mapping[str, float]

    @classmethod
    def read(cls, run: RunFolder) -> Past:
        """Read the events of a run up to its newest checkpoint; lines that a crash cut off are left out."""
        steps = max(0, step_of(run.latest()))
        seconds: float | None = None
        verdict: str | None = None
        figures: Mapping[str, float] = {}
        if run.events.is_file():
            with run.events.open(errors="replace") as lines:
                for line in lines:
                    match _record(line):
                        case {"event": "Saved", "step": int(step), "seconds": int() | float() as told}:
                            seconds = float(told) if step == steps else seconds
                        case {
                            "event": "Audited",
                            "step": int(step),
                            "verdict": str(word),
                            "figures": dict(found),
                        }:
                            if step <= steps:
                                verdict, figures = word, found
        return cls(steps, seconds, verdict, figures)


def _record(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def readme(run: RunFolder, name: str, origin: str, past: Past, slices: int, halo: int, multiple: int) -> str:
    """Return the documentation as Markdown.

    Parameters
    ----------
    run : RunFolder
    name : str
        Of the model.
    origin : str
        Where the test input is from.
    past : Past
    slices, halo, multiple : int
        What an input must be: neighbouring slices, px of margin, total stride in px.
    """
    volume, settings, size = run.facts.get("volume", {}), run.settings, run.voxel_size
    intensity = run.intensity
    known = f"{size.z:g} x {size.y:g} x {size.x:g} nm (z, y, x)" if run.voxel_size_known else "not known"
    seen = (
        "one slice at a time"
        if slices == 1
        else f"{slices} neighbouring slices, of which it classifies the middle one"
    )
    trained = f"{past.steps} steps" + ("" if past.seconds is None else f", {past.seconds / 60:.1f} min")
    context = {
        name: settings.get(name)
        for name in ("recipe", "classes", "context", "roi", "seed")
        if name in settings
    }
    return f"""# {name}

A class for every pixel of an electron-microscopy volume, learned **without labels** by
`napari-dense-ssl` ({run.facts.get("software", "unknown version")}).
The classes are found, not named: what they mean is for you to say. Two models trained apart have different
classes.

The network looks at {seen}, and gives {run.classes} logits for each pixel. The class map of the program is
argmax + 1 (0 is 'not predicted').

## Trained on

| | |
| --- | --- |
| volume | {short_source(str(volume.get("source", "unknown")))} ({volume.get("format", "unknown format")}) |
| shape | {" x ".join(str(n) for n in volume.get("shape", ()))} voxels (z, y, x), {volume.get("dtype", "")} |
| voxel size | {known} |
| grey values | mean {float(intensity["mean"]):.5g}, standard deviation {float(intensity["std"]):.5g} |
| training | {trained} |

```yaml
{yaml.safe_dump(context, sort_keys=False).strip()}
```

All settings are in `settings.yaml`; `napari-dense-ssl train --settings settings.yaml` trains again.

## Validation

{_audit(past)}

The test input ({origin}) gives the test output, which `bioimageio test` checks.
To see what the model is worth on your own volume:

```bash
napari-dense-ssl import MODEL.zip --out run
napari-dense-ssl audit VOLUME --run run --truth LABELS --out report.png
napari-dense-ssl predict VOLUME --run run --out classes.zarr
napari-dense-ssl evaluate classes.zarr LABELS
```

`predict` also maps the equivariance error: where the classes are not to be trusted.

## Use with other tools

The inputs are raw grey values; the description normalises them (mean and standard deviation above, clipped to
6 standard deviations). Heights and widths are multiples of {multiple} px; of what is computed in blocks,
{halo} px at each side are to be thrown away, which the description says too.

```python
from bioimageio.core import create_prediction_pipeline, load_model_description
from bioimageio.core.digest_spec import get_test_input_sample

model = load_model_description("MODEL.zip")
sample = get_test_input_sample(model)
with create_prediction_pipeline(model) as pipeline:
    logits = pipeline.predict_sample_without_blocking(sample).members["logits"].data.to_numpy()
classes = logits.argmax(axis=1) + 1  # (1, K, Y, X) -> (1, Y, X)
```

## Limits

- Structures must have the size in pixels that they had in training: resample a volume whose voxels are
  not of the size above.
- Grey values are expected as in training. `napari-dense-ssl predict` normalises a volume by its own where
  they differ; other tools do not.
- Membranes bright or dark, stains and fixations that were not in the volume: expect worse maps.
"""


def _audit(past: Past) -> str:
    if past.verdict is None:
        return "The run was not audited."
    rows = [
        f"| {name.replace('_', ' ')} | {value:.3f} | {meaning} |"
        for name, meaning in MEANINGS.items()
        if isinstance(value := past.figures.get(name), int | float)
    ]
    table = "\n".join(["| figure | value | what it is |", "| --- | --- | --- |", *rows])
    return (
        "Do the classes follow the image, or the place in the crop? The last audit during training said: "
        f"**{past.verdict}**.\n\n{table}"
    )
