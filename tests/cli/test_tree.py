"""``tree`` from end to end: the run and its map know their groups afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.volume import read_classes, read_map_classes, write_classes
from napari_dense_ssl.volume.class_file import SavedClasses

from .conftest import SMALL, Answer


def test_classes_are_ordered_and_grouped(
    call: Callable[..., Answer], small_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "classes.zarr"
    made = call("predict", SMALL, "--run", small_run, "--out", out, "--what", "classes", "--roi", "0:1,:,:")
    assert made.status == 0, made.err
    words = ("tree", SMALL, "--run", small_run, "--device", "cpu")
    answer = call(*words, "--groups", 3, "--map", out)
    assert answer.status == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == f"classes  {small_run / 'classes.json'}"
    assert len(lines) == 4
    saved = read_classes(small_run / "classes.json")
    assert len(saved.book.groups) == 3
    assert read_map_classes(out) == saved

    named = SavedClasses(saved.book.rename(0, "first"), saved.tree)
    write_classes(small_run / "classes.json", named)
    again = call(*words, "--json")
    found = json.loads(again.out)
    assert found["way"] == "centres"
    tree = ClassTree(tuple((int(a), int(b), float(h)) for a, b, h in found["merges"]), "centres")
    assert tree == saved.tree, "the same squares, the same tree"
    assert read_classes(small_run / "classes.json").book == named.book, "names and groups stay"
    (small_run / "classes.json").unlink()


def test_bad_wishes(call: Callable[..., Answer], small_run: Path, tmp_path: Path) -> None:
    words = ("tree", SMALL, "--run", small_run, "--device", "cpu")
    for more, message in (
        (("--groups", 9), "--groups 9 cannot be had of 8 classes; choose 1 to 8."),
        (("--way", "colour"), "choose of centres, confusion."),
    ):
        answer = call(*words, *more)
        assert answer.status == 2
        assert message in answer.err
    (small_run / "classes.json").write_text("{}")
    answer = call(*words)
    assert answer.status == 2
    assert "holds no names of classes" in answer.err
    (small_run / "classes.json").unlink()
