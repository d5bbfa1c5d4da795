"""The audit's page."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib import image as mpl_image
from tests.evaluate import made_up
from tests.evaluate.made_up import audited, coded_volume

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.evaluate import Audit, audit_figure, write_audit_report


@pytest.fixture(scope="module")
def audit() -> Audit:
    return audited(made_up.bands, crops=8, truth=coded_volume()[1])


def test_the_page_says_verdict_figures_and_what_the_pictures_are(audit: Audit) -> None:
    figure = audit_figure(audit, title="run on stack.tif", pixel_size=(4.6, 4.6))
    texts = {text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))}
    wanted = ("Verdict: positional", "run on stack.tif", "leak", "mi_frac", f"{audit.values['leak']:.3f}")
    more = ("White noise", "Same pixels, crop moved", "dB (more is better)", "area (%)", "class 1: 12.5%")
    for text in (*wanted, *more):
        assert text in texts, text


def test_it_is_saved_as_a_picture_or_as_one_html_file(audit: Audit, tmp_path: Path) -> None:
    picture = mpl_image.imread(write_audit_report(audit, tmp_path / "audit.png", dpi=40))
    assert picture.shape[1] == 640
    page = write_audit_report(audit, tmp_path / "audit.html", title="a < b", dpi=40).read_text("utf-8")
    assert "a &lt; b" in page
    assert "data:image/png;base64,iVBOR" in page
    assert "<td>content</td>" in page


@pytest.mark.parametrize("name", ["audit.docx", "audit", "missing/audit.png"])
def test_what_cannot_be_written_is_said(audit: Audit, tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"cannot be written"):
        write_audit_report(audit, tmp_path / name)
