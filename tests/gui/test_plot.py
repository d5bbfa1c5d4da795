from __future__ import annotations

import numpy as np

from napari_dense_ssl.gui.plot import LossPlot, is_share


def test_curves_by_name(qtbot):
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.add(1, {"hidden": 4.0})
    plot.add(2, {"hidden": 3.0, "agreement": 0.25})
    plot.redraw()
    x, y = plot._curves["hidden"].getData()
    np.testing.assert_array_equal(x, [1, 2])
    np.testing.assert_array_equal(y, [4, 3])
    _, shares = plot._curves["agreement"].getData()
    np.testing.assert_array_equal(shares, [np.nan, 0.25])
    assert plot._curves["agreement"].getViewBox() is plot._shares
    text = plot.legend.text().replace("&nbsp;", " ")
    assert "hidden 3 nats" in text
    assert "agreement 0.25" in text
    assert list(plot.values) == ["hidden", "agreement"]
    plot.clear()
    plot.add(1, {"seen": 1.0})
    plot.redraw()
    assert list(plot._curves) == ["seen"]


def test_what_is_a_share():
    assert [name for name in ("loss", "agreement", "class share", "hidden") if is_share(name)] == [
        "agreement",
        "class share",
    ]
