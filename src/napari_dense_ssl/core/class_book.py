"""Names, colours and groups of the classes of a run: a state that never changes, and what makes new ones.

A *class* is a number from 0 to K - 1; its *label* in a class map is that number + 1. A *group* is a set of
classes that count as one: each class is in one group, at first alone. Names and colours belong to sets of
classes, so that a group that comes back, after the tree was cut elsewhere, has its own again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from napari_dense_ssl.core.class_tree import ClassTree, Group, Partition
from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.core.errors import ClassesError

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

MOST_CLASSES = 255
"""What labels of one byte can tell apart, beside 0."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a set of classes was given by hand.

    Attributes
    ----------
    name : str
        Empty for none.
    colour : Colour or None
    """

    name: str = ""
    colour: Colour | None = None

    def __bool__(self) -> bool:
        return bool(self.name) or self.colour is not None


@dataclass(frozen=True)
class ClassBook:
    """Groups, names and colours of K classes. All methods that change something return another book.

    Attributes
    ----------
    classes : int
        K, 1 to 255.
    groups : Partition
        By default each class alone.
    looks : mapping of Group to Look
        What was given by hand, to groups of now and of other times; not to be changed.
    """

    classes: int
    groups: Partition = ()
    looks: Mapping[Group, Look] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not 1 <= self.classes <= MOST_CLASSES:
            raise ClassesError(f"A class map has 1 to {MOST_CLASSES} classes, not {self.classes}.")
        if not self.groups:
            object.__setattr__(self, "groups", tuple((k,) for k in range(self.classes)))
        if sorted(k for group in self.groups for k in group) != list(range(self.classes)):
            raise ClassesError(
                f"The groups do not hold each of the classes 0 to {self.classes - 1} once; what "
                "they came from is wrong."
            )
        for group in self.looks:
            if not group or not set(group) <= set(range(self.classes)):
                raise ClassesError(
                    f"A name or colour is given to classes {list(group)}, but classes go from 0 to "
                    f"{self.classes - 1}."
                )
        object.__setattr__(self, "groups", _ordered(self.groups))

    # -- looking things up -----------------------------------------------------------------------------

    @cached_property
    def index(self) -> tuple[int, ...]:
        """Which group each class is in."""
        found = [0] * self.classes
        for number, group in enumerate(self.groups):
            for k in group:
                found[k] = number
        return tuple(found)

    def group_of(self, class_: int) -> Group:
        """Return the group that a class is in."""
        self._check([class_])
        return self.groups[self.index[class_]]

    def name(self, class_: int) -> str:
        """Return the name of a class's group: its own, or its leading part's and how many more it has.

        Examples
        --------
        >>> book = ClassBook(4).rename(1, "membrane").merge([1, 3])
        >>> book.name(3), book.name(0), ClassBook(4).merge([1, 3]).name(3)
        ('membrane', '0', '1 +1')
        """
        group = self.group_of(class_)
        own = self.looks.get(group, Look()).name
        if own:
            return own
        leader = self._leader(group)
        name = self.looks[leader].name if leader in self.looks else ""
        rest = len(group) - len(leader)
        return f"{name or leader[0]} +{rest}" if rest else name or str(leader[0])

    def is_named(self, class_: int) -> bool:
        """Whether a class's group was given a name of its own."""
        return bool(self.looks.get(self.group_of(class_), Look()).name)

    @property
    def names(self) -> dict[int, str]:
        """The names that were given, by label: class + 1."""
        return {k + 1: self.name(k) for k in range(self.classes) if self.is_named(k)}

    def colour(self, class_: int) -> Colour:
        """Return the colour of a class's group: its own, or that of its leading part."""
        group = self.group_of(class_)
        for part in (group, self._leader(group)):
            own = self.looks.get(part, Look()).colour
            if own is not None:
                return own
        red, green, blue = np.rint(255 * class_colours()[self._leader(group)[0] + 1, :3]).astype(int).tolist()
        return red, green, blue

    def _leader(self, group: Group) -> Group:
        """Return the part that a group is known by: the largest that has a name, else its first class."""
        inside = set(group)
        named = [part for part, look in self.looks.items() if look.name and set(part) < inside]
        return min(named, key=lambda part: (-len(part), part), default=group[:1])

    def lookup(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the number of the group (1 to n, 0 for 'not predicted') by label, shape (K + 1,)."""
        return np.array([0, *(number + 1 for number in self.index)], np.uint8)

    def table(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return what each label is drawn with, RGBA in [0, 1], shape (256, 4); labels beyond K as always."""
        table = class_colours().copy()
        for group in self.groups:
            table[np.array(group) + 1, :3] = np.array(self.colour(group[0])) / 255
        return table

    # -- changing --------------------------------------------------------------------------------------

    def merge(self, classes: Iterable[int]) -> Self:
        """Make one group of all groups that these classes are in.

        It takes over the first name and the first colour that were given to one of them; where it was a
        group before, it has its own back.
        """
        given = list(classes)
        self._check(given)
        parts = list(dict.fromkeys(self.group_of(k) for k in given))
        if len(parts) < 2:
            return self
        joined = tuple(sorted(k for part in parts for k in part))
        rest = tuple(group for group in self.groups if group not in parts)
        looks = dict(self.looks)
        if joined not in looks:
            named = (looks[part].name for part in parts if part in looks)
            coloured = (looks[part].colour for part in parts if part in looks)
            look = Look(next(filter(None, named), ""), next(filter(None, coloured), None))
            if look:
                looks[joined] = look
        return replace(self, groups=_ordered((*rest, joined)), looks=looks)

    def split(self, class_: int, tree: ClassTree | None = None) -> Self:
        """Split a class's group in two where a tree joins it last; without a tree, into single classes."""
        group = self.group_of(class_)
        if len(group) == 1:
            return self
        if tree is not None:
            self._check_tree(tree)
        parts = tuple((k,) for k in group) if tree is None else tree.split(group)
        rest = tuple(other for other in self.groups if other != group)
        return replace(self, groups=_ordered((*rest, *parts)))

    def cut(self, tree: ClassTree, groups: int) -> Self:
        """Group all classes anew, by a tree.

        Raises
        ------
        ClassesError
            If the tree is of other classes, or there cannot be so many groups.
        """
        self._check_tree(tree)
        return replace(self, groups=tree.cut(groups))

    def rename(self, class_: int, name: str) -> Self:
        """Name a class's group; an empty name takes it back."""
        return self._with(self.group_of(class_), name=" ".join(name.split()))

    def recolour(self, class_: int, colour: Colour | None) -> Self:
        """Give a class's group a colour; None takes it back."""
        if colour is not None and not (len(colour) == 3 and all(0 <= value <= 255 for value in colour)):
            raise ClassesError(f"A colour is red, green and blue from 0 to 255, not {colour}.")
        return self._with(self.group_of(class_), colour=colour)

    def _with(self, group: Group, **changes: Any) -> Self:
        looks = dict(self.looks)
        look = replace(looks.pop(group, Look()), **changes)
        if look:
            looks[group] = look
        return replace(self, looks=looks)

    def _check(self, classes: Iterable[int]) -> None:
        wrong = [k for k in classes if not 0 <= k < self.classes]
        if wrong:
            raise ClassesError(f"There is no class {wrong[0]}: they go from 0 to {self.classes - 1}.")

    def _check_tree(self, tree: ClassTree) -> None:
        if tree.classes != self.classes:
            raise ClassesError(
                f"The tree is of {tree.classes} classes, the names are of {self.classes}; make the tree of "
                "the run that the map comes from."
            )


def _ordered(groups: Iterable[Iterable[int]]) -> Partition:
    return tuple(sorted(tuple(sorted(int(k) for k in group)) for group in groups))
