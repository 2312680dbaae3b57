"""Do the venue's reports of the account move when our own fills must have moved them?

A stale copy is answered with status 200 and looks like any other: FTX showed fills and positions up
to twelve minutes late while its engine was well (26 November 2020), Coinbase balances of before the
outage (7 May 2026). What we know by ourselves gives it away. Two signs:

- A fill, by the venue's own list of executions, came after the last change of what is reported, and
  reports that were asked for well after it still show the same.
- An order that cannot rest (at the market, IOC, FOK) was taken and is reported open seconds later,
  or a cancel finds nothing to cancel where the order is reported open: its fill is kept back.

Nothing here says what is true instead. It says that new risk must not be sized by these reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from math import inf
from typing import Final

__all__ = ["ReportWatch", "ReportWatchSettings"]

_MOVES_MAX: Final = 256
_DIGITS_MIN: Final = 4
"""Venues round balances to four digits after the point (Kraken USD) or to more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWatchSettings:
    near_s: float = 5.0
    """A fill so long before a report may be missing from it: caches lag by less."""
    clock_s: float = 5.0
    """A fill dated so long after an answer may be in it all the same, where nothing but the dates
    tells: in an outage a venue's clock may step by seconds before that is measured."""
    lag_s: float = 60.0
    """A picture may lack fills of so long before it, as seen by the venue's own list of them."""
    open_s: float = 5.0
    """An order that cannot rest is over long before. "A just-placed order may be absent briefly"
    (Kraken SDK guide, placing orders): so may its end."""
    contradicted_s: float = 900.0
    """How long an order is held against the venue whose cancel found nothing to cancel. FTX's fills
    were twelve minutes late (26 November 2020); after that it was the cancel's answer that was
    wrong."""


DEFAULTS: Final = ReportWatchSettings()


@dataclass(slots=True)
class _Watched:
    value: Decimal
    shown_until: float
    """The venue's time when the first answer with this value had come: it may hold all until then.
    """
    first: int
    """Which of the reports that was, counted by whoever tells of them."""
    asked_at: float
    """When the newest answer with this value was asked for."""
    moves: list[_Move] = field(default_factory=list)
    """Those that no report has shown yet."""


@dataclass(frozen=True, slots=True)
class _Move:
    at: float
    amount: Decimal | None
    """None: something, and how much will be known from the venue's list of fills."""
    order_id: str
    is_sure: bool = True
    """False: by its time the first answer may hold it already."""


