"""Balances and positions as last believed, with their age; and the doubts about them.

What the venue answers is not simply copied. A jump to zero that no fill explains is doubted (on
11 Oct 2025 Binance showed zero balances for 33 minutes), and a position that is older than our own
fills is brought up to date with them. Reading what is stale or doubted raises; `.peek()` shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from outlast.client.bookkeeping import Fill, OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.events import AccountDoubted, AccountRead, EventBus
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.core.plausibility import Believed, Guarded, ZeroGuard
from outlast.errors import Failure, StaleData
from outlast.model import Balance, Position, Source
from outlast.wire import Clock, VenueCodec

__all__ = ["Account", "Balances", "Positions"]


class Account:
    """Reads balances and positions over REST and keeps what is believed."""

    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        orders: OrderBookkeeper,
        instruments: Instruments,
        *,
        clock: Clock,
        journal: Journal,
        events: EventBus,
        age_max_s: float,
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._orders = orders
        self._instruments = instruments
        self._clock = clock
        self._journal = journal
        self._events = events
        self._age_max_s = age_max_s
        self._log = logger(venue=codec.VENUE)
        self._guards = {
            "balances": ZeroGuard(Guarded.BALANCES),
            "positions": ZeroGuard(Guarded.POSITIONS),
        }
        self._balances: dict[str, Balance] = {}
        self._positions: dict[str, Position] = {}
        self._fills: list[Fill] = []
        self._filled_at: dict[str, float] = {}
        """When we heard of the last fill on a symbol, as `as_of` tells it."""
        self._read_at: dict[str, float] = {}
        self._shown_at: dict[str, float] = {}
        """When what was last read was asked for: it holds for names that the venue left out too."""
        self._reading: dict[str, asyncio.Task[Failure | None]] = {}
        self.readable: tuple[str, ...] = ("balances",)
        """What the product has: spot has no positions."""
        if codec.PRODUCT.has_positions:
            self.readable = ("balances", "positions")
        orders.on_fill = self._note_fill
        self.on_position_change: Callable[[str], None] = lambda _: None
        """Hears the symbols of which the venue shows another position than before."""

    # Reading from the venue.

    async def refresh(self, what: str, *, age_max_s: float = 0.0) -> Failure | None:
        """Read `balances` or `positions` unless they are younger than `age_max_s`.

        Callers share one request. Returns the failure where the venue gave no usable answer.
        """
        read_at = self._read_at.get(what)
        if read_at is not None and self._clock.now() - read_at < age_max_s:
            return None
        task = self._reading.get(what)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._read(what))
            self._reading[what] = task
            task.add_done_callback(lambda _: self._reading.pop(what, None))
        return await asyncio.shield(task)

    async def _read(self, what: str) -> Failure | None:
        is_positions = what == "positions"
        request = self._codec.query_positions() if is_positions else self._codec.query_balances()
        asked_at, server_ms = self._clock.wall(), self._calls.server_now_ms()
        reply = await self._calls.call(request)
        if isinstance(reply, Failure):
            return reply
        if is_positions:
            listed = self._codec.read_positions(
                request, reply, self._instruments.by_venue_symbol, as_of=asked_at
            )
            if isinstance(listed, Failure):
                return listed
            self._take_positions({p.symbol: p for p in listed}, asked_at, server_ms)
        else:
            rows = self._codec.read_balances(request, reply, as_of=asked_at)
            if isinstance(rows, Failure):
                return rows
            self._take_balances({b.currency: b for b in rows}, asked_at, server_ms)
        self._read_at[what], self._shown_at[what] = self._clock.now(), asked_at
        self._events.publish(AccountRead(what=what))
        return None

    async def stop(self) -> None:
        """Give up what is being read; what is on the wire ends by itself."""
        reading = list(self._reading.values())
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    def _take_balances(self, read: Mapping[str, Balance], as_of: float, asked_ms: int) -> None:
        amounts = {currency: balance.total for currency, balance in read.items()}
        for currency in self._believed("balances", amounts, asked_ms / 1000):
            self._balances[currency] = read.get(currency) or Balance(
                currency=currency,
                total=Decimal(0),
                free=Decimal(0),
                locked=Decimal(0),
                as_of=as_of,
                source=Source.REST,
            )

    def _take_positions(self, read: Mapping[str, Position], as_of: float, asked_ms: int) -> None:
        amounts = {symbol: position.qty for symbol, position in read.items()}
        for symbol in self._believed("positions", amounts, asked_ms / 1000):
            position = read.get(symbol) or _flat(symbol, as_of, asked_ms)
            known = self._positions.get(symbol)
            self._positions[symbol] = position
            if known is not None and known.qty != position.qty:
                self.on_position_change(symbol)
            seen_ms = position.venue_time_ms or asked_ms
            self._fills = [
                fill
                for fill in self._fills
                if fill.symbol != symbol or fill.venue_time_ms > seen_ms
            ]

    def _believed(self, what: str, amounts: Mapping[str, Decimal], as_of: float) -> list[str]:
        """The names whose report may replace what was known; doubts are told once."""
        guard = self._guards[what]
        believed = []
        doubted_before = {name for name in amounts if guard.doubt(name) is not None}
        verdicts = guard.assess(amounts, as_of=as_of, now=self._clock.now())
        for name, verdict in verdicts.items():
            if isinstance(verdict, Believed):
                believed.append(name)
            elif name not in doubted_before:
                reason = verdict.reason
                self._log.warning("outlast.account_doubted", what=what, key=name, reason=reason)
                self._journal.note("account.doubted", what=what, key=name, reason=reason)
                self._events.publish(AccountDoubted(what=what, key=name, reason=reason))
        return believed

    def _note_fill(self, fill: Fill) -> None:
        if "positions" not in self.readable:
            self._note_exchange(fill)
            return
        known = self._positions.get(fill.symbol)
        is_old = known is not None and fill.venue_time_ms <= (known.venue_time_ms or 0)
        if not is_old:
            self._fills.append(fill)
            self._filled_at[fill.symbol] = self._clock.wall()
        if not (is_old and fill.is_external):
            at = fill.venue_time_ms / 1000
            self._guards["positions"].flow(fill.symbol, fill.qty, at=at)

    def _note_exchange(self, fill: Fill) -> None:
        """On spot a fill is two flows: it may explain why a balance is gone."""
        instrument = self._instruments.get(fill.symbol)
        if instrument is None:
            return
        guard, at = self._guards["balances"], fill.venue_time_ms / 1000
        guard.flow(instrument.base, fill.qty, at=at)
        guard.flow(instrument.quote, fill.value, at=at)

    # What is believed.

    def position(self, symbol: str) -> Position:
        """The last believed position, brought up to date with our own later fills.

        Marked stale, with the reason, when it is too old, in doubt, or was never read. Always flat
        where the product has no positions.
        """
        if "positions" not in self.readable:
            return _flat(symbol, self._clock.wall(), self._calls.server_now_ms())
        known = self._positions.get(symbol)
        if known is None:
            known = _flat(symbol, self._shown_at.get("positions", 0.0), 0)
        later = [fill.qty for fill in self._fills if fill.symbol == symbol]
        if later:
            known = replace(known, as_of=self._filled_at[symbol], source=Source.DERIVED)
        moved = sum(later, Decimal(0))
        reason = self._stale("positions", symbol)
        return replace(
            known, qty=known.qty + moved, is_stale=reason is not None, reason=reason or ""
        )

    def balance(self, currency: str) -> Balance:
        """The last believed balance, marked as `position` marks."""
        known = self._balances.get(currency) or Balance(
            currency=currency,
            total=Decimal(0),
            free=Decimal(0),
            locked=Decimal(0),
            as_of=self._shown_at.get("balances", 0.0),
            source=Source.DERIVED,
        )
        reason = self._stale("balances", currency)
        return replace(known, is_stale=reason is not None, reason=reason or "")

    def doubted(self) -> str | None:
        """The first of the venue's answers that is not believed; None when all of them are."""
        for what, guard in self._guards.items():
            for name in self.known(what):
                doubt = guard.doubt(name)
                if doubt is not None:
                    return f"{name}: {doubt.reason}"
        return None

    def age_s(self, what: str) -> float | None:
        """Seconds since `what` was read; None when it never was."""
        read_at = self._read_at.get(what)
        return None if read_at is None else self._clock.now() - read_at

    def known(self, what: str) -> list[str]:
        """The names that were ever reported: currencies, or symbols with a position."""
        if what == "balances":
            return sorted(self._balances)
        return sorted(s for s in self._positions if self.position(s).qty != 0)

    def _stale(self, what: str, name: str) -> str | None:
        age_s = self.age_s(what)
        if age_s is None:
            return "it has not been read yet"
        doubt = self._guards[what].doubt(name)
        if doubt is not None:
            return doubt.reason
        if age_s > self._age_max_s:
            return f"it was last read {age_s:.0f} s ago"
        return None


