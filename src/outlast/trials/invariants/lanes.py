"""Cancels and exits go first and are never shed; nothing outlasts its deadline (7, 13, P4)."""

from __future__ import annotations

from collections import deque
from typing import Final

from outlast.errors import BreakerOpen, TradingHalted
from outlast.trials.invariants.case import Case, Family
from outlast.trials.invariants.facts import Attempt, ClientFacts
from outlast.trials.watching import Answer, Asked, End

__all__ = ["Lanes"]

_WAITED_S: Final = 0.001
_LATE_S: Final = 0.5
"""A call may come back this much after its deadline: the round trip of what it does last."""
_WRITING_S: Final = 3.0
"""So long may the writing of one request with a nonce hold the next one."""
_BEHIND: Final = frozenset({"trade", "data"})
_REMEMBERED: Final = 256
_BY_PAIR: Final = "trading"
"""Kraken's counter of orders, one for each pair. A cancel takes from it the more the younger its
order is, which its record does not say."""
_SAFETY_CALLS: Final = frozenset({"cancel", "cancel_all", "close_position"})


class Lanes(Family):
    slugs = ("safety-lane-first", "deadlines-kept", "p4-exits-never-shed")

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._lower: dict[str, deque[Attempt]] = {}
        self._waited: dict[str, deque[Attempt]] = {}
        """Safety attempts that had to wait: a lower one that overtook them may report later."""

    def attempted(self, c: ClientFacts, attempt: Attempt) -> None:
        self.case.examined["deadlines-kept"] += 1
        late_s = attempt.sent_s - attempt.deadline_s
        if late_s > 0 and not c.was_frozen(attempt.asked_s, attempt.sent_s):
            self.fail(
                "deadlines-kept",
                f"{c.name}: {attempt} started {late_s:.3f} s after its deadline",
            )
        if attempt.lane in _BEHIND:
            self._lower.setdefault(c.name, deque(maxlen=_REMEMBERED)).append(attempt)
            for waited in self._waited.get(c.name, ()):
                self._check_overtaken(c, waited, attempt)
        elif attempt.lane == "safety":
            self.case.examined["safety-lane-first"] += 1
            if attempt.sent_s - attempt.asked_s > _WAITED_S:
                self._waited.setdefault(c.name, deque(maxlen=_REMEMBERED)).append(attempt)
                for other in self._lower.get(c.name, ()):
                    self._check_overtaken(c, attempt, other)

    def _check_overtaken(self, c: ClientFacts, safety: Attempt, other: Attempt) -> None:
        if safety.incarnation != other.incarnation:
            return
        if not safety.asked_s + _WAITED_S < other.sent_s < safety.sent_s - _WAITED_S:
            return
        if safety.has_nonce and not other.has_nonce:
            return  # it may have waited for its turn to be written, which the other needed not
        if safety.has_nonce and other.sent_s - safety.asked_s < _WRITING_S:
            return  # the other was being written when it came
        if _BY_PAIR in safety.costs and (
            _BY_PAIR not in other.costs or _symbol(c, safety) != _symbol(c, other)
        ):
            return  # Kraken counts what is done to orders by pair: there was room for the other's
        # What was let go took from every counter that the safety request needed, and as much: so
        # there was room for that one.
        had_room = all(
            other.costs.get(counter, 0) >= units for counter, units in safety.costs.items() if units
        )
        if had_room and not c.was_frozen(safety.asked_s, safety.sent_s):
            self.fail(
                "safety-lane-first",
                f"{c.name}: {safety} waited since {safety.asked_s:.3f} s, and was overtaken by "
                f"{other}",
                key=f"{c.name}/{safety.sent_s}",
            )

    def answered(self, c: ClientFacts, asked: Asked, answer: Answer) -> None:
        if answer.end not in (End.RETURNED, End.RAISED):
            return
        if asked.call in _SAFETY_CALLS:
            self.case.examined["p4-exits-never-shed"] += 1
            if isinstance(answer.error, BreakerOpen | TradingHalted):
                self.fail(
                    "p4-exits-never-shed",
                    f"{c.name}: {asked.call} of {asked.client_order_id or asked.symbol} was shed: "
                    f"{type(answer.error).__name__}: {answer.error}",
                )
        if asked.deadline_s is None:
            return
        self.case.examined["deadlines-kept"] += 1
        due_s = asked.at_s + asked.deadline_s
        if answer.at_s > due_s + _LATE_S and not c.was_frozen(asked.at_s, answer.at_s):
            self.fail(
                "deadlines-kept",
                f"{c.name}: {asked.call} (call {asked.number}), asked at {asked.at_s:.3f} s with "
                f"{asked.deadline_s:g} s, came back {answer.at_s - due_s:.3f} s late",
            )


def _symbol(c: ClientFacts, attempt: Attempt) -> str:
    """Of the order that it is about; empty where it is about none."""
    order = c.orders.get(attempt.client_order_id or "")
    return "" if order is None else order.symbol
