"""How good is a class map: scores against truth, a baseline to beat, a page that shows both.

Arrays in, figures out. May import ``volume`` (to read label volumes), ``core``, scikit-learn, scikit-image,
scipy and matplotlib; no torch, no Qt. Begin with :func:`evaluate` in ``compare.py``: it cuts two label
volumes into slabs, counts them into a :class:`Contingency` (``tables.py``) and turns that into
:class:`Scores` (``scores.py``). ``baseline.py`` holds the control, k-means on a filter bank; ``report.py``
draws the page.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from napari_dense_ssl.evaluate.baseline import FilterBankBaseline, filter_bank, kmeans_filter_bank
    from napari_dense_ssl.evaluate.compare import evaluate, score_classes
    from napari_dense_ssl.evaluate.report import ReportPage, read_losses, report_figure, write_report
    from napari_dense_ssl.evaluate.scores import Scores, score_tables
    from napari_dense_ssl.evaluate.tables import Contingency, contingency

__all__ = [
    "Contingency",
    "FilterBankBaseline",
    "ReportPage",
    "Scores",
    "contingency",
    "evaluate",
    "filter_bank",
    "kmeans_filter_bank",
    "read_losses",
    "report_figure",
    "score_classes",
    "score_tables",
    "write_report",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "baseline": ["FilterBankBaseline", "filter_bank", "kmeans_filter_bank"],
        "compare": ["evaluate", "score_classes"],
        "report": ["ReportPage", "read_losses", "report_figure", "write_report"],
        "scores": ["Scores", "score_tables"],
        "tables": ["Contingency", "contingency"],
    },
)