class Balances(Mapping[str, Balance]):
    """Balances by currency. Reading a stale one raises; `peek` never does."""

    def __init__(self, account: Account, venue: str) -> None:
        self._account = account
        self._venue = venue

    def peek(self, currency: str) -> Balance:
        return self._account.balance(currency)

    def __getitem__(self, currency: str) -> Balance:
        """Raises StaleData when the balance may no longer be true; `.peek` gives it anyway."""
        balance = self.peek(currency)
        if balance.is_stale:
            raise _stale_error("balance", currency, balance.reason, self._account, self._venue)
        return balance

    def __iter__(self) -> Iterator[str]:
        return iter(self._account.known("balances"))

    def __len__(self) -> int:
        return len(self._account.known("balances"))


class Positions(Mapping[str, Position]):
    """Positions by symbol; a symbol without one gives quantity 0. Iterates over the open ones."""

    def __init__(self, account: Account, instruments: Instruments, venue: str) -> None:
        self._account = account
        self._instruments = instruments
        self._venue = venue

    def peek(self, symbol: str) -> Position:
        return self._account.position(self._instruments[symbol].symbol)

    def __getitem__(self, symbol: str) -> Position:
        """Raises StaleData when the position may no longer be true; `.peek` gives it anyway."""
        position = self.peek(symbol)
        if position.is_stale:
            raise _stale_error("position", symbol, position.reason, self._account, self._venue)
        return position

    def __iter__(self) -> Iterator[str]:
        return iter(self._account.known("positions"))

    def __len__(self) -> int:
        return len(self._account.known("positions"))


def _flat(symbol: str, as_of: float, venue_time_ms: int) -> Position:
    return Position(
        symbol=symbol,
        qty=Decimal(0),
        entry_price=Decimal(0),
        mark_price=None,
        unrealised_pnl=Decimal(0),
        as_of=as_of,
        source=Source.REST,
        venue_time_ms=venue_time_ms,
    )


def _stale_error(noun: str, name: str, reason: str, account: Account, venue: str) -> StaleData:
    age_s = account.age_s(f"{noun}s")
    return StaleData(
        f"the {noun} of {name} at {venue} may not be true: {reason}; "
        f"{noun}s.peek({name!r}) gives what was last believed, with its age",
        age_s=age_s,
        venue=venue,
    )
