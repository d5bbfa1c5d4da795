"""A tree over the classes of a run: which become one first when there shall be fewer of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from napari_dense_ssl.core.errors import ClassesError

Group = tuple[int, ...]
"""Classes, counted from 0, ascending."""

Partition = tuple[Group, ...]
"""Groups that hold each class once, by their least class."""


@dataclass(frozen=True)
class ClassTree:
    """A binary tree whose leaves are the classes 0 to K - 1.

    Attributes
    ----------
    merges : tuple of (int, int, float)
        K - 1 of them, lowest first: two nodes and the height at which they become node K + i, as scipy
        numbers them. Heights never fall.
    way : str
        How the distances were measured, such as ``"confusion"``.
    """

    merges: tuple[tuple[int, int, float], ...]
    way: str = ""

    def __post_init__(self) -> None:
        free = set(range(self.classes))
        height = float("-inf")
        for number, (left, right, here) in enumerate(self.merges, start=self.classes):
            if left == right or not {left, right} <= free or not here >= height:
                raise ClassesError(
                    f"The tree of the classes is damaged: merge {number - self.classes} joins nodes "
                    f"{left} and {right} at height {here}; each node is joined once, the "
                    "lowest first. Make it again."
                )
            free = free - {left, right} | {number}
            height = here

    @classmethod
    def from_linkage(cls, linkage: np.ndarray[Any, Any], way: str = "") -> Self:
        """Take over what :func:`scipy.cluster.hierarchy.linkage` returns, shape (K - 1, 4)."""
        rows = np.asarray(linkage, float)
        return cls(tuple((int(a), int(b), float(h)) for a, b, h, *_ in rows), way)

    def linkage(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the tree as scipy has it, shape (K - 1, 4): for its dendrograms."""
        sizes = [len(node) for node in self._nodes[self.classes :]]
        rows = [(*merge, size) for merge, size in zip(self.merges, sizes, strict=True)]
        return np.array(rows, float).reshape(-1, 4)

    @property
    def classes(self) -> int:
        """K."""
        return len(self.merges) + 1

    @cached_property
    def _nodes(self) -> tuple[Group, ...]:
        """The classes below each node."""
        nodes: list[Group] = [(k,) for k in range(self.classes)]
        for left, right, _ in self.merges:
            nodes.append(tuple(sorted(nodes[left] + nodes[right])))
        return tuple(nodes)

    def cut(self, groups: int) -> Partition:
        """Return the partition into that many groups, 1 to K.

        Raises
        ------
        ClassesError
            If there cannot be so many.
        """
        if not 1 <= groups <= self.classes:
            raise ClassesError(
                f"{self.classes} classes cannot make {groups} groups; choose 1 to {self.classes}."
            )
        alive = set(range(self.classes))
        for number, (left, right, _) in enumerate(self.merges[: self.classes - groups], start=self.classes):
            alive = alive - {left, right} | {number}
        return tuple(sorted(self._nodes[node] for node in alive))

    def split(self, classes: Group) -> Partition:
        """Return the two parts that a set of two or more classes falls into at its highest merge."""
        wanted = set(classes)
        for left, right, _ in reversed(self.merges):
            parts = [tuple(sorted(wanted & set(self._nodes[node]))) for node in (left, right)]
            if all(parts):
                return tuple(sorted(parts))
        raise ClassesError(f"A group of {len(wanted)} class cannot be split.")
