"""Asks everybody who may hold new risk, and tells the caller why and since when.

The reasons stand in `core.gate`; here they are gathered anew for each order, from the ledger, the
breakers, the account, the venue's word, the schedule, the price guard and the operator.
"""

from __future__ import annotations

import os
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Final

from outlast.client.account import Account
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.events import EventBus, TradingStateChanged
from outlast.client.guard import Guard
from outlast.client.health import HealthDesk
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.client.prices import PriceDesk
from outlast.client.recovery import RecoveryDesk
from outlast.client.settings import Settings
from outlast.client.venue_health import clock_text
from outlast.core.attempts import Attempts
from outlast.core.breaker import BreakerState
from outlast.core.gate import Cause, Denial, Gate, Shape
from outlast.errors import Failure, TradingHalted
from outlast.model import OrderRequest, OrderStatus, Plane, Side, TradingState
from outlast.notices import VenueMode
from outlast.wire import Clock

__all__ = ["GateDesk", "halt_file_of"]

HALT_FILE_EVERY_S: Final = 0.2
"""How often the file is looked for at most: a stat costs as much as all the rest of the gate."""
HALT_FILE_BYTES_MAX: Final = 200
"""Of the reason in a halt file."""

_MODES: Final = {
    VenueMode.MAINTENANCE: TradingState.HALTED,
    VenueMode.CLOSED: TradingState.HALTED,
    VenueMode.CANCEL_ONLY: TradingState.CANCEL_ONLY,
    VenueMode.REDUCE_ONLY: TradingState.REDUCING,
}
_SHAPES: Final = {VenueMode.POST_ONLY: Shape.POST_ONLY, VenueMode.LIMIT_ONLY: Shape.LIMIT_ONLY}


