"""Groups of classes scored by the names that people gave them: which is called like which true label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.class_book import ClassBook
from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.evaluate.label_sources import LabelSource

_SHOWN = 8  # names in a sentence


def grouped(source: LabelSource) -> LabelSource:
    """Return a prediction in which each group of classes is one label: that of its first class.

    Raises
    ------
    ScoreError
        If nothing of it was named.
    """
    book = source.book
    if book is None or not any(book.is_named(group[0]) for group in book.groups):
        raise ScoreError(
            f"No class of {source.name} has a name; name groups in the Classes dock first, or compare "
            "without names."
        )
    lookup = np.zeros(book.classes + 1, np.int64)
    for group in book.groups:
        lookup[np.array(group) + 1] = group[0] + 1
    return replace(source, array=_Grouped(source.array, lookup))


class _Grouped:
    """Labels that are replaced as they are read; those beyond the table stay.

    Parameters
    ----------
    source : array-like, shape (Z, Y, X)
    lookup : ndarray, shape (K + 1,)
    """

    def __init__(self, source: Any, lookup: NDArray[np.int64]) -> None:
        self._source, self._lookup = source, lookup
        self.shape, self.dtype = source.shape, np.dtype(np.int64)

    def __getitem__(self, index: Any) -> NDArray[np.int64]:
        labels = np.asarray(self._source[index]).astype(np.int64)
        known = (labels >= 0) & (labels < len(self._lookup))
        return np.where(known, self._lookup[np.where(known, labels, 0)], labels)


def called_alike(
    prediction: LabelSource, truth: LabelSource, names: Mapping[int, str] | None = None
) -> tuple[dict[int, int], str]:
    """Match named groups with the labels of the truth that are called the same.

    Capitals and blanks make no difference. Two groups of one name are one class of the truth.

    Parameters
    ----------
    prediction : LabelSource
        Whose book has named groups, see :func:`grouped`.
    truth : LabelSource
    names : mapping of int to str, optional
        Of the truth's labels, in place of those that its file or layer gives.

    Returns
    -------
    given : dict of int to int
        The truth's label of each group, which goes by its first class's label.
    note : str
        One sentence: what is named by name, and what is not.

    Raises
    ------
    ScoreError
        If the truth's labels have no names, two of them have the same, or none is a group's.
    """
    book = prediction.book or ClassBook(1)
    called = dict(names) if names else truth.book.names if truth.book is not None else {}
    true = _by_name(called, truth.name)
    named = {group[0] + 1: book.name(group[0]) for group in book.groups if book.is_named(group[0])}
    given = {label: true[_plain(name)] for label, name in named.items() if _plain(name) in true}
    others = [name for label, name in named.items() if label not in given]
    if not given:
        raise ScoreError(
            f"None of the groups ({_listed(list(named.values()))}) is called like a class of the truth "
            f"({_listed(list(called.values()))}); rename the groups, or compare without names."
        )
    note = f"Named by name: {_listed([named[label] for label in given])}."
    if others or len(named) < len(book.groups):
        without = f"not called like a class of the truth ({_listed(others)})" if others else "without a name"
        both = " or without a name" if others and len(named) < len(book.groups) else ""
        note = f"{note[:-1]}; groups {without}{both} go by the true class that they meet most."
    return given, note


def parse_names(text: str) -> dict[int, str]:
    """Read names of labels as people type them.

    Raises
    ------
    ScoreError
        If it is no list of them.

    Examples
    --------
    >>> parse_names("1 = membrane, 3=mitochondrion")
    {1: 'membrane', 3: 'mitochondrion'}
    """
    found: dict[int, str] = {}
    for part in text.split(","):
        label, _, name = part.partition("=")
        if not label.strip().isdecimal() or not name.strip():
            raise ScoreError(
                f"{part.strip()!r} is no name of a label; write them as 1=membrane, 3=mitochondrion."
            )
        found[int(label)] = name.strip()
    return found


def _by_name(names: Mapping[int, str], source: str) -> dict[str, int]:
    if not names:
        raise ScoreError(
            f"The labels of the truth, {source}, have no names; give them as 1=membrane, 2=glia "
            "(--truth-names, Names of the truth in the dock)."
        )
    found: dict[str, int] = {}
    for label, name in names.items():
        if _plain(name) in found:
            raise ScoreError(
                f"Two labels of the truth, {found[_plain(name)]} and {label}, are called {name}; give them "
                "different names."
            )
        found[_plain(name)] = label
    return found


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
