"""Names, colours and groups of classes: any way there can be gone back, and forth again."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dense_ssl.core.class_book import ClassBook, Look
from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.core.errors import ClassesError
from napari_dense_ssl.core.history import History

# ((0 1) ((2 3) 4)): heights 1, 2, 3, 4
TREE = ClassTree(((0, 1, 1.0), (2, 3, 2.0), (6, 4, 3.0), (5, 7, 4.0)), "by hand")


@st.composite
def trees(draw: Any) -> ClassTree:
    """Any binary tree over 2 to 9 classes."""
    classes = draw(st.integers(2, 9))
    free = list(range(classes))
    merges = []
    for number in range(classes, 2 * classes - 1):
        left = free.pop(draw(st.integers(0, len(free) - 1)))
        right = free.pop(draw(st.integers(0, len(free) - 1)))
        merges.append((left, right, float(number)))
        free.append(number)
    return ClassTree(tuple(merges))


@st.composite
def changes(draw: Any, book: ClassBook, tree: ClassTree) -> ClassBook:
    """Anything that is done to a book."""
    some = st.integers(0, tree.classes - 1)
    one = draw(some)
    match draw(st.sampled_from(["merge", "split", "single", "cut", "rename", "recolour"])):
        case "merge":
            return book.merge(draw(st.lists(some, max_size=4)))
        case "split":
            return book.split(one, tree)
        case "single":
            return book.split(one)
        case "cut":
            return book.cut(tree, draw(st.integers(1, tree.classes)))
        case "rename":
            return book.rename(one, draw(st.sampled_from(["", "a", " b  c ", "ä"])))
        case _:
            return book.recolour(one, draw(st.sampled_from([None, (1, 2, 3), (255, 0, 9)])))


@st.composite
def steps(draw: Any) -> tuple[ClassTree, list[ClassBook]]:
    """A tree, and the books that a person makes one after another, the untouched one first."""
    tree = draw(trees())
    books = [ClassBook(tree.classes)]
    for _ in range(draw(st.integers(0, 12))):
        books.append(draw(changes(books[-1], tree)))
    return tree, books


@given(steps())
def test_undone_it_is_the_start_and_redone_the_end(made: tuple[ClassTree, list[ClassBook]]) -> None:
    _, books = made
    history = History(books[0])
    for book in books[1:]:
        history = history.do(book)
    seen = [history.now]
    while history.can_undo:
        history = history.undo()
        seen.append(history.now)
    assert history.now == books[0] == ClassBook(books[0].classes)
    distinct = [books[0], *(b for a, b in pairwise(books) if a != b)]
    assert seen == distinct[::-1]
    for expected in distinct[1:]:
        history = history.redo()
        assert history.now == expected
    assert not history.can_redo
    assert history.redo() is history


@given(steps())
def test_each_class_is_in_one_group_whatever_is_done(made: tuple[ClassTree, list[ClassBook]]) -> None:
    _, books = made
    for book in books:
        assert sorted(k for group in book.groups for k in group) == list(range(book.classes))
        lookup = book.lookup()
        assert sorted(set(lookup.tolist())) == list(range(len(book.groups) + 1))
        for group in book.groups:
            labels = np.array(group) + 1
            assert len({int(n) for n in lookup[labels]}) == 1
            assert len({tuple(row) for row in book.table()[labels]}) == 1
            assert len({book.name(k) for k in group}) == 1


@given(trees(), st.data())
def test_a_finer_cut_divides_the_groups_of_a_coarser_one(tree: ClassTree, data: Any) -> None:
    coarse = data.draw(st.integers(1, tree.classes))
    fine = data.draw(st.integers(coarse, tree.classes))
    assert len(tree.cut(coarse)) == coarse
    for group in tree.cut(fine):
        assert any(set(group) <= set(other) for other in tree.cut(coarse))


@given(trees())
def test_splitting_goes_down_the_tree_as_cutting_does(tree: ClassTree) -> None:
    whole = tuple(range(tree.classes))
    assert tree.split(whole) == tree.cut(2)
    assert ClassTree.from_linkage(tree.linkage()) == tree


def test_cuts_by_hand() -> None:
    assert TREE.cut(5) == ((0,), (1,), (2,), (3,), (4,))
    assert TREE.cut(3) == ((0, 1), (2, 3), (4,))
    assert TREE.cut(2) == ((0, 1), (2, 3, 4))
    assert TREE.split((2, 3, 4)) == ((2, 3), (4,))
    assert TREE.split((1, 3, 4)) == ((1,), (3, 4))  # a group made by hand, which is no branch
    with pytest.raises(ClassesError, match="5 classes cannot make 6 groups; choose 1 to 5"):
        TREE.cut(6)
    with pytest.raises(ClassesError, match="joins nodes 0 and 0"):
        ClassTree(((0, 0, 1.0),))
    with pytest.raises(ClassesError, match="lowest first"):
        ClassTree(((0, 1, 2.0), (2, 3, 1.0)))
    with pytest.raises(ClassesError):
        ClassTree(((0, 1, float("nan")),))


def test_names_stay_with_the_groups_they_were_given_to() -> None:
    book = ClassBook(5).cut(TREE, 2).rename(3, "  dark   matter ")
    assert [book.name(k) for k in range(5)] == ["0 +1", "0 +1", *["dark matter"] * 3]
    finer = book.cut(TREE, 3)
    assert [finer.name(k) for k in (2, 3, 4)] == ["2 +1", "2 +1", "4"]
    assert finer.cut(TREE, 2) == book
    everything = finer.cut(TREE, 1)
    assert everything.name(0) == "dark matter +2", "known by its largest part that has a name"
    assert everything.rename(0, "all").rename(0, "").name(0) == "dark matter +2"


def test_what_is_merged_keeps_a_name_and_a_colour() -> None:
    book = ClassBook(5).rename(4, "membrane").recolour(2, (10, 20, 30)).merge([0, 2, 4])
    assert book.groups == ((0, 2, 4), (1,), (3,))
    assert book.name(0) == "membrane"
    assert book.colour(4) == (10, 20, 30)
    apart = book.split(2)
    assert (apart.name(0), apart.name(2), apart.name(4)) == ("0", "2", "membrane")
    assert apart.merge([0, 2, 4]) == book
    assert book.merge([0, 4]) is book, "they are one group already"
    assert book.merge([]) is book


def test_colours() -> None:
    book = ClassBook(5).merge([1, 3])
    np.testing.assert_allclose(book.table()[[2, 4]], class_colours()[[2, 2]], atol=1 / 255)
    red = book.recolour(3, (255, 0, 0))
    np.testing.assert_array_equal(red.table()[[2, 4], :3], [[1, 0, 0]] * 2)
    assert red.recolour(1, None) == book
    np.testing.assert_array_equal(red.table()[6:], class_colours()[6:])
    with pytest.raises(ClassesError, match="from 0 to 255"):
        book.recolour(1, (256, 0, 0))


def test_books_that_cannot_be() -> None:
    with pytest.raises(ClassesError, match="1 to 255 classes, not 256"):
        ClassBook(256)
    with pytest.raises(ClassesError, match="each of the classes 0 to 2 once"):
        ClassBook(3, ((0, 1), (1, 2)))
    with pytest.raises(ClassesError, match="given to classes"):
        ClassBook(3, looks={(2, 3): Look("x")})
    with pytest.raises(ClassesError, match="There is no class 3"):
        ClassBook(3).rename(3, "x")
    with pytest.raises(ClassesError, match="tree is of 5 classes, the names are of 3"):
        ClassBook(3).cut(TREE, 2)


def test_a_slider_that_is_dragged_is_one_step() -> None:
    history = History(0).do(1).do(2).amend(3).amend(4)
    assert history.undo().now == 1
    assert history.undo().redo() == history
    back = History(0).do(5).amend(0)
    assert back == History(0)
    assert not back.can_undo


def test_a_new_step_gives_up_what_was_undone() -> None:
    history = History(0).do(1).undo().do(2)
    assert not history.can_redo
    assert history.undo().now == 0
    assert History(0).do(0) == History(0)
