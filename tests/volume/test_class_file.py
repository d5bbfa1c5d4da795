"""The file of names: read back as it was written, and refused with a sentence where it is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from napari_dense_ssl.core.class_book import ClassBook
from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.core.errors import ClassesError, OutputError
from napari_dense_ssl.volume.class_file import SavedClasses, read_classes, write_classes

TREE = ClassTree(((0, 1, 0.25), (2, 3, 0.5), (4, 5, 1.0)), "confusion")
BOOK = (
    ClassBook(4)
    .cut(TREE, 3)
    .rename(1, "Membran »ä« 膜")
    .recolour(0, (255, 128, 0))
    .rename(3, "x")
    .merge([0, 3])
)
SAVED = SavedClasses(BOOK, TREE, "abc")


def test_it_comes_back_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    write_classes(path, SAVED)
    assert read_classes(path) == SAVED
    code = (
        "import sys; from napari_dense_ssl.volume.class_file import read_classes as r;"
        "found = r(sys.argv[1]); print(ascii(found.book.name(0)), found.book.groups, found.tree.cut(2))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert told == f"{BOOK.name(0)!a} {BOOK.groups} {TREE.cut(2)}"
    assert [file.name for file in tmp_path.iterdir()] == ["classes.json"], "nothing is left beside it"


def changed(**changes: object) -> str:
    """Return the text of a good file with some entries replaced."""
    good = {
        "kind": "napari-dense-ssl classes",
        "format": 1,
        "classes": 3,
        "groups": [[0], [1, 2]],
        "looks": [{"classes": [1, 2], "name": "a", "colour": "#010203"}],
        "tree": {"way": "", "merges": [[1, 2, 0.5], [0, 3, 1]]},
    }
    return json.dumps(good | changes)


def test_a_file_of_the_least_entries(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text(changed())
    found = read_classes(path)
    assert (found.book.name(2), found.book.colour(1)) == ("a", (1, 2, 3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON text"),
        ("[" * 100_000, "no JSON text"),
        ("[]", "holds no names of classes"),
        ('{"classes": 3}', "holds no names of classes"),
        (changed(format=2, software="later 9"), "has format 2, this version reads format 1.*later 9"),
        (changed(classes=0), "damaged"),
        (changed(classes=5), "each of the classes 0 to 4 once"),
        (changed(groups=[[0, 1], [1, 2]]), "once"),
        (changed(groups="all"), "damaged"),
        (changed(looks=[{"classes": [7], "name": "a"}]), "classes go from 0 to 2"),
        (changed(looks=[{"classes": [1], "colour": "red"}]), "damaged .looks.0.colour"),
        (changed(looks=[{"classes": [1], "run": "rm"}]), "damaged"),
        (changed(tree={"merges": [[0, 1, 1]]}), "its tree is of 2 classes, its names of 3"),
        (changed(tree={"merges": [[0, 1, 1], [0, 3, 1]]}), "tree of the classes is damaged"),
        (changed(tree={"merges": [[0, 1, float("nan")], [2, 3, 1]]}), "damaged"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ClassesError, match=message) as refused:
        read_classes(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_file_no_text_no_room(tmp_path: Path) -> None:
    with pytest.raises(ClassesError, match="cannot be read"):
        read_classes(tmp_path / "none.json")
    with pytest.raises(ClassesError, match="cannot be read"):
        read_classes(tmp_path)
    binary = tmp_path / "binary.json"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(ClassesError, match="no JSON text"):
        read_classes(binary)
    with pytest.raises(OutputError, match="cannot be written"):
        write_classes(tmp_path / "not there" / "classes.json", SAVED)
