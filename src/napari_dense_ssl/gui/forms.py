"""Forms drawn from pydantic settings: one row a field, with its limits, unit and description."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal, Union

import annotated_types
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.gui.fields import NumberBox, form, shrinkable

_INT_MAX = 2**31 - 1


class Editor(QWidget):
    """The widget of one field: a value to read and to set."""

    changed = Signal()

    def __init__(self, widget: QWidget) -> None:
        super().__init__()
        self.widget = widget
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(widget, 1)

    def value(self) -> Any:
        """Return what the user entered, as plain Python."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a value."""
        raise NotImplementedError


class NumberEditor(Editor):
    """A whole or a real number within limits, with its unit."""

    def __init__(self, field: FieldInfo, whole: bool) -> None:
        box: Any = QSpinBox() if whole else NumberBox()
        super().__init__(box)
        if whole:
            box.setRange(-_INT_MAX, _INT_MAX)
        low, high = _limits(field, 1 if whole else 1e-12)
        if low is not None:
            box.setMinimum(low)
        if high is not None:
            box.setMaximum(min(high, _INT_MAX) if whole else high)
        if unit := unit_of(field):
            box.setSuffix(f" {unit}")
        box.setMinimumWidth(70)
        box.valueChanged.connect(lambda _: self.changed.emit())

    def value(self) -> Any:
        """Return the number."""
        return self.widget.value()

    def set_value(self, value: Any) -> None:
        """Show a number."""
        self.widget.setValue(value)


class CheckEditor(Editor):
    """Yes or no."""

    def __init__(self) -> None:
        super().__init__(QCheckBox())
        self.widget.toggled.connect(lambda _: self.changed.emit())

    def value(self) -> Any:
        """Return whether it is checked."""
        return bool(self.widget.isChecked())

    def set_value(self, value: Any) -> None:
        """Check or uncheck."""
        self.widget.setChecked(bool(value))


class ChoiceEditor(Editor):
    """One of a few values."""

    def __init__(self, choices: tuple[Any, ...]) -> None:
        super().__init__(shrinkable(QComboBox()))
        for choice in choices:
            self.widget.addItem(str(choice), choice)
        self.widget.currentIndexChanged.connect(lambda _: self.changed.emit())

    def value(self) -> Any:
        """Return the chosen value."""
        return self.widget.currentData()

    def set_value(self, value: Any) -> None:
        """Choose a value."""
        self.widget.setCurrentIndex(self.widget.findData(value))


class TextEditor(Editor):
    """A text, or any structure as YAML: ``[2, 2, 4]``."""

    def __init__(self, plain: bool) -> None:
        super().__init__(QLineEdit())
        self.plain = plain
        self.widget.setMinimumWidth(60)
        self.widget.textChanged.connect(lambda _: self.changed.emit())

    def value(self) -> Any:
        """Return the text, or the structure that it spells."""
        text = self.widget.text().strip()
        if self.plain:
            return text
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SettingsError(f"{text!r} cannot be read; expected a list such as [2, 2, 4].") from error

    def set_value(self, value: Any) -> None:
        """Show a text or a structure."""
        if self.plain:
            self.widget.setText("" if value is None else str(value))
        else:
            self.widget.setText(
                yaml.safe_dump(_plain(value), default_flow_style=True).split("\n...")[0].strip()
            )
        self.widget.setCursorPosition(0)  # else a narrow field shows the end only, without its bracket


class OptionalEditor(Editor):
    """A value that can be absent: a box to check, and the value's own editor beside it."""

    def __init__(self, inner: Editor, fallback: Any) -> None:
        self.check = QCheckBox()
        self.check.setToolTip("Unchecked: chosen automatically, or not used")
        super().__init__(self.check)
        self.inner = inner
        layout = self.layout()
        layout.setStretch(0, 0)
        layout.addWidget(inner, 1)
        if fallback is not None:
            inner.set_value(fallback)
        inner.setEnabled(False)
        self.check.toggled.connect(inner.setEnabled)
        self.check.toggled.connect(lambda _: self.changed.emit())
        inner.changed.connect(self.changed)

    def value(self) -> Any:
        """Return the value, None where unchecked."""
        return self.inner.value() if self.check.isChecked() else None

    def set_value(self, value: Any) -> None:
        """Show a value; None unchecks."""
        self.check.setChecked(value is not None)
        if value is not None:
            self.inner.set_value(value)


