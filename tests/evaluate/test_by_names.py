"""Groups of classes scored by the names that people gave them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_dense_ssl import evaluate
from napari_dense_ssl.cli.main import app
from napari_dense_ssl.core.class_book import ClassBook
from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate import compare_volumes
from napari_dense_ssl.evaluate.by_names import parse_names
from napari_dense_ssl.volume import SavedClasses, Volume, create_output, write_map_classes

SHAPE = (2, 8, 10)
TRUTH = np.repeat(np.repeat(np.array([1, 1, 2, 3, 3], np.uint8), 2)[None, None], 8, 1).repeat(2, 0)
# columns 0 to 9 of classes 0 to 5: 0 0 1 1 2 2 3 4 5 5; of label 1: 4 columns, of 2: 2, of 3: 4
MAP = np.repeat(np.array([1, 1, 2, 2, 3, 3, 4, 5, 6, 6], np.uint8)[None, None], 8, 1).repeat(2, 0)
NAMES = {1: "membrane", 2: "glia", 3: "cytoplasm"}


def predicted(folder: Path, book: ClassBook | None) -> Path:
    out = folder / "classes.zarr"
    source = Volume.from_arrays([np.zeros(SHAPE, np.uint8)], voxel_size=(50, 5, 5), source="sample:em")
    output = create_output(out, source, provenance={})
    output.write("classes", Box.whole(SHAPE), MAP)
    output.complete()
    if book is not None:
        write_map_classes(out, SavedClasses(book))
    return out


def truth(folder: Path) -> Path:
    tifffile.imwrite(folder / "truth.tif", TRUTH, photometric="minisblack")
    return folder / "truth.tif"


BOOK = ClassBook(6).merge([0, 1, 2]).rename(0, "Membrane").merge([3, 4]).rename(3, "cytoplasm")


def test_named_groups_go_by_their_names_and_others_by_majority(tmp_path):
    found = compare_volumes(predicted(tmp_path, BOOK), truth(tmp_path), by_names=True, truth_names=NAMES)
    scores = found.scores
    # membrane: columns 0 to 5 where 0 to 3 are true; cytoplasm: 6 and 7, and 8, 9 by majority
    assert scores.names == {1: 1, 4: 3, 6: 3}
    assert scores.iou == {1: 4 / 6, 2: 0.0, 3: 1.0}
    assert scores.classes_used == 3, "a group is one label"
    (note,) = found.notes
    assert note == (
        "Named by name: Membrane, cytoplasm; groups without a name go by the true class that they meet most."
    )
    by_majority = evaluate(predicted(tmp_path / "b", None), truth(tmp_path))
    assert by_majority.iou == {1: 1.0, 2: 1.0, 3: 1.0}


def test_a_name_that_the_truth_has_not_goes_by_majority_and_is_told(tmp_path):
    book = BOOK.rename(3, "vesicles")
    found = compare_volumes(predicted(tmp_path, book), truth(tmp_path), by_names=True, truth_names=NAMES)
    assert found.scores.names == {1: 1, 4: 3, 6: 3}
    assert "groups not called like a class of the truth (vesicles) or without a name go by" in found.notes[0]


def test_a_wrong_name_counts_as_wrong(tmp_path):
    book = ClassBook(6).merge([0, 1]).rename(0, "glia")
    scores = evaluate(predicted(tmp_path, book), truth(tmp_path), by_names=True, truth_names=NAMES)
    assert scores.iou[1] == 0
    assert scores.iou[2] == pytest.approx(2 / 6), "columns 4 and 5 by majority, and 0 to 3 by their name"


def test_what_cannot_be_compared_by_names_is_said(tmp_path):
    map_, other = predicted(tmp_path, BOOK), truth(tmp_path)
    for keywords, said in (
        ({"truth_names": {1: "soma"}}, "None of the groups (Membrane, cytoplasm) is called like a class of"),
        ({}, "have no names; give them as 1=membrane"),
        ({"truth_names": {1: "a", 2: "A "}}, "Two labels of the truth, 1 and 2, are called A"),
        ({"named": True, "label": "classes"}, "not by both"),
    ):
        with pytest.raises(ScoreError) as caught:
            evaluate(map_, other, by_names=True, **keywords)
        assert said in str(caught.value)
    with pytest.raises(ScoreError, match=r"No class of .* has a name; name groups in the Classes dock first"):
        evaluate(predicted(tmp_path / "b", None), other, by_names=True, truth_names=NAMES)
    for text in ("membrane", "1=", "a=b"):
        with pytest.raises(ScoreError, match="is no name of a label"):
            parse_names(text)


def test_the_command_and_the_names_of_a_truth_in_ome_zarr(tmp_path):
    map_, other = predicted(tmp_path, BOOK), truth(tmp_path)
    wanted = evaluate(map_, other, by_names=True, truth_names=NAMES)
    names = ",".join(f"{k}={name}" for k, name in NAMES.items())
    command = ["evaluate", str(map_), str(other), "--by-names", "--truth-names", names, "--json"]
    answer = CliRunner().invoke(app, command)
    assert answer.exit_code == 0, answer.stderr
    printed = json.loads(answer.stdout)
    assert printed["iou"] == {str(k): value for k, value in wanted.iou.items()}
    assert printed["notes"][0].startswith("Named by name: Membrane")
    # a prediction as truth: its names lie beside it
    book = ClassBook(6).rename(0, "membrane").rename(1, "glia").rename(5, "cytoplasm")
    beside = predicted(tmp_path / "b", book)
    again = evaluate(map_, beside, by_names=True)
    assert again.names[1] == 1
    assert again.names[4] == 6
    answer = CliRunner().invoke(app, ["evaluate", str(map_), str(other), "--by-names"])
    assert answer.exit_code == 2
    assert "have no names" in answer.stderr
