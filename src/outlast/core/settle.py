"""Settling: finding out whether an order whose answer was lost lives.

Presence needs one answer that shows the id. Absence needs proof, never a timer alone:

1. *Horizon.* Server time has passed the order's own validity. On Binance a request is dropped when
   it reaches the engine later than `timestamp + recvWindow`, and the back end gives up after 10 s;
   with a margin, nothing new can come into being after that.
2. *Lookups after the horizon.* The order by id, the open orders and the executions since the send
   were each asked for after it, answered completely, and none shows the id; all of that twice, some
   seconds apart, because queries read from storage that lags behind the engine.
3. *Fence*: the engine has answered for a later request on the same symbol, so what sat in its queue
   has been worked off. Where it has left requests unanswered, several in a row, each sent after the
   one before was answered.

A venue that sits on the order itself for longer than it gives itself breaks its own word: its queue
is stuck, and the horizon moves to the longest that stuck queues are known to hold what is in them,
or to what this one has been seen to.

Could-not-ask is never not-found: a lookup that failed only means asking again.

Sources: Binance spot REST docs, "Timing security" (the second check of recvWindow) and "General
information" (10 s); resilience numbers from measurements of late application (docs/decisions).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["AbsenceProof", "Lookup", "SettleSettings", "Step"]


class Lookup(Enum):
    """What can be asked about an unknown order. Each must come back empty-handed, twice."""

    ORDER = "order"
    OPEN_ORDERS = "open_orders"
    EXECUTIONS = "executions"
    FENCE = "fence"
    """Any request that the matching engine itself must answer, on the same symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleSettings:
    first_look_after_s: float = 0.5
    """Binance's advice is to look first about half a second after the lost answer."""
    look_every_s: float = 1.5
    look_grows_x: float = 1.6
    look_every_max_s: float = 20.0
    engine_gives_up_s: float = 10.0
    """Binance answers -1007 after its back end has been silent for this long."""
    margin_s: float = 5.0
    rounds: int = 2
    round_spacing_s: float = 4.0
    fences_in_trouble: int = 5
    """In a row, when requests to the engine get no answer at all: then its queue is stuck, and one
    that passes by chance says little (BitMEX, 13 March 2020: queued for minutes, then executed)."""
    fence_spacing_s: float = 3.0
    """Between the answer to one and the next. It is the round trips that count, one after another:
    the time in which something may still land is the horizon's affair."""
    fences_when_stuck: int = 8
    """In a row, when the order's own request was left unanswered for longer than
    `engine_gives_up_s`. Each must come back sooner than that. Of a queue that holds seven requests
    in ten, one run of eight in fifteen thousand passes by chance."""
    fence_spacing_stuck_s: float = 1.8
    """Eight of them take no longer than five at the usual spacing."""
    stuck_s: float = 60.0
    """How long after its sending an order may still land that was itself left unanswered for longer
    than `engine_gives_up_s`: the queue it is in is not one that keeps the venue's rules. BitMEX's
    held orders for minutes (13 March 2020): once one has been seen to land later, so much later."""
    seen_late_x: float = 1.25
    """So much longer than the latest landing seen the next may take ..."""
    seen_late_s_max: float = 900.0
    """... up to this: a symbol is not held for ever by one odd answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """Ask this, not before `at` (monotonic seconds)."""

    lookup: Lookup
    at: float
    proves: bool = True
    """False: only presence can be learnt yet; the quickest question will do."""


class AbsenceProof:
    """Collects what is known about one unknown order until it is found or proved absent.

    The shell asks `next_step`, carries it out, and reports `absent` (a complete answer, sent at or
    after the given instants, that does not show the id) or `failed`. When an answer shows the id
    the proof is moot and the shell drops it.
    """

    def __init__(
        self, settings: SettleSettings, *, sent_at: float, valid_for_s: float, needs_fence: bool
    ) -> None:
        """`sent_at` is the last attempt's instant, monotonic; validity counts from there."""
        self._settings = settings
        self._sent_at, self._valid_for_s = sent_at, valid_for_s
        self.horizon = sent_at + valid_for_s + settings.engine_gives_up_s + settings.margin_s
        self._fences_needed = 1 if needs_fence else 0
        self._fences = 0
        self._looked = True  # for the order, since the last trouble
        self.is_stuck = False
        self.absent_for_s = 0.0
        """How long after its sending the venue has last said that it does not know it."""
        self._rounds = 0
        self._round: set[Lookup] = set()
        self._counts_from = self.horizon
        self._earliest = sent_at + settings.first_look_after_s
        self._every_s = settings.look_every_s

    def require_fence(self) -> None:
        """From now on a fence is part of the proof."""
        self._fences_needed = max(self._fences_needed, 1)

    def trouble(self, *, now: float) -> None:
        """The engine leaves requests unanswered: several fences in a row are asked for, anew."""
        settings = self._settings
        needed = settings.fences_when_stuck if self.is_stuck else settings.fences_in_trouble
        self._fences_needed, self._fences = needed, 0
        self._looked = False
        self._pause(now)

    def stuck(self, *, now: float, seen_late_s: float = 0.0) -> None:
        """The order's own request was left unanswered for longer than the venue gives itself.

        `seen_late_s`: how long after its sending another has been seen to land.
        """
        settings, self.is_stuck = self._settings, True
        seen_s = min(seen_late_s * settings.seen_late_x, settings.seen_late_s_max)
        longest = max(self._valid_for_s + settings.stuck_s, seen_s)
        longest += self._sent_at + settings.margin_s
        if longest > self.horizon:
            self.horizon = self._counts_from = longest
            self._rounds = 0
            self._round.clear()
        self.trouble(now=now)

    @property
    def is_complete(self) -> bool:
        return self._rounds >= self._settings.rounds and self._fences >= self._fences_needed

    def next_step(self, now: float) -> Step | None:
        """What to ask next; None once absence is proved."""
        if self.is_complete:
            return None
        if now < self.horizon:
            # Before the horizon only presence can be learnt, and the cheap query is the way.
            return Step(Lookup.ORDER, max(self._earliest, now), proves=False)
        if self._fences < self._fences_needed:
            # Before a run of fences the order is looked for: presence ends the matter at once.
            due = Lookup.FENCE if self._looked else Lookup.ORDER
            return Step(due, max(self._earliest, now), proves=due is Lookup.FENCE)
        for lookup in (Lookup.ORDER, Lookup.OPEN_ORDERS, Lookup.EXECUTIONS):
            if lookup not in self._round:
                return Step(lookup, max(self._earliest, now))
        raise AssertionError("a complete round was not closed")

    def absent(self, lookup: Lookup, *, asked_at: float, now: float) -> None:
        """A complete answer to `lookup`, asked at `asked_at`, does not show the id.

        One that was asked for before the horizon, before the fence came back, or before its round
        was due counts for nothing.
        """
        if lookup is Lookup.ORDER:
            self._looked = True
            self.absent_for_s = asked_at - self._sent_at
        if lookup is Lookup.FENCE:
            # What was behind the fence may have landed since the lookups: they start afresh.
            if asked_at >= self.horizon:
                self._fences, self._rounds = self._fences + 1, 0
                self._round.clear()
                self._counts_from = now
            if self._fences < self._fences_needed:
                settings = self._settings
                spacing_s = settings.fence_spacing_s
                if self.is_stuck:
                    spacing_s = settings.fence_spacing_stuck_s
                self._earliest = now + spacing_s
            else:
                self._earliest = now + self._settings.look_every_s
            return
        if asked_at < self._counts_from:
            self._pause(now)
            return
        self._round.add(lookup)
        if len(self._round) == 3:
            self._rounds += 1
            self._round.clear()
            self._counts_from = now + self._settings.round_spacing_s
            self._earliest = self._counts_from
        else:
            self._earliest = now

    def absent_too(self, lookup: Lookup, *, asked_at: float, now: float) -> None:
        """A complete answer to another order's question does not show the id either.

        It counts as one of our own would; where that would not, nothing changes.
        """
        is_due = now >= self.horizon and self._fences >= self._fences_needed
        if is_due and lookup not in self._round and asked_at >= self._counts_from:
            self.absent(lookup, asked_at=asked_at, now=now)

    def not_seen(self, *, now: float) -> None:
        """A question that could only have shown presence did not: it proves nothing."""
        self._looked = True
        self._pause(now)

    def failed(self, *, now: float, retry_after_s: float = 0.0) -> None:
        """The question could not be asked, or was not answered: that proves nothing."""
        self._pause(now)
        self._earliest = max(self._earliest, now + retry_after_s)

    def _pause(self, now: float) -> None:
        due = now + self._every_s
        if now < self.horizon:
            due = min(due, self.horizon)  # from then on each answer counts
        self._earliest = max(self._earliest, due)
        grown = self._every_s * self._settings.look_grows_x
        self._every_s = min(grown, self._settings.look_every_max_s)