class GateDesk:
    def __init__(
        self,
        guard: Guard,
        orders: OrderBookkeeper,
        account: Account,
        instruments: Instruments,
        recovery: RecoveryDesk,
        health: HealthDesk,
        prices: PriceDesk,
        *,
        clock: Clock,
        journal: Journal,
        events: EventBus,
        settings: Settings,
        venue: str,
        halt_file: str | None,
        has_keys: bool,
    ) -> None:
        """`halt_file`: new risk is held while it is there; None for no such file."""
        self._guard = guard
        self._orders = orders
        self._account = account
        self._instruments = instruments
        self._recovery = recovery
        self._health = health
        self._prices = prices
        self._clock = clock
        self._journal = journal
        self._events = events
        self._settings = settings
        self._venue = venue
        self._halt_file = halt_file
        self._has_keys = has_keys
        self._log = logger(venue=venue)
        self._gate = Gate()
        self._halted_by_call: str | None = None
        self._halted_by_file: str | None = None
        self._file_looked_at = -inf
        self._said_by_venue: set[str] = set()
        """Symbols for which the venue's word was put up and is to be taken down again."""
        terms = settings.gate
        self._attempts = Attempts(
            attempts_max=terms.attempts_max,
            pause_s=terms.attempts_pause_s,
            pause_s_max=terms.attempts_pause_s_max,
        )
        self._told: dict[str, TradingState] = {}
        if journal.history.halted is not None:
            self._halted_by_call = journal.history.halted

    # The operator.

    def halt(self, reason: str) -> None:
        """See `Session.halt`."""
        self._halted_by_call = reason or "no reason given"
        self._log.critical("outlast.halted_by_hand", reason=self._halted_by_call)
        self._journal.note_now("gate.halted", reason=self._halted_by_call)
        self._look_by_hand()

    def resume(self) -> None:
        """See `Session.resume`."""
        self._halted_by_call = None
        self._log.warning("outlast.resumed_by_hand")
        self._journal.note_now("gate.resumed")
        self._look_by_hand()

    # Before an order.

    async def make_ready(self, order: OrderRequest) -> None:
        """Read what has to be fresh before an entry: after an outage its price, and the account
        where the settings ask for it."""
        fresh_s = self._settings.gate.account_fresh_s
        if fresh_s is None and not self._prices.is_returning():
            return
        if not self._has_keys or self.deny(order) is not None:
            return
        await self._prices.make_ready(order.symbol)
        if fresh_s is None:
            return
        for what in self._account.readable:
            await self._account.refresh(what, age_max_s=fresh_s)

    def check(self, order: OrderRequest) -> None:
        """Let a new order pass, or raise.

        Raises:
            TradingHalted: new risk is held, or the venue takes only other shapes; why, since when,
                and from when on it may pass, where that is known.
        """
        denial = self.deny(order)
        if denial is not None:
            raise self._error(order, denial)

    def deny(self, order: OrderRequest) -> Denial | None:
        """Why an order may not pass now; None when it may. What only reduces always may."""
        if order.reduce_only or self._is_calm(order.symbol):
            return None
        self.gather(order.symbol)
        self._weigh(order)
        return self._gate.deny(order)

    def _is_calm(self, symbol: str) -> bool:
        """True while nobody of those that `gather` and `_weigh` ask holds anything, or just did.

        It is on the way of every order: where nothing stands and nothing would be put up, the
        words and values that they make of it are not needed.
        """
        return (
            self._gate.is_open
            and self._halted_by_call is None
            and (self._halt_file is None or self._is_file_absent(self._halt_file))
            and self._guard.takes_orders
            and self._recovery.held() is None
            and self._attempts.is_clear
            and self._settings.gate.exposure_max_degraded is None
            and self._prices.is_clear(symbol)
            and not self._orders.ledger.has_unknown
            and self._health.is_unrestricted(symbol)
            and self._account.doubted() is None
            and self._stale() is None
            and self._told.get(symbol, TradingState.ACTIVE) is TradingState.ACTIVE
        )

    def _is_file_absent(self, path: str) -> bool:
        """True while nobody halts by file; where one is there, `gather` has it looked at."""
        now = self._clock.now()
        if now - self._file_looked_at < HALT_FILE_EVERY_S:
            return self._halted_by_file is None
        if os.path.lexists(path):
            return False
        self._file_looked_at, self._halted_by_file = now, None
        return True

    def state(self, symbol: str) -> TradingState:
        """What may be done on `symbol`, shapes aside."""
        self.gather(symbol)
        if self._guard.banned_until() is not None:
            return TradingState.HALTED
        return self._gate.state(symbol)

    def shapes(self, symbol: str) -> tuple[Shape, ...]:
        """The only shapes that the venue takes on `symbol` now; empty when it takes all."""
        self.gather(symbol)
        return self._gate.shapes(symbol)

    def failed(self, order: OrderRequest, failure: Failure) -> None:
        """An entry has failed at the venue."""
        self._recovery.refused(failure)
        self._health.modes.refused(failure)
        if failure.infrastructure:
            self._attempts.failed(_kind(order), self._clock.now())

    def taken(self, order: OrderRequest) -> None:
        """The venue took an entry."""
        if not self._attempts.is_clear:
            self._attempts.succeeded(_kind(order))

    # What is gathered.

    def gather(self, symbol: str) -> None:
        """Ask everybody anew who may hold new risk on `symbol`."""
        self._look_by_hand()
        self._look_at_venue(symbol)
        self._look_at_orders(symbol)
        self._look_at_account()
        self._look_at_recovery()
        self._look_at_price(symbol)
        self._tell(symbol)

    def _put(
        self,
        cause: Cause,
        why: str | None,
        *,
        symbol: str = "",
        state: TradingState = TradingState.REDUCING,
        retry_at: float | None = None,
        since: float | None = None,
    ) -> None:
        """Put a reason up, or take it down where there is none."""
        if why is None:
            self._gate.open(cause, symbol=symbol)
            return
        now = self._clock.now()
        self._gate.close(
            cause, why, now=now, symbol=symbol, state=state, retry_at=retry_at, since=since
        )

    def _look_by_hand(self) -> None:
        now = self._clock.now()
        if self._halt_file is not None and now - self._file_looked_at >= HALT_FILE_EVERY_S:
            self._file_looked_at = now
            self._halted_by_file = _read_halt_file(self._halt_file)
        why = self._halted_by_call or self._halted_by_file
        said = None if why is None else f"it was halted by hand ({why})"
        self._put(Cause.BY_HAND, said, state=TradingState.HALTED)

    def _look_at_venue(self, symbol: str) -> None:
        modes = self._health.modes
        mode, planned = modes.of(symbol), self._health.schedule.closing()
        is_plain = mode is VenueMode.ONLINE and modes.mode is VenueMode.ONLINE and planned is None
        if is_plain and not self._said_by_venue:
            return  # as nearly always
        if is_plain:
            self._said_by_venue.discard(symbol)
        else:
            self._said_by_venue.add(symbol)
        now = self._clock.now()
        self._put_mode(Cause.VENUE_MODE, modes.mode, "the venue", since=modes.since)
        self._gate.restrict(Cause.VENUE_MODE, _SHAPES.get(modes.mode), now=now)
        if planned is None:
            self._gate.open(Cause.PLANNED)
        else:
            assert planned.starts_at is not None
            begins = clock_text(planned.starts_at)
            self._put(Cause.PLANNED, f"{planned.title!r} is announced for {begins}")
        if mode is not VenueMode.ONLINE:
            modes.restricted.add(symbol)
        self._put_mode(Cause.SYMBOL_MODE, mode, symbol, symbol=symbol)
        self._gate.restrict(Cause.SYMBOL_MODE, _SHAPES.get(mode), now=now, symbol=symbol)

    def _put_mode(
        self,
        cause: Cause,
        mode: VenueMode,
        who: str,
        *,
        symbol: str = "",
        since: float | None = None,
    ) -> None:
        state = _MODES.get(mode)
        if state is None:
            self._gate.open(cause, symbol=symbol)
        else:
            why = f"{who} is in {mode.value} mode"
            self._put(cause, why, symbol=symbol, state=state, since=since)

    def _look_at_orders(self, symbol: str) -> None:
        unknown = [
            order.client_order_id
            for order in self._orders.ledger.unknown(symbol)
            if order.status is OrderStatus.UNKNOWN
        ]
        why = f"order {unknown[0]} may be live and is being settled" if unknown else None
        unsure = [] if unknown else self._orders.ledger.unsure(symbol)
        if unsure:
            why = f"which terms of order {unsure[0].client_order_id} are in force is being settled"
        self._put(Cause.UNKNOWN_ORDER, why, symbol=symbol)
        now, breaker = self._clock.now(), self._guard.breakers[Plane.TRADING]
        is_alone = breaker.state in (BreakerState.OPEN, BreakerState.PROBING)
        self._put(
            Cause.BREAKER,
            "trading is being left alone after repeated failures" if is_alone else None,
            retry_at=breaker.retry_at(now) if is_alone else None,
        )

    def _look_at_account(self) -> None:
        doubt = self._account.doubted()
        why = (
            None
            if doubt is None
            else f"what the venue says of the account is not believed ({doubt})"
        )
        self._put(Cause.DOUBT, why)
        self._put(Cause.STALE, self._stale())

    def _stale(self) -> str | None:
        if not self._has_keys:
            return None
        for what in self._account.readable:
            age_s = self._account.age_s(what)
            if age_s is not None and age_s > self._settings.account_age_max_s:
                return f"the {what} were read {age_s:.0f} s ago"
        return None

    def _look_at_recovery(self) -> None:
        # In a ban the ban itself says so, and until when.
        held = None if self._guard.banned_until() is not None else self._recovery.held()
        self._put(
            Cause.RECOVERY,
            None if held is None else held.why,
            retry_at=None if held is None else held.retry_at,
        )

    def _look_at_price(self, symbol: str) -> None:
        self._put(Cause.PRICE, self._prices.doubt(symbol), symbol=symbol)

    def _weigh(self, order: OrderRequest) -> None:
        """What depends on the order itself."""
        now, kind = self._clock.now(), _kind(order)
        retry_at = self._attempts.retry_at(kind, now)
        why = None
        if retry_at is not None:
            why = f"{self._attempts.count(kind)} {order.side.value} orders in a row have failed"
        self._put(Cause.ATTEMPTS, why, symbol=order.symbol, retry_at=retry_at)
        self._put(Cause.EXPOSURE, self._too_much(order), symbol=order.symbol)

    def _too_much(self, order: OrderRequest) -> str | None:
        most = self._settings.gate.exposure_max_degraded
        if most is None or self._health.is_well:
            return None
        price = order.price if order.price is not None else self._prices.price(order.symbol)
        if price is None:
            return "the venue is not well, and what the order would be worth is not known"
        held = self._held_qty(order.symbol)
        ahead = self._orders.ledger.exposure(order.symbol, order.side)
        signed = held if order.side is Side.BUY else -held
        worth = max(signed + ahead + order.qty, Decimal(0)) * price
        if worth <= most:
            return None
        return f"the venue is not well, and {worth.normalize():f} would be more than {most:f}"

    def _held_qty(self, symbol: str) -> Decimal:
        """The position, signed; on spot what our own orders have bought and not sold again."""
        if "positions" in self._account.readable:
            return self._account.position(symbol).qty
        ours = [o for o in self._orders.ledger if o.symbol == symbol and not o.is_external]
        return sum(
            (o.filled_qty if o.side is Side.BUY else -o.filled_qty for o in ours), Decimal(0)
        )

    # Telling.

    def _tell(self, symbol: str) -> None:
        state = self._gate.state(symbol)
        before = self._told.get(symbol)
        if before is state or (before is None and state is TradingState.ACTIVE):
            return
        self._told[symbol] = state
        standing = self._gate.standing(symbol)
        reason = standing[0].why if standing else ""
        self._log.warning(
            "outlast.trading_state_changed", symbol=symbol, state=state.value, reason=reason
        )
        self._journal.note("gate.changed", symbol=symbol, state=state.value, reason=reason)
        self._events.publish(TradingStateChanged(symbol=symbol, state=state, reason=reason))

    def _error(self, order: OrderRequest, denial: Denial) -> TradingHalted:
        first, now, wall = denial.first, self._clock.now(), self._clock.wall()
        since = wall - (now - first.since)
        if denial.shapes:
            said = f"this shape of order is held on {order.symbol}: {first.why}"
        else:
            said = f"new risk on {order.symbol} is held: {first.why}"
        also = tuple(closing.cause.value for closing in denial.also)
        more = f"; also: {', '.join(also)}" if also else ""
        return TradingHalted(
            f"{said}, since {clock_text(since)}{more}; reduce-only orders and cancels pass",
            cause=first.cause.value,
            since=since,
            also=also,
            venue=self._venue,
            retry_at=None if first.retry_at is None else wall + first.retry_at - now,
        )


def halt_file_of(setting: str | None, journal: object) -> str | None:
    """Where the halt file of a session is looked for; None for nowhere."""
    if setting is not None:
        return setting or None
    return f"{journal}.halt" if isinstance(journal, Path) else None


def _kind(order: OrderRequest) -> str:
    return f"{order.side.value} {order.symbol}"


def _read_halt_file(path: str) -> str | None:
    """The reason in it, or that it cannot be read; None when there is no such file."""
    if not os.path.lexists(path):
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - a plain path
            said = file.read(HALT_FILE_BYTES_MAX)
    except OSError as error:
        return f"by {path}, which cannot be read: {error.strerror}"
    return " ".join(said.split()) or f"by {path}"
