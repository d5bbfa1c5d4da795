from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.engine import RECIPES, TrainSettings, recipe
from napari_dense_ssl.engine.schedule import generation_span, learning_rate
from napari_dense_ssl.engine.settings import OptimiserSettings, read_settings
from napari_dense_ssl.objective.settings import MaskedClustersSettings


def models(settings: BaseModel) -> list[BaseModel]:
    nested = [getattr(settings, name) for name in type(settings).model_fields]
    return [settings, *(m for child in nested if isinstance(child, BaseModel) for m in models(child))]


@pytest.mark.parametrize("name", RECIPES)
def test_settings_survive_their_yaml(name: str) -> None:
    settings = RECIPES[name].settings()
    assert settings.recipe == name
    assert TrainSettings.model_validate(yaml.safe_load(yaml.safe_dump(settings.to_yaml()))) == settings


@pytest.mark.parametrize("name", RECIPES)
def test_every_field_has_a_title_and_all_but_names_a_description(name: str) -> None:
    for model in models(RECIPES[name].settings()):
        for name, field in type(model).model_fields.items():
            assert field.title, name
            assert field.description or name == "kind", name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"classes": 1}, "classes"),
        ({"classes": 255}, "classes"),
        ({"colour": 3}, "colour"),
        ({"minutes": None}, "no budget"),
        ({"sampler": {"crop": 256}}, "does not fit"),
        ({"sampler": {"crop": 100}}, "multiple"),
        ({"objective": {"mask_share": 2}}, "mask_share"),
        ({"objective": {"kind": "magic"}}, "'masked-clusters', 'cross-slice', 'dense-iic'"),
    ],
)
def test_settings_out_of_their_limits_are_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        TrainSettings.model_validate(change)


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="masked-clusters"):
        recipe("magic")


def test_a_settings_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- 1\n")
    with pytest.raises(SettingsError, match="expected a table"):
        read_settings(tmp_path / "a.yaml")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path / "none.yaml")


def test_generations_divide_the_budget() -> None:
    settings = MaskedClustersSettings(generations=3, first_share=0.4)
    spans = [generation_span(settings, f) for f in (0.0, 0.39, 0.41, 0.69, 0.71, 0.99, 1.0)]
    assert [s[0] for s in spans] == [0, 0, 1, 1, 2, 2, 2]
    assert spans[2][1:] == pytest.approx((0.4, 0.7))
    assert spans[-1][1:] == pytest.approx((0.7, 1.0))
    assert generation_span(MaskedClustersSettings(generations=1), 0.8) == (0, 0.0, 1.0)


def test_the_rate_rises_and_falls() -> None:
    settings = OptimiserSettings(learning_rate=1.0, warmup_share=0.1)
    assert learning_rate(settings, 0.05) == pytest.approx(0.5)
    assert learning_rate(settings, 0.1) == pytest.approx(1.0)
    assert learning_rate(settings, 1.0) == pytest.approx(0.02)
