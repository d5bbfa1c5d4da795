"""The table of classes and its groups, by mouse and keyboard, and what they do to colours."""

from __future__ import annotations

import random

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QColorDialog, QLineEdit

from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.gui.class_groups import GroupsField
from napari_dense_ssl.gui.class_model import ClassModel
from napari_dense_ssl.gui.class_rows import COLOUR, ERROR, GREY, NAME, SHARE, SORT
from napari_dense_ssl.gui.class_table import ClassTable
from napari_dense_ssl.predict.class_figures import ClassFigures

CLASSES = np.array([[1, 1, 1, 1, 1, 3, 3, 3, 12, 12]], np.uint8)
ERROR_MAP = np.array([[0.1] * 5 + [0.4] * 3 + [np.nan] * 2], np.float32)
GREYS = np.array([[10] * 5 + [200] * 3 + [50] * 2], np.uint8)


@pytest.fixture
def table(qtbot) -> ClassTable:
    table = ClassTable(ClassModel())
    qtbot.addWidget(table)
    table.resize(320, 400)
    table.set_figures(ClassFigures.of(CLASSES, ERROR_MAP, GREYS), whole=False)
    table.show()
    qtbot.waitExposed(table)
    return table


def cells(table: ClassTable, column: int) -> list[str]:
    rows = range(table.sorted.rowCount())
    return [table.sorted.index(row, column).data() for row in rows]


