"""What one account has asked of the venues, in sums: requests, bans, waits cut short, dials.

Everything is taken in the order in which it happened, so that it makes no difference how much of it
is taken at a time: what has been taken need not be kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final

from outlast.mock.conditions import Dial
from outlast.mock.traffic import QUERIES, Quiet, Row

__all__ = ["IN_FLIGHT_MS", "Asked", "Crowd", "Early", "Patience"]

IN_FLIGHT_MS: Final = 1_000
"""What arrives this soon after a reply left may have been on its way already: nobody is blamed for
not having read it."""


@dataclass(slots=True)
class _Wait:
    """A time in which the venue had asked not to be asked; overlapping ones are joined."""

    start_ms: int
    end_ms: int
    ordinal: int
    """The request whose answer asked for it first."""


@dataclass(frozen=True, slots=True)
class Early:
    """A request that did not wait."""

    row: Row
    wait: _Wait

    @property
    def early_s(self) -> float:
        return (self.wait.end_ms - self.row.arrived_ms) / 1000


class Patience:
    """Which requests came before the wait was over that the venue had asked for."""

    def __init__(self) -> None:
        self.count = 0
        self.first: Early | None = None
        self._waits: dict[tuple[str, bool], _Wait] = {}

    def is_asked_for(self, at_ms: int) -> bool:
        """Whether any venue has asked to wait beyond an instant."""
        return any(wait.end_ms > at_ms for wait in self._waits.values())

    def wait(self, quiet: Quiet) -> None:
        """The venue has asked not to be asked; in the order in which the waits begin."""
        key = (quiet.venue, quiet.orders_only)
        known = self._waits.get(key)
        if known is not None and quiet.start_ms <= known.end_ms:
            known.end_ms = max(known.end_ms, quiet.end_ms)
        else:
            self._waits[key] = _Wait(quiet.start_ms, quiet.end_ms, quiet.ordinal)

    def ask(self, row: Row) -> None:
        """A request has arrived, after every wait that had begun by then was told."""
        for orders_only in (False, True):
            if orders_only and row.endpoint != "orders.create":
                continue
            wait = self._waits.get((row.venue, orders_only))
            if wait is None or not wait.start_ms + IN_FLIGHT_MS <= row.arrived_ms < wait.end_ms:
                continue
            self.count += 1
            if self.first is None:
                self.first = Early(row, wait)


@dataclass(slots=True)
class Crowd:
    """Requests of nobody in particular: counted once, and added to every account's.

    Where it matters in which order they came among an account's own, they are taken one by one.
    """

    arrived: list[Row]
    settled: list[Row]
    in_outage: int = 0
    over_limit: int = 0
    read: set[str] = field(default_factory=set)
    venues: set[str] = field(default_factory=set)
    is_plain: bool = True
    """Whether they are of the kind of which only the number counts."""

    def __post_init__(self) -> None:
        self.over_limit = sum(row.limited and not row.banned for row in self.arrived)
        self.read = {row.venue for row in self.arrived if row.endpoint == "market.read"}
        self.venues = {row.venue for row in self.settled}
        self.is_plain = not any(
            row.banned or row.pictures or row.endpoint in QUERIES for row in self.settled
        )


@dataclass(slots=True, kw_only=True)
class Asked:
    """One account; requests and dials of nobody in particular count for it too."""

    bounds: tuple[int, ...] = ()
    """Numbers of requests and of dials that somebody may not exceed: who does is remembered."""
    keeps_arrivals: bool = False
    """Whether the arrival of every request is kept (8 bytes each), for `breaker_scope`."""
    until_ms: int = 0
    """Dials before this instant have been taken."""

    requests: int = 0
    in_outage: int = 0
    over_limit: int = 0
    first_ms: int | None = None
    """When the first request arrived; None before it."""
    last_ms: int | None = None
    beyond: dict[int, Row] = field(default_factory=dict)
    """By bound: the first request beyond it."""
    patience: Patience = field(default_factory=Patience)
    arrivals: dict[tuple[str, str], array[int]] = field(default_factory=dict)
    """By (product, `orders` or `other requests`)."""
    read: set[str] = field(default_factory=set)
    """The venues that market data was read from, by a request or a socket."""

    bans: int = 0
    """Unbroken series of answers 418, by venue."""
    banned: int = 0
    first_banned: Row | None = None
    lied: dict[str, bool] = field(default_factory=dict)
    """By venue: whether the last answer about the account that the client got was a lie."""
    pictures: dict[tuple[str, str], int] = field(default_factory=dict)
    """By (venue, picture): venue time of the newest true one that the client got."""
    asked_ms: dict[str, int] = field(default_factory=dict)
    """By venue: when the client last asked what became of an order."""

    dials: int = 0
    dials_beyond: dict[int, Dial] = field(default_factory=dict)
    dial_bans: int = 0
    dials_banned: int = 0
    first_dial_banned: Dial | None = None
    _ban_goes_on: dict[str, bool] = field(default_factory=dict)
    _dial_ban_goes_on: dict[tuple[str, str], bool] = field(default_factory=dict)

    def copy(self) -> Asked:
        return deepcopy(self)

    def take(
        self,
        *,
        arrived: Iterable[Row],
        settled: Iterable[Row],
        quiets: Iterable[Quiet],
        dials: Iterable[Dial],
        is_outage: Callable[[int], bool],
    ) -> None:
        """Take what has happened since: requests by their arrival and by their end, in any order.

        A request may arrive in one call and be settled in a later one.
        """
        waits = sorted(quiets, key=lambda quiet: quiet.start_ms)
        told = 0
        for row in sorted(arrived, key=lambda row: (row.arrived_ms, row.ordinal)):
            while told < len(waits) and waits[told].start_ms <= row.arrived_ms:
                self.patience.wait(waits[told])
                told += 1
            self._take_arrival(row, in_outage=is_outage(row.arrived_ms))
        for quiet in waits[told:]:
            self.patience.wait(quiet)
        for row in sorted(settled, key=lambda row: (row.settled_ms, row.ordinal)):
            self._take_end(row)
        for dial in dials:
            self._take_dial(dial)

    def add(
        self,
        crowd: Crowd,
        *,
        arrived: Sequence[Row],
        settled: Sequence[Row],
        quiets: Sequence[Quiet],
    ) -> bool:
        """Count a crowd that came among other requests; False where their order matters.

        `arrived`, `settled` and `quiets` are the others' and have not been taken yet.
        """
        first_ms = crowd.arrived[0].arrived_ms if crowd.arrived else 0
        most = self.requests + len(crowd.arrived) + len(arrived)
        order_matters = (
            not crowd.is_plain
            or self.keeps_arrivals
            or any(self.requests <= bound < most for bound in self.bounds)
            or bool(quiets)
            or self.patience.is_asked_for(first_ms)
            or any(self._ban_goes_on.values())
            or any(row.banned for row in settled)
        )
        if order_matters:
            return False
        self.requests += len(crowd.arrived)
        self.in_outage += crowd.in_outage
        self.over_limit += crowd.over_limit
        self.read |= crowd.read
        self._ban_goes_on |= dict.fromkeys(crowd.venues, False)
        for row in (*crowd.arrived[:1], *crowd.arrived[-1:]):
            self._note_arrival(row.arrived_ms)
        return True

    def _note_arrival(self, at_ms: int) -> None:
        self.first_ms = at_ms if self.first_ms is None else min(at_ms, self.first_ms)
        self.last_ms = at_ms if self.last_ms is None else max(at_ms, self.last_ms)

    def _take_arrival(self, row: Row, *, in_outage: bool) -> None:
        if self.requests in self.bounds:
            self.beyond[self.requests] = row
        self.requests += 1
        self.in_outage += in_outage
        self.over_limit += row.limited and not row.banned
        self._note_arrival(row.arrived_ms)
        self.patience.ask(row)
        if row.endpoint == "market.read":
            self.read.add(row.venue)
        if self.keeps_arrivals:
            kind = "orders" if row.endpoint.startswith("orders.") else "other requests"
            self.arrivals.setdefault((row.product, kind), array("q")).append(row.arrived_ms)

    def _take_end(self, row: Row) -> None:
        if row.banned:
            self.banned += 1
            self.first_banned = self.first_banned or row
            self.bans += not self._ban_goes_on.get(row.venue, False)
        self._ban_goes_on[row.venue] = row.banned
        if "balances" in row.pictures or "positions" in row.pictures:
            self.lied[row.venue] = row.lied
        if not row.lied:
            for picture in row.pictures:
                key = (row.venue, picture)
                self.pictures[key] = max(self.pictures.get(key, -1), row.state_ms)
        if row.endpoint in QUERIES:
            self.asked_ms[row.venue] = max(self.asked_ms.get(row.venue, 0), row.settled_ms)

    def _take_dial(self, dial: Dial) -> None:
        if dial.kind.startswith("ws"):
            if self.dials in self.bounds:
                self.dials_beyond[self.dials] = dial
            self.dials += 1
        if dial.kind == "ws.market.connect":
            self.read.add(dial.venue)
        is_ban = dial.outcome == "banned"
        if is_ban:
            self.dials_banned += 1
            self.first_dial_banned = self.first_dial_banned or dial
            self.dial_bans += not self._dial_ban_goes_on.get((dial.venue, dial.kind), False)
        self._dial_ban_goes_on[dial.venue, dial.kind] = is_ban
