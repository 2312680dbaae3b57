"""The venue's counters: how much one address and one account may ask, and what follows.

Windows are aligned to the venue's clock, not sliding: a one-minute window starts at :00.
Source: Binance docs, "Limits" / exchangeInfo `rateLimits`. Who asks on after an answer 429 earns a
ban of its address (418), 2 minutes growing to 3 days. Source: Binance docs, "IP Limits".

Other counters have no windows: they drain all the time (`decay_per_s`), and who asks on while one
is full is locked out. Source: Kraken docs, "Spot REST Rate Limits", "Spot Trading Rate Limits".
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from outlast.mock.scenario.model import Limits

__all__ = [
    "Charge",
    "DrainingCounter",
    "LimitBreach",
    "LimitKind",
    "LimitWindow",
    "Limiter",
    "Usage",
]


class LimitKind(Enum):
    WEIGHT = "weight"
    """Request weight; per address."""
    ORDERS = "orders"
    """New orders; per account."""
    RAW = "raw"
    """Requests, whatever their weight; per address."""
    CALLS = "calls"
    """Private calls; per account."""
    CONNECTS = "connects"
    """WebSocket dials; per address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitWindow:
    """One counter of the venue."""

    name: str
    """The venue's short form of the interval: `1M`, `10S`."""
    kind: LimitKind
    interval_s: int
    """Of a draining counter: how long a full one takes to empty."""
    limit: int
    decay_per_s: float | None = None
    """None: it starts anew with each interval. Else it never does, and drains this fast."""
    ban_s: float = 0.0
    """Dials: how long an address is turned away that has gone over the limit."""
    taker_back: int = 0
    """Orders: what the first fill of an order gives back when it took (Binance spot counts only
    unfilled orders)."""
    maker_back: int = 0
    """The same when it made."""


class DrainingCounter:
    """A counter that what is asked fills and time drains, never below zero."""

    __slots__ = ("_at_ms", "_decay_per_s", "_level")

    def __init__(self, *, decay_per_s: float) -> None:
        assert decay_per_s > 0
        self._decay_per_s = decay_per_s
        self._level, self._at_ms = 0.0, 0

    def level(self, now_ms: int) -> float:
        """Where it stands at `now_ms`."""
        drained = (now_ms - self._at_ms) / 1000 * self._decay_per_s
        return max(0.0, self._level - drained)

    def add(self, cost: float, now_ms: int) -> None:
        """Fill it by `cost`, whether or not that is more than anybody allows."""
        self._level, self._at_ms = self.level(now_ms) + cost, now_ms

    def fits_ms(self, cost: float, limit: float, now_ms: int) -> int:
        """The first instant at which `cost` fits under `limit`; `now_ms` when it does now."""
        over = self.level(now_ms) + cost - limit
        return now_ms + max(0, math.ceil(over / self._decay_per_s * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one request costs."""

    weight: int = 0
    calls: int = 0
    orders: int = 0
    orders_by_window: Mapping[str, int] = field(default_factory=dict)
    """Where a window counts orders differently (a batch on Binance futures: 5 on `10S`, 1 on
    `1M`); windows not named take `orders`."""

    def cost(self, window: LimitWindow) -> int:
        if window.kind is LimitKind.WEIGHT:
            return self.weight
        if window.kind is LimitKind.ORDERS:
            return self.orders_by_window.get(window.name, self.orders)
        if window.kind is LimitKind.CALLS:
            return self.calls
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitBreach:
    """Why a request is turned away."""

    kind: LimitKind
    status: int
    """429, or 418 while the address is banned."""
    retry_after_s: int
    """Whole seconds, rounded up, until asking again makes sense."""
    until_ms: int
    """The same as an instant on the venue's clock."""
    window: LimitWindow | None = None
    """The counter that is full, with the limit in force (factor applied); None for a ban."""
    used: int = 0

    @property
    def is_ban(self) -> bool:
        return self.status == 418


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the counters stand at after a request, keyed by window name."""

    weight: Mapping[str, int] = field(default_factory=dict)
    orders: Mapping[str, int] = field(default_factory=dict)
    raw: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)


_PER_ACCOUNT: Final = (LimitKind.ORDERS, LimitKind.CALLS)


@dataclass(slots=True)
class _Address:
    """What one IP address (or, for limits of an account, that account) has done so far."""

    retry_ms: int = 0
    """Asking again before this instant ignores the last 429."""
    ignored: int = 0
    bans: int = 0
    banned_until_ms: int = 0
    dials: deque[int] = field(default_factory=deque)
    dials_banned_until_ms: int = 0


class Limiter:
    """All counters of one venue. It is told the time (venue milliseconds) and decides."""

    def __init__(self, windows: Sequence[LimitWindow]) -> None:
        self._windows = tuple(w for w in windows if w.kind is not LimitKind.CONNECTS)
        self._dials = next((w for w in windows if w.kind is LimitKind.CONNECTS), None)
        # (window, who) -> (start of the window, used); one entry a pair, overwritten in time.
        self._used: dict[tuple[LimitWindow, str], tuple[int, int]] = {}
        self._draining: dict[tuple[LimitWindow, str], DrainingCounter] = {}
        self._addresses: dict[str, _Address] = {}
        self.bans_total = 0
        self.breaches_total = 0

    def windows(self, limits: Limits) -> tuple[LimitWindow, ...]:
        """The counters with the limits in force now, the scenario's `factor` applied."""
        return tuple(replace(w, limit=max(1, int(w.limit * limits.factor))) for w in self._windows)

    def banned(self, ip: str, limits: Limits, now_ms: int) -> LimitBreach | None:
        """The ban that `ip` is under, if any."""
        address = self._addresses.get(ip)
        if not limits.enforce or address is None or now_ms >= address.banned_until_ms:
            return None
        return _breach(LimitKind.WEIGHT, 418, address.banned_until_ms, now_ms)

    def admit(
        self, ip: str, account: str | None, charge: Charge, limits: Limits, now_ms: int
    ) -> LimitBreach | None:
        """Whether a request of this cost still fits; it is not counted yet (see `count`).

        A request that does not fit is counted at once: it was asked, and the venue's own counter
        shows it. The breach also moves the address towards a ban when it came before the instant
        that the last 429 named.
        """
        if not limits.enforce:
            return None
        if account is not None:
            locked_out = self.banned(account, limits, now_ms)
            if locked_out is not None:
                return locked_out
        for window, in_force in zip(self._windows, self.windows(limits), strict=True):
            cost = charge.cost(window)
            who = account if window.kind in _PER_ACCOUNT else ip
            free = cost == 0 and (window.kind in _PER_ACCOUNT or window.decay_per_s is not None)
            if who is None or free:
                continue
            used = self._level(window, who, now_ms)
            if used + cost <= in_force.limit:
                continue
            ends_ms = self._fits_ms(window, who, cost, in_force.limit, now_ms)
            self.count(ip, None, charge, now_ms)  # not for the account: it got nothing
            offender = who if window.kind is LimitKind.CALLS else ip
            return self._breached(offender, in_force, used + cost, ends_ms, limits, now_ms)
        return None

    def count(self, ip: str, account: str | None, charge: Charge, now_ms: int) -> None:
        """Put one request on the counters."""
        for window in self._windows:
            who = account if window.kind in _PER_ACCOUNT else ip
            cost = charge.cost(window)
            if who is None or cost == 0:
                continue
            if window.decay_per_s is not None:
                self._drain(window, who).add(cost, now_ms)
                continue
            used = self._level(window, who, now_ms)
            self._used[window, who] = (_window_start(window, now_ms), used + cost)

    def give_back(self, ip: str, weight: int, now_ms: int) -> None:
        """Take request weight off the counters again: the request cost nothing after all."""
        for window in self._windows:
            if window.kind is LimitKind.WEIGHT:
                self._take_off(window, ip, weight, now_ms)

    def first_fill(self, account: str, *, is_maker: bool, now_ms: int) -> None:
        """An order has been filled for the first time: some venues count unfilled orders only.

        What is given back is taken off the windows of now, whenever the order was placed.
        """
        for window in self._windows:
            if window.kind is LimitKind.ORDERS:
                back = window.maker_back if is_maker else window.taker_back
                self._take_off(window, account, back, now_ms)

    def _take_off(self, window: LimitWindow, who: str, amount: int, now_ms: int) -> None:
        assert window.decay_per_s is None
        used = self._level(window, who, now_ms)
        if used and amount:
            self._used[window, who] = (_window_start(window, now_ms), max(0, used - amount))

    def usage(self, ip: str, account: str | None, now_ms: int) -> Usage:
        """Where the counters stand."""
        levels: dict[LimitKind, dict[str, int]] = {kind: {} for kind in LimitKind}
        for window in self._windows:
            who = account if window.kind in _PER_ACCOUNT else ip
            if who is not None:
                levels[window.kind][window.name] = self._level(window, who, now_ms)
        return Usage(
            weight=levels[LimitKind.WEIGHT],
            orders=levels[LimitKind.ORDERS],
            raw=levels[LimitKind.RAW],
            calls=levels[LimitKind.CALLS],
        )

    def dial(self, ip: str, limits: Limits, now_ms: int) -> LimitBreach | None:
        """Count one WebSocket dial; the breach when there were too many in the period.

        The period slides. Dials while banned are turned away and do not make the ban longer.
        """
        if not limits.enforce:
            return None
        banned = self.banned(ip, limits, now_ms)
        if banned is not None:
            return banned
        rule = limits.connects
        if rule is not None:
            most, per_s, ban_s = rule.max, rule.per_s, rule.ban_s
        elif self._dials is not None:
            most, per_s, ban_s = self._dials.limit, self._dials.interval_s, self._dials.ban_s
        else:
            return None
        address = self._addresses.setdefault(ip, _Address())
        if now_ms < address.dials_banned_until_ms:
            return _breach(LimitKind.CONNECTS, 429, address.dials_banned_until_ms, now_ms)
        while address.dials and address.dials[0] <= now_ms - per_s * 1000:
            address.dials.popleft()
        if len(address.dials) < most:
            address.dials.append(now_ms)
            return None
        self.breaches_total += 1
        address.dials_banned_until_ms = now_ms + int(ban_s * 1000)
        address.dials.clear()
        return _breach(LimitKind.CONNECTS, 429, address.dials_banned_until_ms, now_ms)

    def _level(self, window: LimitWindow, who: str, now_ms: int) -> int:
        if window.decay_per_s is not None:
            return math.ceil(self._drain(window, who).level(now_ms))
        start, used = self._used.get((window, who), (0, 0))
        return used if start == _window_start(window, now_ms) else 0

    def _drain(self, window: LimitWindow, who: str) -> DrainingCounter:
        counter = self._draining.get((window, who))
        if counter is None:
            assert window.decay_per_s is not None
            counter = DrainingCounter(decay_per_s=window.decay_per_s)
            self._draining[window, who] = counter
        return counter

    def _fits_ms(self, window: LimitWindow, who: str, cost: int, limit: int, now_ms: int) -> int:
        """When a request that does not fit now will."""
        if window.decay_per_s is None:
            return _window_start(window, now_ms) + window.interval_s * 1000
        return self._drain(window, who).fits_ms(cost, limit, now_ms)

    def _breached(
        self,
        offender: str,
        window: LimitWindow,
        used: int,
        ends_ms: int,
        limits: Limits,
        now_ms: int,
    ) -> LimitBreach:
        self.breaches_total += 1
        address = self._addresses.setdefault(offender, _Address())
        # Waiting as long as the 429 asked wipes the slate; asking before that is ignoring it.
        address.ignored = address.ignored + 1 if now_ms < address.retry_ms else 0
        address.retry_ms = max(address.retry_ms, ends_ms)
        ban = limits.ban
        if address.ignored < ban.after_429:
            return _breach(window.kind, 429, ends_ms, now_ms, window=window, used=used)
        length_s = min(ban.first_s * ban.grow**address.bans, ban.max_s)
        address.bans += 1
        address.ignored = 0
        address.banned_until_ms = now_ms + int(length_s * 1000)
        self.bans_total += 1
        return _breach(window.kind, 418, address.banned_until_ms, now_ms, window=window, used=used)


def _window_start(window: LimitWindow, now_ms: int) -> int:
    length_ms = window.interval_s * 1000
    return now_ms - now_ms % length_ms


def _breach(
    kind: LimitKind,
    status: int,
    until_ms: int,
    now_ms: int,
    *,
    window: LimitWindow | None = None,
    used: int = 0,
) -> LimitBreach:
    return LimitBreach(
        kind=kind,
        status=status,
        retry_after_s=max(1, -((now_ms - until_ms) // 1000)),
        until_ms=until_ms,
        window=window,
        used=used,
    )