def click_row(qtbot, table: ClassTable, row: int, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    place = table.view.visualRect(table.sorted.index(row, SHARE)).center()
    qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def test_what_it_says(table):
    assert cells(table, NAME) == ["0", "2", "11"], "numbers from 0, the commonest first"
    assert cells(table, SHARE) == ["50.0 %", "30.0 %", "20.0 %"]
    assert cells(table, GREY) == ["10.0", "200.0", "50.0"]
    assert cells(table, ERROR) == ["0.100", "0.400", "–"]
    colour = table.sorted.index(1, COLOUR).data(Qt.ItemDataRole.DecorationRole).pixmap(14).toImage()
    wanted = [round(255 * c) for c in class_colours()[3, :3]]
    assert list(colour.pixelColor(7, 7).getRgb()[:3]) == pytest.approx(wanted, abs=1)
    title = table.rows.headerData(SHARE, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
    assert title == "Share of what is computed so far"


def test_columns_sort_as_numbers(table):
    table.view.sortByColumn(GREY, Qt.SortOrder.AscendingOrder)
    assert cells(table, GREY) == ["10.0", "50.0", "200.0"]
    table.view.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)
    assert cells(table, NAME) == ["0", "2", "11"]


def test_searching(qtbot, table):
    table.model.rename(3, "Membrane")
    qtbot.keyClicks(table.search, "mem")
    assert cells(table, NAME) == ["Membrane"]
    table.select([12])
    assert table.search.text() == "", "a class that is picked is found whatever was searched for"
    assert table.selection() == [12]
    table.model.rename(3, " ")
    assert cells(table, NAME) == ["0", "2", "11"]


def test_chosen_classes_stand_out(qtbot, table):
    click_row(qtbot, table, 0)
    click_row(qtbot, table, 2, Qt.KeyboardModifier.ControlModifier)
    assert table.selection() == [1, 12]
    alpha = table.model.table()[:, 3]
    assert (alpha[0], alpha[1], alpha[12]) == (0, 1, 1)
    assert alpha[3] == 0.25
    drawn = table.model.colormap().map(np.array([0, 1, 3], np.uint8))
    np.testing.assert_allclose(drawn[:, 3], [0, 1, 0.25])
    np.testing.assert_allclose(drawn[1:, :3], class_colours()[[1, 3], :3], atol=1e-6)


def test_hide_isolate_and_show_all(qtbot, table):
    click_row(qtbot, table, 1)
    qtbot.mouseClick(table.hide_button, Qt.MouseButton.LeftButton)
    assert table.model.hidden == {3}
    assert table.selection() == []
    click_row(qtbot, table, 0)
    qtbot.mouseClick(table.isolate_button, Qt.MouseButton.LeftButton)
    assert np.flatnonzero(table.model.table()[:, 3]).tolist() == [1]
    qtbot.mouseClick(table.all_button, Qt.MouseButton.LeftButton)
    np.testing.assert_array_equal(table.model.table(), class_colours())
    assert not table.all_button.isEnabled()
    assert not table.hide_button.isEnabled()


def test_with_the_keyboard(qtbot, table):
    table.view.setFocus()
    table.view.setCurrentIndex(table.sorted.index(0, NAME))
    qtbot.keyClick(table.view, Qt.Key.Key_Down)
    assert table.selection() == [3]
    qtbot.keyClick(table.view, Qt.Key.Key_Space)
    assert table.model.hidden == {3}
    qtbot.keyClick(table.view, Qt.Key.Key_Space)
    assert table.model.hidden == frozenset()


def test_new_figures_keep_what_is_chosen(table):
    table.select([3])
    more = np.array([[2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 7]], np.uint8)
    table.set_figures(ClassFigures.of(more), whole=True)
    assert cells(table, NAME) == ["2", "1", "6"]
    assert table.selection() == [3]
    table.set_figures(ClassFigures(), whole=True)
    assert table.selection() == []
    assert cells(table, NAME) == []


def test_only_what_looks_different_is_drawn_again(table):
    told = []
    table.rows.dataChanged.connect(lambda *_: told.append(1))
    table.set_figures(ClassFigures.of(CLASSES, ERROR_MAP, GREYS), whole=False)
    assert not told
    table.set_figures(ClassFigures.of(CLASSES, ERROR_MAP, GREYS + 1), whole=False)
    assert told
    assert cells(table, GREY) == ["11.0", "201.0", "51.0"]


def test_columns_have_room_for_what_they_may_hold(table):
    metrics, header = table.view.fontMetrics(), table.view.horizontalHeader()
    narrow = header.sectionSize(NAME)
    table.set_figures(ClassFigures.of(CLASSES, ERROR_MAP, np.full(CLASSES.shape, -123456.0)), whole=False)
    for column, widest in ((SHARE, "100.0 %"), (GREY, "-1.23e+05"), (ERROR, "0.123")):
        assert header.sectionSize(column) >= metrics.horizontalAdvance(widest) + 8
        assert header.sectionSize(column) >= header.sectionSizeHint(column)
    assert narrow > header.sectionSize(NAME) >= 80, "the rest is the name's"
    table.set_figures(ClassFigures.of(CLASSES), whole=False)
    assert table.view.isColumnHidden(ERROR), "where no error is known"


def test_another_run_has_its_own_look(table):
    table.select([3])
    table.model.hide([1])
    other = ClassModel()
    table.use(other)
    assert table.selection() == []
    assert other.hidden == frozenset()
    assert table.sorted.index(0, NAME).data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked


# -- groups ------------------------------------------------------------------------------------------------

# classes 0 and 2 (labels 1 and 3) first, then 11 (label 12), then the nine that do not occur here
TREE = ClassTree(
    (
        (0, 2, 1.0),  # 12
        (12, 11, 2.0),  # 13
        (1, 3, 3.0),  # 14
        *((13 + k, 3 + k, 3.0 + k) for k in range(1, 8)),  # 15 to 21
        (13, 21, 20.0),
    )
)


@pytest.fixture
def field(table) -> GroupsField:
    table.use(model := ClassModel(12))
    model.set_tree(TREE)
    field = GroupsField(table)
    table.layout().addWidget(field)
    return field


def press(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_the_slider_groups_rows_and_colours(qtbot, table, field):
    assert (field.slider.minimum(), field.slider.maximum(), field.slider.value()) == (2, 12, 12)
    field.slider.setFocus()
    qtbot.keyClick(field.slider, Qt.Key.Key_Home)
    assert cells(table, NAME) == ["0 +2"]
    assert cells(table, SHARE) == ["100.0 %"]
    assert cells(table, GREY) == ["75.0"]
    np.testing.assert_array_equal(table.model.table()[[1, 3, 12]], class_colours()[[1, 1, 1]])
    assert field.sentence.text() == "12 classes in 2 groups, by the tree."
    qtbot.keyClick(field.slider, Qt.Key.Key_End)
    assert cells(table, NAME) == ["0", "2", "11"]
    field.number.setValue(10)
    assert cells(table, NAME) == ["0 +2"]
    field.number.setValue(11)
    assert cells(table, NAME) == ["0 +1", "11"]
    assert cells(table, SHARE) == ["80.0 %", "20.0 %"]
    assert cells(table, ERROR) == ["0.213", "–"]
    press(qtbot, field.undo_button)
    assert field.number.value() == field.slider.value() == 10
    press(qtbot, field.redo_button)
    assert cells(table, NAME) == ["0 +1", "11"]


def test_a_drag_is_taken_back_at_once(table, field):
    field.slider.setSliderDown(True)
    for groups in (9, 7, 5, 4):
        field.slider.setSliderPosition(groups)
    field.slider.setSliderDown(False)
    assert len(table.model.book.groups) == 4
    table.model.undo()
    assert len(table.model.book.groups) == 12
    assert not table.model.can_undo


def test_merging_splitting_naming(qtbot, table, field):
    assert not field.merge_button.isEnabled()
    click_row(qtbot, table, 0)
    click_row(qtbot, table, 2, Qt.KeyboardModifier.ControlModifier)
    press(qtbot, field.merge_button)
    assert cells(table, NAME) == ["0 +1", "2"]
    assert cells(table, SHARE) == ["70.0 %", "30.0 %"]
    assert table.selection() == [1, 12], "what was merged is chosen"
    assert field.sentence.text() == "12 classes in 11 groups, by hand."

    table.view.setFocus()
    table.view.setCurrentIndex(table.sorted.index(0, NAME))
    qtbot.keyClick(table.view, Qt.Key.Key_F2)
    editor = table.view.findChild(QLineEdit)
    assert editor.text() == "0 +1"
    editor.setText(" dark  things ")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: cells(table, NAME) == ["dark things (2)", "2"])
    tip = table.sorted.index(0, NAME).data(Qt.ItemDataRole.ToolTipRole)
    assert tip == "dark things: classes 0, 11; their labels in the layer are one more"

    table.select([12])
    press(qtbot, field.split_button)
    assert cells(table, NAME) == ["0", "2", "11"]
    assert table.selection() == [1, 12], "so that they can be merged again"
    for _ in range(3):
        press(qtbot, field.undo_button)
    assert cells(table, NAME) == ["0", "2", "11"]
    assert table.model.untouched is False, "there is something to redo"
    assert not field.undo_button.isEnabled()
    for _ in range(2):
        press(qtbot, field.redo_button)
    assert cells(table, NAME) == ["dark things (2)", "2"]


def test_a_group_of_three_falls_apart_by_the_tree_or_at_once(table, field):
    table.model.merge([1, 3, 12])
    table.select([1])
    field.split()
    assert cells(table, NAME) == ["0 +1", "11"]
    table.model.undo()
    table.select([1])
    field.split(singly=True)
    assert cells(table, NAME) == ["0", "2", "11"]


def test_hiding_choosing_and_picking_take_the_whole_group(qtbot, table, field):
    table.model.merge([1, 3])
    table.select([3])  # a pixel of class 2 was picked
    assert table.selection() == [1, 3]
    assert table.model.table()[[1, 3, 12], 3].tolist() == [1, 1, 0.25]
    qtbot.mouseClick(table.isolate_button, Qt.MouseButton.LeftButton)
    assert np.flatnonzero(table.model.table()[:, 3]).tolist() == [1, 3]
    table.model.undo()
    assert np.flatnonzero(table.model.table()[:, 3]).tolist() == [1, 3], "what is seen stays what is seen"
    table.model.redo()
    table.select([])
    table.model.show_all()
    row = table.sorted.index(0, NAME)
    table.sorted.setData(row, Qt.CheckState.Unchecked, Qt.ItemDataRole.CheckStateRole)
    assert table.model.hidden == {1, 3}


def test_a_colour_by_double_click(qtbot, table, field, monkeypatch):
    asked = []

    def choose(now, parent, title):
        asked.append((now.name(), title))
        return QColor("#102030")

    monkeypatch.setattr(QColorDialog, "getColor", choose)
    table.model.merge([1, 3])
    place = table.view.visualRect(table.sorted.index(0, COLOUR)).center()
    qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert [title for _, title in asked] == ["Colour of 0 +1"]
    np.testing.assert_allclose(255 * table.model.colours[[1, 3], :3], [[16, 32, 48]] * 2)
    table.model.undo()
    np.testing.assert_allclose(table.model.colours[[1, 3]], class_colours()[[1, 1]], atol=1 / 255)
    QApplication.processEvents()


def test_names_are_found_and_kept_when_the_same_group_comes_back(table, field):
    table.model.cut(11)
    table.model.rename(3, "membrane")
    table.model.cut(12)
    assert cells(table, NAME) == ["0", "2", "11"]
    table.model.cut(10)
    assert cells(table, NAME) == ["membrane +1"]
    table.model.cut(11)
    table.search.setText("MEMB")
    assert cells(table, NAME) == ["membrane (2)"]


def test_without_a_tree_there_is_a_button_in_the_sliders_place(table):
    field = GroupsField(table)
    assert field.find_button.isVisibleTo(field)
    assert not field.slider.isVisibleTo(field)
    assert not field.find_button.isEnabled(), "nothing is open yet"
    table.model.set_tree(ClassTree(tuple((k if k == 0 else 254 + k, k + 1, float(k)) for k in range(254))))
    assert field.slider.isVisibleTo(field)
    assert not field.find_button.isVisibleTo(field)


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_go_while_they_are_chosen_take_nothing_with_them(qtbot, seed):
    """Searching, naming and grouping in any order; Qt's own tables of rows were torn once."""
    chance, rng = random.Random(seed), np.random.default_rng(seed)
    model = ClassModel(20)
    table = ClassTable(model)
    qtbot.addWidget(table)
    table.show()

    def compute():
        maps = rng.choice(np.arange(1, chance.choice([6, 12, 21])), (32, 32)).astype(np.uint8)
        table.set_figures(ClassFigures.of(maps, *rng.random((2, 32, 32))), whole=False)

    def choose():
        table.select(chance.sample(table.rows.labels, min(2, len(table.rows.labels))))
        chance.choice((table.isolate_button, table.hide_button, table.all_button)).click()

    def search():
        table.search.setText(chance.choice(["", "1", "a name", "nobody has it"]))

    def name():
        label = chance.choice(table.rows.labels)
        (chosen,) = table.rows.match(table.rows.index(0, NAME), SORT, float(label)) or [None]
        table.rows.setData(chosen, chance.choice(["a name", "another"]), Qt.ItemDataRole.EditRole)

    def group():
        model.do(model.book.merge(chance.sample(range(20), 2)))

    compute()
    for _ in range(300):
        chance.choice([compute, choose, choose, search, search, name, group, model.undo])()
        if chance.random() < 0.2:
            QTest.qWait(1)
    QTest.qWait(1)
    table.search.clear()
    assert table.sorted.rowCount() == len(table.rows.labels)
    assert set(table.selection()) == set(model.widened(model.chosen))
