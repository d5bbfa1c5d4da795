"""The table of classes, by mouse and keyboard, and what it does to colours."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.gui.class_model import ClassModel
from napari_dense_ssl.gui.class_table import ERROR, GREY, NAME, SHARE, ClassTable
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
    colour = table.sorted.index(1, NAME).data(Qt.ItemDataRole.DecorationRole).pixmap(14).toImage()
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
    for column, widest in ((SHARE, "100.0 %"), (GREY, "-1.23e+05"), (ERROR, "0.123")):
        assert header.sectionSize(column) >= metrics.horizontalAdvance(widest) + 8
        assert header.sectionSize(column) >= header.sectionSizeHint(column)
    assert header.sectionSize(NAME) >= 80, "the rest is the name's"


def test_another_run_has_its_own_look(table):
    table.select([3])
    table.model.hide([1])
    other = ClassModel()
    table.use(other)
    assert table.selection() == []
    assert other.hidden == frozenset()
    assert table.sorted.index(0, NAME).data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked
