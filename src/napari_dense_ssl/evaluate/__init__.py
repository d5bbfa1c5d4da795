"""How good is a class map: scores against truth, a baseline to beat, a page that shows both.

Arrays in, figures out. May import ``volume`` (to read label volumes), ``core``, scikit-learn, scikit-image,
scipy and matplotlib, and ``model`` to load what is audited; torch is imported by the audit of a run only,
no Qt. Begin with :func:`comparing` in ``compare_job.py``: it brings a truth onto the prediction's grid
(``grids.py``), counts both slice by slice into a :class:`Contingency` (``tables.py``), turns that into
:class:`Scores` (``scores.py``) and compares boundaries (``boundaries.py``); :func:`evaluate` runs it
to the end. ``baseline.py`` holds the control, k-means on a filter bank; ``report.py`` draws the page;
``class_tree.py`` makes a tree of distances between classes and scores its cuts.
:func:`audit` (``audit_job.py``) asks whether a network's classes are about the image or about the place:
``audit_figures.py`` defines what is measured, ``audit_verdict.py`` decides. ``objects/`` makes things of
classes: connected components, and cells between membranes.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from napari_dense_ssl.evaluate.audit_figures import Figure
    from napari_dense_ssl.evaluate.audit_job import LightAudit, audit, audit_encoder
    from napari_dense_ssl.evaluate.audit_passes import Encode
    from napari_dense_ssl.evaluate.audit_report import audit_figure, write_audit_report
    from napari_dense_ssl.evaluate.audit_result import Audit
    from napari_dense_ssl.evaluate.audit_torch import TorchEncode
    from napari_dense_ssl.evaluate.audit_verdict import Verdict
    from napari_dense_ssl.evaluate.baseline import FilterBankBaseline, filter_bank, kmeans_filter_bank
    from napari_dense_ssl.evaluate.class_tree import score_cuts, tree_of
    from napari_dense_ssl.evaluate.compare import evaluate, score_classes
    from napari_dense_ssl.evaluate.compare_job import compare_volumes, comparing
    from napari_dense_ssl.evaluate.comparison import Comparison
    from napari_dense_ssl.evaluate.comparison_report import write_comparison
    from napari_dense_ssl.evaluate.objects.job import find_objects, finding_objects
    from napari_dense_ssl.evaluate.objects.measured import Objects, write_objects_table
    from napari_dense_ssl.evaluate.objects.settings import ObjectSettings
    from napari_dense_ssl.evaluate.report import ReportPage, read_losses, report_figure, write_report
    from napari_dense_ssl.evaluate.scores import Scores, score_tables
    from napari_dense_ssl.evaluate.tables import Contingency, contingency
    from napari_dense_ssl.evaluate.tolerance import Tolerance

__all__ = [
    "Audit",
    "Comparison",
    "Contingency",
    "Encode",
    "Figure",
    "FilterBankBaseline",
    "LightAudit",
    "ObjectSettings",
    "Objects",
    "ReportPage",
    "Scores",
    "Tolerance",
    "TorchEncode",
    "Verdict",
    "audit",
    "audit_encoder",
    "audit_figure",
    "compare_volumes",
    "comparing",
    "contingency",
    "evaluate",
    "filter_bank",
    "find_objects",
    "finding_objects",
    "kmeans_filter_bank",
    "read_losses",
    "report_figure",
    "score_classes",
    "score_cuts",
    "score_tables",
    "tree_of",
    "write_audit_report",
    "write_comparison",
    "write_objects_table",
    "write_report",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "audit_figures": ["Figure"],
        "audit_job": ["LightAudit", "audit", "audit_encoder"],
        "audit_passes": ["Encode"],
        "audit_report": ["audit_figure", "write_audit_report"],
        "audit_result": ["Audit"],
        "audit_torch": ["TorchEncode"],
        "audit_verdict": ["Verdict"],
        "baseline": ["FilterBankBaseline", "filter_bank", "kmeans_filter_bank"],
        "class_tree": ["score_cuts", "tree_of"],
        "compare": ["evaluate", "score_classes"],
        "compare_job": ["compare_volumes", "comparing"],
        "comparison": ["Comparison"],
        "comparison_report": ["write_comparison"],
        "objects.job": ["find_objects", "finding_objects"],
        "objects.measured": ["Objects", "write_objects_table"],
        "objects.settings": ["ObjectSettings"],
        "report": ["ReportPage", "read_losses", "report_figure", "write_report"],
        "scores": ["Scores", "score_tables"],
        "tables": ["Contingency", "contingency"],
        "tolerance": ["Tolerance"],
    },
)
