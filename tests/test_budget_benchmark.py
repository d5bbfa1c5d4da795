"""The picture of steps against scores shows the runs that belong together, and no others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(BENCHMARKS)
    import budget

    yield budget
    for name in ("budget", "quality", "baselines", "pictures", "runs_log", "volumes"):
        sys.modules.pop(name, None)


def test_runs_are_told_apart_by_their_network_and_drawn(budget, tmp_path: Path) -> None:
    (case,) = budget.cases(["small"])
    log = budget.RunsLog(tmp_path / "runs.csv")
    with pytest.raises(SystemExit, match="no runs of masked-clusters on small"):
        budget.draw(tmp_path / "none.png", case, log)
    for network, steps in (("default", 60), ("default", 240), ("wide", 60)):
        settings = budget.settings_of(case, network, steps, seed=0)
        row = {"volume": case.name, "method": budget.RECIPE, "steps": steps, "mi_frac": 0.5}
        log.append(row | {"settings": settings.model_dump(mode="json")})
    again = budget.RunsLog(tmp_path / "runs.csv")  # as text
    assert [budget.network_of(row) for row in again.rows] == ["default", "default", "wide"]
    earlier = settings.model_dump(mode="json")
    del earlier["objective"]["pretrained"]  # as before that setting existed
    assert budget.network_of({"settings": str(earlier)}) == "wide"
    other = settings.model_copy(
        update={"optimiser": settings.optimiser.model_copy(update={"learning_rate": 1})}
    )
    row = again.append({"settings": other.model_dump(mode="json")})
    assert budget.network_of(row) is None
    more = settings.model_copy(update={"classes": 100})  # more classes say more of anything
    assert budget.network_of({"settings": str(more.model_dump(mode="json"))}) is None
    budget.draw(tmp_path / "budget.png", case, again)
    assert (tmp_path / "budget.png").stat().st_size > 5000