class SettingsForm(QWidget):
    """A form for a settings model, which begins with its defaults; nested models become titled groups.

    Parameters
    ----------
    model : type of BaseModel
        Gives the rows: title, description (tooltip), limits, unit (``json_schema_extra={"unit": ...}``).
    leave_out : frozenset of str
        Fields of the outermost model that are not shown.
    """

    changed = Signal()

    def __init__(self, model: type[BaseModel], leave_out: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.model = model
        self.editors: dict[str, Editor | SettingsForm] = {}
        self._fixed: dict[str, Any] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        rows = form()
        column.addLayout(rows)
        for name, field in model.model_fields.items():
            if name in leave_out:
                continue
            nested = _model_of(field.annotation)
            title = field.title or name.replace("_", " ").capitalize()
            if nested is not None:
                group = QGroupBox(title)
                group.setToolTip(field.description or "")
                inside = QVBoxLayout(group)
                inside.setContentsMargins(6, 6, 6, 6)
                column.addWidget(group)
                self._put_inside(name, nested, inside)
                continue
            editor = _editor(field)
            if editor is None:
                self._fixed[name] = field.get_default(call_default_factory=False)
                continue
            editor.setToolTip(_tip(field))
            editor.widget.setAccessibleName(title)
            if not field.is_required():
                editor.set_value(field.get_default(call_default_factory=True))
            editor.changed.connect(self.changed)
            unit = unit_of(field) if isinstance(editor, TextEditor) else ""  # numbers carry theirs
            rows.addRow(f"{title} ({unit})" if unit else title, editor)
            label = rows.labelForField(editor)
            label.setToolTip(_tip(field))
            label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
            self.editors[name] = editor

    def values(self) -> dict[str, Any]:
        """Return what was entered, for the model's ``model_validate``."""
        return self._fixed | {
            name: editor.values() if isinstance(editor, SettingsForm) else editor.value()
            for name, editor in self.editors.items()
        }

    def set_values(self, settings: BaseModel) -> None:
        """Show the values of settings; where a union holds another model than before, its rows."""
        for name, editor in list(self.editors.items()):
            value = getattr(settings, name)
            if not isinstance(editor, SettingsForm):
                editor.set_value(value)
                continue
            if type(value) is not editor.model:
                inside = editor.parentWidget().layout()
                inside.removeWidget(editor)
                editor.hide()
                editor.deleteLater()
                editor = self._put_inside(name, type(value), inside)
            editor.set_values(value)

    def let_change(self, names: frozenset[str] | None) -> None:
        """Let only fields of these names be changed, and look at the others; None lets all be changed."""
        for name, editor in self.editors.items():
            editor.setEnabled(names is None or name in names)

    def _put_inside(self, name: str, model: type[BaseModel], layout: Any) -> SettingsForm:
        """Put the form of a nested model into its group."""
        inner = SettingsForm(model)
        inner.changed.connect(self.changed)
        layout.addWidget(inner)
        self.editors[name] = inner
        return inner


def unit_of(field: FieldInfo) -> str:
    """Return the unit of a field; empty where it has none."""
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def _limits(field: FieldInfo, small: float) -> tuple[Any, Any]:
    """Return the least and the greatest value that a field takes; None where there is no limit."""
    low: Any = None
    high: Any = None
    for limit in field.metadata:
        match limit:
            case annotated_types.Ge():
                low = limit.ge
            case annotated_types.Gt():
                low = limit.gt + small  # type: ignore[operator]
            case annotated_types.Le():
                high = limit.le
            case annotated_types.Lt():
                high = limit.lt - small  # type: ignore[operator]
            case _:
                continue
    return low, high


def _tip(field: FieldInfo) -> str:
    unit = unit_of(field)
    return f"{field.description or ''}{f' Unit: {unit}.' if unit else ''}".strip()


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """Return the settings model that a field holds; of a union's members the first."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for member in _members(annotation):
        if (found := _model_of(member)) is not None:
            return found
    return None


def _bare(annotation: Any) -> Any:
    """Return an annotation without its ``Annotated`` wrapping."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation


def _members(annotation: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(annotation) in (Union, types.UnionType)
    return typing.get_args(annotation) if is_union else ()


def _editor(field: FieldInfo) -> Editor | None:
    """Return the editor of a field that is no model; None where there is nothing to choose."""
    annotation = _bare(field.annotation)
    members = [_bare(member) for member in _members(annotation)]
    if type(None) in members:
        rest = [member for member in members if member is not type(None)]
        inner = _plain_editor(rest[0] if len(rest) == 1 else object, field)
        return None if inner is None else OptionalEditor(inner, field.get_default(call_default_factory=False))
    return _plain_editor(annotation, field)


def _plain_editor(annotation: Any, field: FieldInfo) -> Editor | None:
    if typing.get_origin(annotation) is Literal:
        choices = typing.get_args(annotation)
        return ChoiceEditor(choices) if len(choices) > 1 else None
    if annotation is bool:
        return CheckEditor()
    if annotation in (int, float):
        return NumberEditor(field, whole=annotation is int)
    return TextEditor(plain=annotation is str)


def _plain(value: Any) -> Any:
    """Return a structure with lists for tuples, as YAML writes them, and whole numbers without a point."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
