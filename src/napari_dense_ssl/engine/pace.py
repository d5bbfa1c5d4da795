"""How often something may be done that takes time from the training: live maps, audits."""

from __future__ import annotations


class Pace:
    """Says when a look at the training is due: not too soon, and never more than its share of the time.

    After a look that took `c` seconds the next is not due before ``c (1 - share) / share`` seconds have
    passed: looks then take at most `share` of any stretch of time that ends where one may begin.

    Parameters
    ----------
    seconds : float
        Shortest time from the end of a look to the beginning of the next, s.
    share : float
        Largest share of the time that looks may take, 0 to 1.
    now : float
        What the clock shows at the beginning, s. It should stand still while the training is paused: the
        time of a pause is no one's cost.
    """

    def __init__(self, seconds: float, share: float, now: float) -> None:
        self._least, self._share = seconds, share
        self._next = now + seconds

    def due(self, now: float) -> bool:
        """Whether the next look may begin."""
        return now >= self._next

    def took(self, begun: float, ended: float) -> None:
        """Tell it of a look: when it began and ended."""
        cost = max(0.0, ended - begun)
        self._next = ended + max(self._least, cost * (1 - self._share) / self._share)
