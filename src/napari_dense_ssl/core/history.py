"""Undo and redo without limit, for states that never change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class History(Generic[T]):
    """A state, those before it, and those that were undone.

    Attributes
    ----------
    now : T
        The state.
    past, future : nested pairs
        ``(state, the rest)``, nearest first; empty at the end. Pairs share their rest, so that a step costs
        the same however long the history is.
    """

    now: T
    past: tuple[Any, ...] = ()
    future: tuple[Any, ...] = ()

    def do(self, state: T) -> Self:
        """Go on to another state; what was undone is given up. The same state again is no step."""
        if state == self.now:
            return self
        return type(self)(state, (self.now, self.past))

    def amend(self, state: T) -> Self:
        """Put another state in the place of this one, as a slider does that is still being dragged."""
        if self.past and self.past[0] == state:
            return type(self)(state, self.past[1])  # back where it was: no step is left
        return type(self)(state, self.past)

    @property
    def can_undo(self) -> bool:
        """Whether there is a state before."""
        return bool(self.past)

    @property
    def can_redo(self) -> bool:
        """Whether something was undone."""
        return bool(self.future)

    def undo(self) -> Self:
        """Go back a step; at the beginning nothing changes."""
        if not self.past:
            return self
        state, past = self.past
        return type(self)(state, past, (self.now, self.future))

    def redo(self) -> Self:
        """Take an undo back; where there is none nothing changes."""
        if not self.future:
            return self
        state, future = self.future
        return type(self)(state, (self.now, self.past), future)