class ReportWatch:
    """Amounts by name, and orders by id. Instants `at` are the venue's time in seconds."""

    def __init__(self, settings: ReportWatchSettings = DEFAULTS) -> None:
        self._settings = settings
        self._watched: dict[str, _Watched] = {}
        self._behind: dict[str, float] = {}
        self._overdue: dict[str, tuple[float, float]] = {}
        """By order id: from when until when (monotonic) its being open is not believable."""

    # Amounts.

    def moved(
        self,
        name: str,
        amount: Decimal | None,
        *,
        at: float,
        order_id: str,
        sent_after: int | None = None,
    ) -> None:
        """An order's fill, or its fee, has moved `name` by `amount` at `at`.

        `amount` is known from the venue's list of fills, which tells the time of each too. None: it
        is known from a report on the order, whose time may be a later one; see `listed`.
        `sent_after`: the number of the last report that had come when the order was sent.
        """
        watched = self._watched.get(name)
        if watched is None:
            return
        clock_s = self._settings.clock_s
        is_later = sent_after is not None and sent_after >= watched.first
        if not is_later and at < watched.shown_until - clock_s:
            return  # what is shown holds it already
        is_sure = is_later or at > watched.shown_until + clock_s
        watched.moves.append(_Move(at, amount, order_id, is_sure))
        del watched.moves[:-_MOVES_MAX]
        self._judge(name, watched)

    def listed(self, order_id: str) -> None:
        """The venue's list has fills of this order: what was only reported of it counts no more."""
        for name, watched in self._watched.items():
            kept = [m for m in watched.moves if m.order_id != order_id or m.amount is not None]
            if len(kept) < len(watched.moves):
                watched.moves = kept
                self._judge(name, watched)

    def shown(
        self, name: str, value: Decimal, *, asked_at: float, answered_at: float, number: int
    ) -> None:
        """A report that was asked for at `asked_at` shows `value`."""
        watched = self._watched.get(name)
        if watched is None or watched.value != value:
            # What moves is no frozen picture: all that is known by now counts as shown.
            watched = self._watched[name] = _Watched(value, answered_at, number, asked_at)
        else:
            watched.asked_at = max(watched.asked_at, asked_at)
        self._judge(name, watched)

    def _judge(self, name: str, watched: _Watched) -> None:
        due = [m for m in watched.moves if m.at <= watched.asked_at - self._settings.near_s]
        sure = [m for m in due if m.is_sure]
        missing = sum((m.amount for m in sure if m.amount is not None), Decimal(0))
        unsure = [(m.at, m.amount) for m in due if not m.is_sure and m.amount is not None]
        is_known = all(m.amount is not None for m in sure)
        if sure and not (is_known and self._adds_up(watched, missing, unsure)):
            self._behind[name] = min(m.at for m in sure)
        else:
            self._behind.pop(name, None)

    def _adds_up(
        self, watched: _Watched, missing: Decimal, unsure: Sequence[tuple[float, Decimal]]
    ) -> bool:
        """Whether `missing`, with those of `unsure` that came after some instant, is nothing.

        What a report holds is all up to one instant. Less than a unit of the last digit does not
        show.
        """
        digit = _last_digit(watched.value)
        later = [Decimal(0), *accumulate(amount for _, amount in sorted(unsure, reverse=True))]
        return any(abs(missing + amount) <= digit for amount in later)

    @property
    def behind(self) -> Mapping[str, float]:
        """The names whose reports stand still, and the venue's time of the first fill missing."""
        return self._behind

    def unlisted(self) -> Mapping[str, float]:
        """By order id: since when (venue's time) a fill that nothing shows is not in a list yet."""
        found: dict[str, float] = {}
        for name in self._behind:
            for move in self._watched[name].moves:
                if move.amount is None:
                    found[move.order_id] = min(move.at, found.get(move.order_id, inf))
        return found

    def explain(self, name: str, flows: Sequence[tuple[float, Decimal]]) -> None:
        """The venue's complete list of what moved `name`: (at, amount), since `listed_from`.

        What moved it and moved it back is not missing: a liquidation after our own fill; a sale
        that the picture had not shown yet, which our fill has undone.
        """
        watched = self._watched.get(name)
        if watched is None or name not in self._behind:
            return
        since, from_ = self._behind[name], self._seen_from(watched)
        missing = [amount for at, amount in flows if at >= since]
        unsure = [(at, amount) for at, amount in flows if from_ <= at < since]
        if missing and self._adds_up(watched, sum(missing, Decimal(0)), unsure):
            watched.moves.clear()
            self._judge(name, watched)

    def listed_from(self) -> dict[str, float]:
        """By name of `behind`, the venue's time from which `explain` needs the whole list."""
        return {
            name: min(since, self._seen_from(self._watched[name]))
            for name, since in self._behind.items()
        }

    def _seen_from(self, watched: _Watched) -> float:
        """What happened before this is in the picture."""
        return watched.shown_until - max(self._settings.lag_s, self._settings.clock_s)

    def accept(self, name: str) -> bool:
        """A person has checked it: what is shown is true. False when nothing is missing in it."""
        if name not in self._behind:
            return False
        self._watched[name].moves.clear()
        del self._behind[name]
        return True

    # Orders.

    def taken(self, order_id: str, *, now: float) -> None:
        """The venue has taken an order that cannot rest; `now` is monotonic."""
        self._overdue.setdefault(order_id, (now + self._settings.open_s, inf))

    def contradicted(self, order_id: str, *, now: float) -> None:
        """A cancel found nothing to cancel, and the order is reported open all the same."""
        self._overdue.setdefault(order_id, (now, now + self._settings.contradicted_s))

    def is_contradicted(self, order_id: str, now: float) -> bool:
        """True while the order is held against the venue for its cancel."""
        until = self._overdue.get(order_id, (inf, inf))[1]
        return until < inf and now < until

    def ended(self, order_id: str) -> None:
        """The order is over, or not to be watched any more."""
        self._overdue.pop(order_id, None)

    @property
    def is_quiet(self) -> bool:
        """Nothing is behind, and no order is watched."""
        return not (self._behind or self._overdue)

    def overdue(self, now: float) -> str | None:
        """The first order that is reported open and cannot be; None while there is none."""
        for order_id, (since, until) in self._overdue.items():
            if since <= now < until:
                return order_id
        return None


def _last_digit(value: Decimal) -> Decimal:
    """What a balance is rounded to; nothing where it is told in no more digits than it has."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent > -_DIGITS_MIN:
        return Decimal(0)
    return Decimal((0, (1,), exponent))
