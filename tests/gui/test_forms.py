from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field
from qtpy.QtWidgets import QLabel

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.engine.recipes import RECIPES
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.evaluate.objects.settings import ObjectSettings
from napari_dense_ssl.gui.forms import SettingsForm
from napari_dense_ssl.playground.digits.settings import DigitsSettings
from napari_dense_ssl.predict.probe_settings import ProbeSettings
from napari_dense_ssl.share.settings import ExportSettings


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["inner"] = "inner"
    sizes: tuple[int, ...] = Field((2, 4), title="Sizes")


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int = Field(
        3, ge=1, le=9, title="Count", description="How many.", json_schema_extra={"unit": "px"}
    )
    rate: float = Field(3e-4, gt=0, lt=1)
    on: bool = True
    name: str = "x"
    mode: Literal["a", "b"] = "a"
    maybe: int | None = Field(5, ge=0)
    never: float | None = None
    inner: Annotated[Inner, Field(title="Inside")] = Field(default_factory=Inner)


def test_values_go_in_and_come_out(qtbot):
    form = SettingsForm(Model)
    qtbot.addWidget(form)
    for model in (
        Model(),
        Model(
            count=9, rate=0.25, on=False, name="y", mode="b", maybe=None, never=1.5, inner=Inner(sizes=(1,))
        ),
    ):
        form.set_values(model)
        assert Model.model_validate(form.values() | {}) == model


def test_limits_units_and_tips_come_from_the_model(qtbot):
    form = SettingsForm(Model)
    qtbot.addWidget(form)
    count = form.editors["count"]
    assert (count.widget.minimum(), count.widget.maximum()) == (1, 9)
    assert count.widget.suffix() == " px"
    assert count.toolTip() == "How many. Unit: px."
    assert form.editors["rate"].widget.minimum() > 0
    form.editors["rate"].set_value(2e-6)
    assert form.editors["rate"].widget.text() == "2e-06"


def test_numbers_can_be_typed_in_scientific_notation(qtbot):
    form = SettingsForm(Model)
    qtbot.addWidget(form)
    box = form.editors["rate"].widget
    box.lineEdit().clear()
    qtbot.keyClicks(box.lineEdit(), "1e-3")
    box.interpretText()
    assert form.values()["rate"] == pytest.approx(1e-3)


def test_changes_are_told(qtbot):
    form = SettingsForm(Model)
    qtbot.addWidget(form)
    with qtbot.waitSignal(form.changed):
        form.editors["inner"].editors["sizes"].set_value((1, 2, 3))


def test_lists_are_shown_short_and_from_their_beginning(qtbot):
    form = SettingsForm(TrainSettings)
    qtbot.addWidget(form)
    scales = form.editors["objective"].editors["sigmas"]
    assert scales.widget.text() == "[1, 2, 4, 8]"
    scales.set_value((0.5, 1.0))
    assert scales.widget.text() == "[0.5, 1]"
    assert scales.widget.cursorPosition() == 0
    labels = scales.parentWidget().findChildren(QLabel)
    assert "Filter scales (px)" in [label.text() for label in labels]


def test_what_cannot_be_read_is_said(qtbot):
    form = SettingsForm(Inner)
    qtbot.addWidget(form)
    form.editors["sizes"].widget.setText("[1, 2")
    with pytest.raises(SettingsError, match="expected a list"):
        form.values()


@pytest.mark.parametrize("name", list(RECIPES))
def test_the_form_of_every_recipe_gives_its_settings_back(qtbot, name):
    settings = RECIPES[name].settings()
    form = SettingsForm(TrainSettings)
    qtbot.addWidget(form)
    form.set_values(settings)
    assert TrainSettings.model_validate(settings.model_dump() | form.values()) == settings


def test_another_objective_brings_its_own_rows(qtbot):
    form = SettingsForm(TrainSettings)
    qtbot.addWidget(form)
    form.set_values(RECIPES["exp5-equivariance"].settings())
    assert "border_trim" in form.editors["objective"].editors
    with qtbot.waitSignal(form.changed):
        form.editors["objective"].editors["border_trim"].set_value(8)
    assert form.values()["objective"]["kind"] == "cross-slice"
    form.set_values(RECIPES["dense-dsm"].settings())
    assert "border_trim" not in form.editors["objective"].editors
    assert form.values()["objective"]["kind"] == "dense-dsm"


def test_every_row_of_the_training_form_has_a_title_and_a_tip(qtbot):
    def check(model: type[BaseModel], form: SettingsForm) -> None:
        for name, editor in form.editors.items():
            field = model.model_fields[name]
            assert field.title, name
            if isinstance(editor, SettingsForm):
                check(type(field.get_default(call_default_factory=True)), editor)
            else:
                assert editor.toolTip(), name

    form = SettingsForm(TrainSettings)
    qtbot.addWidget(form)
    check(TrainSettings, form)


@pytest.mark.parametrize("model", [ProbeSettings, ObjectSettings, DigitsSettings, ExportSettings])
def test_a_form_begins_with_the_defaults(qtbot, model):
    form = SettingsForm(model)
    qtbot.addWidget(form)
    assert model.model_validate(form.values()) == model()
