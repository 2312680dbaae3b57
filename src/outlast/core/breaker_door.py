"""Whether anything at all answers at one host: evidence that flows down to every plane behind it.

A busy bot spreads its calls over several planes, so that each breaker alone sees only some of them.
Together they tell sooner that nobody is there. What they tell is kept apart from the planes: a door
opens no breaker by itself, it only shortens the way of a plane that fails as well.
"""

from __future__ import annotations

from math import inf
from typing import Final

__all__ = ["SHUT_AFTER", "Door"]

SHUT_AFTER: Final = 30
"""Failures in a row, of whatever kind of request. Where 60 % of all requests fail at random, as
many come in a row once in 11 million requests, and at 70 % once in 150,000."""
FORGET_AFTER_S: Final = 300.0
"""A row with a longer pause in it begins anew; as `BreakerSettings.forget_after_s`."""


class Door:
    """The row of requests to one host that nobody there has answered.

    Anything that the venue itself answers ends it, a business refusal or a cancel as well: here the
    question is not whether a plane works, only whether somebody is at home.
    """

    __slots__ = ("_answered_at", "_failed_at", "unanswered")

    def __init__(self) -> None:
        self.unanswered = 0
        """How long the row is."""
        self._answered_at = -inf
        self._failed_at = -inf

    @property
    def is_shut(self) -> bool:
        return self.unanswered >= SHUT_AFTER

    def answered(self, now: float) -> None:
        self.unanswered, self._answered_at = 0, now

    def failed(self, now: float, *, sent_at: float) -> None:
        """One more that failed. What was sent before the last answer came says nothing of today."""
        if sent_at < self._answered_at:
            return
        if now - self._failed_at > FORGET_AFTER_S:
            self.unanswered = 0
        self.unanswered, self._failed_at = self.unanswered + 1, now
