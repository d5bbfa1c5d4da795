"""All methods over several seeds: the seed document's summary table with figures in place of ticks."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_dense_ssl.core.events import Event, Finished, Started, Step
from napari_dense_ssl.playground.run import play
from napari_dense_ssl.playground.settings import MODELS, playground_settings

COLUMNS: Mapping[str, str] = {
    "knn": "k-NN",
    "knn_rounded": "k-NN at 1 %",
    "effective_rank": "effective rank",
    "spread": "spread",
    "rank_correlation": "energy ~ -log p",
    "score_error": "score error",
    "energy_distance": "energy distance",
    "on_data": "samples on data",
    "modes_found": "modes found",
    "weight_error": "weight error",
}
"""Figures that the table shows, and their headings."""

VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{name: (name, {}) for name in MODELS},
    "jepa-basic + vicreg": ("jepa-basic", {"regulariser": "vicreg"}),
    "jepa-basic + sigreg": ("jepa-basic", {"regulariser": "sigreg"}),
    "jepa-pairwise + vicreg": ("jepa-pairwise", {"regulariser": "vicreg"}),
    "jepa-pairwise + sigreg": ("jepa-pairwise", {"regulariser": "sigreg"}),
    "jepa-ema without predictor": ("jepa-ema", {"predictor": False}),
    "jepa-ema without average": ("jepa-ema", {"decay": 0.0}),
    "jepa-ema without average, gradient not stopped": ("jepa-ema", {"decay": 0.0, "stop_gradient": False}),
    "jepa-ema without predictor and average": ("jepa-ema", {"decay": 0.0, "predictor": False}),
}
"""What is compared: the methods, the collapsing ones with a cure, BYOL with a part left out."""


@dataclass(frozen=True, slots=True)
class Row:
    """A method's figures.

    Attributes
    ----------
    name : str
        Of :data:`VARIANTS`.
    seeds : tuple of int
    figures : mapping of str to ndarray, shape (S,)
        By name, one number a seed.
    """

    name: str
    seeds: tuple[int, ...]
    figures: Mapping[str, np.ndarray[Any, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: mean and standard deviation over the seeds."""
        return {
            "method": self.name,
            "seeds": list(self.seeds),
            "mean": {name: float(values.mean()) for name, values in self.figures.items()},
            "deviation": {name: float(values.std()) for name, values in self.figures.items()},
        }


def compare_methods(
    names: Iterable[str], seeds: Sequence[int], rows: list[Row], **values: Any
) -> Generator[Event]:
    """Run methods over seeds, and append a :class:`Row` a method to `rows`.

    Parameters
    ----------
    names : iterable of str
        Of :data:`VARIANTS`.
    seeds : sequence of int
    rows : list of Row
        Is filled as methods are done.
    **values
        Further settings of every run.

    Yields
    ------
    Event
        A ``Step`` a run.
    """
    chosen = list(names)
    total = len(chosen) * len(seeds)
    yield Started("playground", total, "run", {"methods": len(chosen), "seeds": len(seeds)})
    done = 0
    for name in chosen:
        kind, own = VARIANTS[name]
        found: list[Mapping[str, float]] = []
        for seed in seeds:
            settings = playground_settings(kind, seed=seed, frames=1, walkers=0, **{**own, **values})
            for event in play(settings):
                if isinstance(event, Finished):
                    found.append({key: float(value) for key, value in event.summary.items()})
                elif not isinstance(event, Started | Step):
                    yield event
            done += 1
            yield Step(done, total, done / total, None, 0.0)
        rows.append(
            Row(name, tuple(seeds), {key: np.array([figures[key] for figures in found]) for key in found[0]})
        )
    yield Finished(None, {"runs": total})


def markdown_table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table: means, and the deviation over seeds where it can be seen."""
    lines = [f"| method | {' | '.join(COLUMNS.values())} |", f"| --- |{' ---: |' * len(COLUMNS)}"]
    for row in rows:
        cells = [_cell(name, row.figures[name]) for name in COLUMNS]
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name: str, values: np.ndarray[Any, Any]) -> str:
    mean, deviation = float(values.mean()), float(values.std())
    places = 1 if name == "modes_found" else 4 if name.startswith("knn") else 3
    number = f"{mean:.{places}f}"
    if 0 < mean < 10**-places:
        number = f"{mean:.0e}"
    return f"{number} ± {deviation:.{places}f}" if deviation >= 0.5 * 10**-places else number
