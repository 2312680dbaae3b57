"""Balances and positions as last believed, with their age; and the doubts about them.

What the venue answers is not simply copied. A jump to zero that no fill explains is doubted (on
11 Oct 2025 Binance showed zero balances for 33 minutes), and a position that is older than our own
fills is brought up to date with them. While anything is doubted or unsure `troubled` is set, and
`upkeep` asks the venue for its list of fills and for another report. What was believed last is in
the journal, so that a session that starts inside a lie has something to measure it by. Reading
what is stale or doubted raises; `.peek()` shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from math import inf
from typing import Final, NamedTuple, TypeVar

from outlast.client.bookkeeping import Fill, OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.events import AccountDoubted, AccountRead, EventBus
from outlast.client.instruments import Instruments
from outlast.client.journal import History, Journal
from outlast.client.late_reports import LateReports
from outlast.client.logs import logger
from outlast.core.account_fold import AccountFold, held_of
from outlast.core.plausibility import Believed, Guarded, ZeroGuard
from outlast.errors import Failure
from outlast.model import Balance, Execution, Position, Side, Source
from outlast.private_wire import AccountMoved, BalanceTold, PositionTold
from outlast.wire import Clock, VenueCodec

__all__ = ["Account", "Instant"]

_Value = TypeVar("_Value", Balance, Position)

WRITE_EVERY_S: Final = 15.0
"""How long a change of what is believed may wait for its record: a crash costs no more than one
more question, and a busy account a few hundred bytes each time."""
ANSWER_S: Final = 1.0
"""What is heard of an order is older than its arrival by its way here."""
_LIST_BACK_S: Final = 7 * 86_400.0
"""How far back fills are asked for: one page at any venue. What stood longer stood unchanged."""


class Instant(NamedTuple):
    """A moment by the clocks that there are."""

    wall: float
    """Seconds since the epoch, by ours."""
    venue_ms: int
    """By the venue's, as far as it is measured."""
    passed_ms: int | None
    """An instant of the venue's clock that had surely passed; None while that is in doubt."""


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
        self._read_at: dict[str, float] = {}
        self._shown_at: dict[str, float] = {}
        """When what was last read was asked for: it holds for names that the venue left out too."""
        self._believed_at: dict[tuple[str, str], float] = {}
        """By (what, name): when the report was asked for (monotonic) that was believed last."""
        self._unsure: dict[str, dict[str, str]] = {"balances": {}, "positions": {}}
        """Names whose value is brought up to date with fills that may not be all of them."""
        self._listed = {"balances": frozenset[str](), "positions": frozenset[str]()}
        """The names in the venue's list that was read last; the others it says are zero."""
        self._before_read: frozenset[str] = frozenset()
        """Our orders that could fill while the positions were read last."""
        self._asked_ms = self._answered_ms = 0
        """The venue's time when the positions were asked for last, and when the answer had come."""
        self._flat_until: float | None = None
        """When the answer with it had come; None where an older journal does not say."""
        self._flat_since: float | None = None
        """The venue's time of a report that was believed: what it left out was flat then."""
        self._written: dict[str, dict[str, Decimal]] | None = None
        """What the journal has as believed; None before the first."""
        self._doubtful: dict[tuple[str, str], Balance | Position] = {}
        """By (what, name): the report that is not believed."""
        self._written_at = -inf
        self._told_balances = AccountFold[Balance]()
        self._told_positions = AccountFold[Position]()
        self.vouched_at: Callable[[], float | None] = lambda: None
        """Until when (monotonic) a stream that is relied upon would have told of every change."""
        self.troubled = asyncio.Event()
        """Set while something is doubted or unsure, so that the venue is to be asked again."""
        self._reading: dict[str, asyncio.Task[Failure | None]] = {}
        self.readable: tuple[str, ...] = ("balances",)
        """What the product has: spot has no positions."""
        if codec.PRODUCT.has_positions:
            self.readable = ("balances", "positions")
        self.late = LateReports(
            orders,
            instruments,
            clock=clock,
            server_now_ms=calls.server_now_ms,
            has_positions=codec.PRODUCT.has_positions,
        )
        """Whether the venue's reports keep up with our own fills."""
        self._told_late: set[str] = set()
        orders.on_fill = self._note_fill
        orders.on_execution = self._note_execution
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
        asked = self._clock.now()
        reply = await self._calls.call(request)
        if isinstance(reply, Failure):
            return reply
        if is_positions:
            listed = self._codec.read_positions(
                request, reply, self._instruments.by_venue_symbol, as_of=asked_at
            )
            if isinstance(listed, Failure):
                return listed
            self._listed[what] = frozenset(p.symbol for p in listed)
            self._take_positions({p.symbol: p for p in listed}, asked_at, server_ms)
        else:
            rows = self._codec.read_balances(request, reply, as_of=asked_at)
            if isinstance(rows, Failure):
                return rows
            self._listed[what] = frozenset(b.currency for b in rows)
            self._take_balances({b.currency: b for b in rows}, asked_at, server_ms)
        self._read_at[what], self._shown_at[what] = asked, asked_at
        self._write_down()
        self._events.publish(AccountRead(what=what))
        return None

    async def stop(self) -> None:
        """Give up what is being read; what is on the wire ends by itself."""
        self._write_down(at_once=True)
        reading = list(self._reading.values())
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    def _take_balances(self, read: Mapping[str, Balance], as_of: float, asked_ms: int) -> None:
        amounts = {currency: balance.total for currency, balance in read.items()}

        dated = {currency: balance.venue_time_ms for currency, balance in read.items()}
        newer = _newer(self._told_balances, dated, asked_ms)
        amounts |= {currency: balance.total for currency, balance in newer.items()}

        def told(currency: str) -> Balance:
            reported = read.get(currency) or _nothing(currency, as_of, Source.REST)
            ours = newer.get(currency)
            return reported if ours is None or ours.total == reported.total else ours

        believed = self._judge("balances", amounts, asked_ms, told, {})
        self._note_believed("balances", amounts, believed, asked_ms)
        for currency in believed:
            self._balances[currency] = told(currency)
            if currency not in newer:
                self._told_balances.forget(currency)

    def _take_positions(self, read: Mapping[str, Position], as_of: float, asked_ms: int) -> None:
        amounts = {symbol: position.qty for symbol, position in read.items()}
        dated = {
            symbol: position.venue_time_ms / 1000
            for symbol, position in read.items()
            if position.venue_time_ms is not None
        }

        reported_ms = {symbol: position.venue_time_ms for symbol, position in read.items()}
        newer = _newer(self._told_positions, reported_ms, asked_ms)
        for symbol, position in newer.items():
            amounts[symbol], dated[symbol] = position.qty, (position.venue_time_ms or 0) / 1000

        def told(symbol: str) -> Position:
            reported = read.get(symbol) or _flat(symbol, as_of, asked_ms)
            ours = newer.get(symbol)
            return reported if ours is None or ours.qty == reported.qty else ours

        believed = self._judge("positions", amounts, asked_ms, told, dated)
        self._note_believed("positions", amounts, believed, asked_ms)
        for symbol in believed:
            self._put_position(told(symbol))
            if symbol not in newer:
                self._told_positions.forget(symbol)
        self._asked_ms, self._answered_ms = asked_ms, self._calls.server_now_ms()
        if self._flat_since is None:
            self._flat_since = asked_ms / 1000
            self._flat_until = self._calls.server_now_ms() / 1000
        ledger = self._orders.ledger
        live = [*ledger.open(), *ledger.unknown()]
        self._before_read = frozenset(order.client_order_id for order in live)

    def _note_believed(
        self, what: str, amounts: Mapping[str, Decimal], names: Sequence[str], asked_ms: int
    ) -> None:
        """Of a whole report, hold what is believed against our fills: a lie is nothing to go by."""
        believed = {name: amounts.get(name, Decimal(0)) for name in names}
        is_whole = not self._guards[what].doubted()
        self.late.note_report(what, believed, asked_ms=asked_ms, is_whole=is_whole)
        self._note_trouble()

    def _put_position(self, position: Position) -> None:
        known = self._positions.get(position.symbol)
        self._positions[position.symbol] = position
        if known is not None and known.qty != position.qty:
            self.on_position_change(position.symbol)

    def _judge(
        self,
        what: str,
        amounts: Mapping[str, Decimal],
        asked_ms: int,
        told: Callable[[str], Balance | Position],
        dated: Mapping[str, float],
        *,
        complete: bool = True,
    ) -> list[str]:
        """The names whose report may replace what was known; doubts are told once."""
        guard, unsure, now = self._guards[what], self._unsure[what], self._clock.now()
        doubted_before = set(guard.doubted())
        verdicts = guard.assess(
            amounts,
            as_of=asked_ms / 1000,
            now=now,
            complete=complete,
            dated_at=dated,
            until=self._calls.server_now_ms() / 1000,
        )
        believed = []
        for name, verdict in verdicts.items():
            if isinstance(verdict, Believed):
                believed.append(name)
                self._believe(what, name, now)
                continue
            unsure.pop(name, None)
            self._doubtful[what, name] = told(name)
            if name not in doubted_before:
                reason = verdict.reason
                self._log.warning("outlast.account_doubted", what=what, key=name, reason=reason)
                self._journal.note("account.doubted", what=what, key=name, reason=reason)
                self._events.publish(AccountDoubted(what=what, key=name, reason=reason))
        self._note_trouble()
        return believed

    def _believe(self, what: str, name: str, now: float) -> None:
        """A report of `name` was believed; it is unsure only where it lags behind our fills."""
        self._believed_at[what, name] = now
        self._doubtful.pop((what, name), None)
        self._unsure[what].pop(name, None)
        if self._guards[what].is_ahead(name):
            self._unsure[what][name] = "the venue's report is older than fills that we know of"

    def _note_trouble(self) -> None:
        self._tell_late()
        if self.late.is_behind or any(self.troubles(what) for what in self.readable):
            self.troubled.set()
        else:
            self.troubled.clear()

    def _tell_late(self) -> None:
        """Reports that stand still while our fills go on are told of once."""
        doubts = self.late.doubts() if self.late.is_behind or self._told_late else {}
        for name in doubts.keys() - self._told_late:
            what = "positions" if name in self._instruments else "balances"
            reason = doubts[name]
            self._log.warning("outlast.account_doubted", what=what, key=name, reason=reason)
            self._journal.note("account.doubted", what=what, key=name, reason=reason)
            self._events.publish(AccountDoubted(what=what, key=name, reason=reason))
        self._told_late = set(doubts)

    def _note_execution(self, execution: Execution, client_order_id: str) -> None:
        self.late.note_execution(execution, client_order_id)
        self._note_trouble()

    def _note_fill(self, fill: Fill) -> None:
        self.late.note_fill(fill)
        if "positions" not in self.readable:
            self._note_exchange(fill)
            return
        guard, symbol = self._guards["positions"], fill.order.symbol
        at_ms = fill.venue_time_ms or self._calls.server_now_ms()
        if fill.order.is_external and at_ms <= self._asked_ms:
            return  # adopted with fills of long ago: the report had them
        if guard.trusted(symbol) is None and self._flat_since is not None:
            guard.trust(symbol, Decimal(0), at=self._flat_since, until=self._flat_until)
        sent_ms = fill.order.not_before_ms
        is_later = sent_ms is not None and sent_ms > self._answered_ms > 0
        guard.flow(symbol, fill.qty, at=at_ms / 1000, is_later=is_later)
        if not guard.is_ahead(symbol) or symbol in guard.doubted():
            return
        unheard = self._may_be_unheard(fill)
        if unheard is not None:
            self._unsure["positions"].setdefault(symbol, unheard)
            self._note_trouble()

    def _may_be_unheard(self, fill: Fill) -> str | None:
        """Why a position that is brought up to date with `fill` may lack, or have twice, another.

        It is sure only with a fill of an order that was sent after the position was read, while
        nothing else of ours could fill.
        """
        order, ledger = fill.order, self._orders.ledger
        sent_ms = order.not_before_ms
        is_later = sent_ms is not None and sent_ms > self._asked_ms
        if order.is_external or not is_later or order.client_order_id in self._before_read:
            return f"order {order.client_order_id} may have filled before the position was read"
        for other in (*ledger.open(order.symbol), *ledger.unknown(order.symbol)):
            if other.client_order_id != order.client_order_id:
                return f"order {other.client_order_id} may have filled as well since it was read"
        return None

    def _note_exchange(self, fill: Fill) -> None:
        """On spot a fill is two flows: it may explain why a balance is gone."""
        instrument = self._instruments.get(fill.order.symbol)
        if instrument is None:
            return
        at = (fill.venue_time_ms or self._calls.server_now_ms()) / 1000
        guard = self._guards["balances"]
        guard.flow(instrument.base, fill.qty, at=at)
        guard.flow(instrument.quote, fill.value, at=at)

    # What a stream tells.

    def hear_balance(self, told: BalanceTold, *, asked: Instant, is_last_call: bool) -> bool:
        """Fold in the stream's word for one currency.

        False, once: a fall to zero whose fills may be on their way; say it again a moment later,
        with `is_last_call`. `asked`: when it was subscribed to. A word without a time of its own
        is no newer than that for sure: it may have been long on its way.
        """
        trusted = self._guards["balances"].trusted(told.currency)
        if not (told.total or is_last_call) and trusted:
            return False
        at_ms = told.at_ms if told.at_ms is not None else asked.venue_ms
        locked = told.locked
        if locked is None:
            before = self._balances.get(told.currency)
            locked = min(before.locked if before else Decimal(0), told.total)
        balance = Balance(
            currency=told.currency,
            total=told.total,
            free=told.total - locked,
            locked=locked,
            as_of=asked.wall if told.at_ms is None else self._wall_at(at_ms),
            source=Source.STREAM,
            venue_time_ms=at_ms,
        )
        if told.at_ms is None:
            passed_ms = asked.passed_ms
            self._told_balances.tell_snapshot(told.currency, balance, not_before_ms=passed_ms)
        elif not self._told_balances.tell(told.currency, balance, at_ms=at_ms):
            return True
        name, dated_ms = told.currency, told.at_ms
        self._take_told("balances", name, balance, told.total, dated_ms, asked.venue_ms)
        return True

    def hear_position(self, told: PositionTold, *, is_last_call: bool) -> bool:
        """As `hear_balance`: the fills that make a position come about together with it."""
        held = self._guards["positions"].held(told.symbol)
        if held is not None and held != told.qty and not is_last_call:
            return False
        position = Position(
            symbol=told.symbol,
            qty=told.qty,
            entry_price=told.entry_price,
            mark_price=None,
            unrealised_pnl=told.unrealised_pnl,
            as_of=self._wall_at(told.at_ms),
            source=Source.STREAM,
            venue_time_ms=told.at_ms,
        )
        if self._told_positions.tell(told.symbol, position, at_ms=told.at_ms):
            dated_ms = told.at_ms
            self._take_told("positions", told.symbol, position, told.qty, dated_ms, dated_ms)
        return True

    def hear_moved(self, moved: AccountMoved) -> None:
        """What moved a balance besides our orders explains where it went."""
        if moved.currency is not None and moved.amount:
            self._guards["balances"].flow(moved.currency, moved.amount, at=moved.at_ms / 1000)

    def _take_told(
        self,
        what: str,
        name: str,
        value: Balance | Position,
        amount: Decimal,
        at_ms: int | None,
        asked_ms: int,
    ) -> None:
        dated = {} if at_ms is None else {name: at_ms / 1000}
        asked_ms = asked_ms if at_ms is None else at_ms
        if not self._judge(what, {name: amount}, asked_ms, lambda _: value, dated, complete=False):
            return
        if isinstance(value, Balance):
            self._balances[name] = value
        else:
            self._put_position(value)
        self._write_down()

    def _wall_at(self, venue_ms: int) -> float:
        """An instant of the venue's clock by ours; never ahead of now."""
        return self._clock.wall() - max(0, self._calls.server_now_ms() - venue_ms) / 1000

    # What is doubted or unsure, and what ends it.

    def troubles(self, what: str) -> set[str]:
        """The names of which the venue must be asked again before they can be handed out."""
        return {*self._guards[what].doubted(), *self._unsure[what]}

    def doubts(self) -> dict[str, str]:
        """By name, why the venue's answer about it is not believed."""
        return self.late.doubts() | {
            name: doubt.reason
            for guard in self._guards.values()
            for name in sorted(guard.doubted())
            if (doubt := guard.doubt(name)) is not None
        }

    def lists_wanted(self) -> dict[str, int]:
        """Symbols whose fills would settle what is in trouble, and since when (venue ms)."""
        wanted: dict[str, float] = {}
        oldest = self._calls.server_now_ms() / 1000 - _LIST_BACK_S
        for what in self.readable:
            for name in self.troubles(what):
                from_ = self._guards[what].listed_from(name)
                since = oldest if from_ is None else max(oldest, from_)
                for symbol in self._symbols_of(what, name):
                    wanted[symbol] = min(since, wanted.get(symbol, inf))
        lists = {symbol: int(since * 1000) for symbol, since in wanted.items()}
        for symbol, since_ms in self.late.lists_wanted().items():
            lists[symbol] = min(since_ms, lists.get(symbol, since_ms))
        return lists

    def _symbols_of(self, what: str, name: str) -> set[str]:
        """The symbols whose fills move `name`: for a balance those that we have traded."""
        if what == "positions":
            return {name} if self._instruments.get(name) is not None else set()
        if "positions" in self.readable:
            return set()  # a wallet of futures moves by profits, funding and transfers
        traded = {order.symbol for order in self._orders.ledger}
        found = {symbol: self._instruments.get(symbol) for symbol in traded}
        return {s for s, i in found.items() if i is not None and name in (i.base, i.quote)}

    def explain(self, lists: Mapping[str, Sequence[Execution]]) -> None:
        """Judge what is in trouble again, by the venue's complete lists of fills by symbol."""
        for what in self.readable:
            for name in sorted(self.troubles(what)):
                symbols = self._symbols_of(what, name)
                if symbols and symbols <= set(lists):
                    fills = [fill for symbol in symbols for fill in lists[symbol]]
                    self._explain(what, name, fills)
        for symbol in self.late.doubts().keys() & lists.keys():
            self.late.explain(symbol, self._dated_flows("positions", symbol, lists[symbol]))
        self._note_trouble()
        self._write_down()

    def _explain(self, what: str, name: str, fills: Sequence[Execution]) -> None:
        guard = self._guards[what]
        was_doubted = name in guard.doubted()
        if not was_doubted and self._is_list_short(name):
            return  # orders report fills that the list does not have yet
        if not isinstance(guard.explain(name, self._dated_flows(what, name, fills)), Believed):
            return
        if was_doubted:
            self._take_doubtful(what, name)
        elif not guard.is_ahead(name):
            self._unsure[what].pop(name, None)

    def _dated_flows(
        self, what: str, name: str, fills: Sequence[Execution]
    ) -> list[tuple[float, Decimal]]:
        return [
            (fill.venue_time_ms / 1000, qty)
            for fill in fills
            for qty in self._flows_of(what, name, fill)
        ]

    def _flows_of(self, what: str, name: str, fill: Execution) -> list[Decimal]:
        signed = fill.qty if fill.side is Side.BUY else -fill.qty
        if what == "positions":
            return [signed]
        instrument = self._instruments[fill.symbol]
        flows = [signed] if instrument.base == name else []
        flows += [-signed * fill.price] if instrument.quote == name else []
        return [*flows, -fill.fee] if fill.fee_currency == name else flows

    def _is_list_short(self, symbol: str) -> bool:
        ledger = self._orders.ledger
        return any(
            sum(e.qty for e in ledger.executions(order.client_order_id)) < order.filled_qty
            for order in ledger
            if order.symbol == symbol and not order.is_external and order.filled_qty
        )

    def _take_doubtful(self, what: str, name: str) -> None:
        """The report that was doubted turns out to be true."""
        report = self._doubtful[what, name]
        reported_at = self._read_at.get(what, self._clock.now())
        self._believe(what, name, reported_at)
        if isinstance(report, Balance):
            self._balances[name] = report
        else:
            self._put_position(report)
        self._log.warning("outlast.account_explained", what=what, key=name)
        self._journal.note("account.explained", what=what, key=name)

    def accept(self, name: str) -> bool:
        """See `Session.accept_report`. False when nothing of this name is doubted."""
        accepted = self.late.accept(name)
        for what, guard in self._guards.items():
            if guard.accept(name):
                self._journal.note("account.accepted", what=what, key=name)
                self._take_doubtful(what, name)
                accepted = True
        self._note_trouble()
        self._write_down(at_once=True)
        return accepted

    # Across restarts.

    def restore(self, history: History) -> None:
        """Take up what the session before believed last: stale until the venue confirms it."""
        self.late.restore(history.orders)
        believed = history.believed
        if believed is None:
            return
        for balance in believed.balances:
            currency = balance.currency
            self._balances[currency] = replace(balance, source=Source.JOURNAL)
            at = believed.at[f"balances {currency}"]
            self._guards["balances"].trust(currency, balance.total, at=at)
        guard = self._guards["positions"]
        for position in believed.positions:
            symbol = position.symbol
            self._positions[symbol] = replace(position, source=Source.JOURNAL)
            at = believed.at[f"positions {symbol}"]
            is_dated = position.qty != 0 and position.venue_time_ms is not None
            until = believed.until.get(f"positions {symbol}")
            guard.trust(symbol, position.qty, at=at, is_dated=is_dated, until=until)
        self._flat_since, self._flat_until = believed.flat_since, believed.flat_until
        for symbol, at, qty in _fills_in(history):
            if guard.trusted(symbol) is None and self._flat_since is not None:
                guard.trust(symbol, Decimal(0), at=self._flat_since, until=self._flat_until)
            trusted_at = guard.trusted_at(symbol)
            if trusted_at is not None and at > trusted_at:
                guard.flow(symbol, qty, at=at)
        self._written = self._to_write()

    def _to_write(self) -> dict[str, dict[str, Decimal]]:
        """All that is not zero, and the zeros that are older than fills that we know of."""
        guard = self._guards["positions"]
        return {
            "balances": {c: b.total for c, b in self._balances.items() if b.total},
            "positions": {
                s: guard.trusted(s) or Decimal(0)
                for s in {**self._positions, **self._unsure["positions"]}
                if guard.trusted(s) or guard.is_ahead(s)
            },
        }

    def _write_down(self, *, at_once: bool = False) -> None:
        """Note in the journal what is believed, when it has changed and not too often."""
        now = self._clock.now()
        if self._written_at + WRITE_EVERY_S > now and not at_once:
            return
        to_write = self._to_write()
        if to_write == self._written or len(self._read_at) < len(self.readable):
            return
        at = {
            f"{what} {name}": self._guards[what].trusted_at(name)
            for what, names in to_write.items()
            for name in names
        }
        written = self._journal.note_now(
            "account.believed",
            until={
                f"positions {name}": self._guards["positions"].trusted_until(name)
                for name in to_write["positions"]
            },
            balances=[self._balances[name] for name in to_write["balances"]],
            positions=[
                self._positions.get(name) or _flat(name, self._shown_at.get("positions", 0.0), 0)
                for name in to_write["positions"]
            ],
            at=at,
            flat_since=self._asked_ms / 1000 if "positions" in self.readable else None,
            flat_until=self._answered_ms / 1000 if "positions" in self.readable else None,
        )
        if written is not None:
            self._written, self._written_at = to_write, now

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
        if symbol not in self._listed["positions"]:
            known = replace(known, as_of=self._unfilled_since(symbol, known.as_of))
        guard = self._guards["positions"]
        if guard.is_ahead(symbol):
            qty = guard.held(symbol)
            assert qty is not None
            # As old as the report below it: of what else happened since then nothing is known.
            known = replace(known, qty=qty, source=Source.DERIVED)
        reason = self._stale("positions", symbol)
        return known if reason is None else replace(known, is_stale=True, reason=reason)

    def _unfilled_since(self, symbol: str, shown_at: float) -> float:
        """Since when a symbol is flat that the venue's list leaves out.

        A list that is empty by mistake leaves out a fill of ours too: that nothing has filled is
        known since our open orders were last seen.
        """
        ledger = self._orders.ledger
        seen = [order.as_of - ANSWER_S for order in ledger.open(symbol)]
        # Of one whose answer was lost nothing is known since it was intended.
        seen += [order.created_at - ANSWER_S for order in ledger.unknown(symbol)]
        return min([shown_at, *seen])

    def balance(self, currency: str) -> Balance:
        """The last believed balance, marked as `position` marks."""
        known = self._balances.get(currency)
        if known is None:
            known = _nothing(currency, self._shown_at.get("balances", 0.0), Source.DERIVED)
        if known.source is Source.STREAM and "positions" not in self.readable:
            known = self._with_held(known)
        reason = self._stale("balances", currency)
        return known if reason is None else replace(known, is_stale=True, reason=reason)

    def _with_held(self, told: Balance) -> Balance:
        """A stream may tell totals only, and says nothing when an order begins to hold money."""
        orders = [
            (order, instrument.base, instrument.quote)
            for order in self._orders.ledger.open()
            if (instrument := self._instruments.get(order.symbol)) is not None
        ]
        held = min(held_of(told.currency, orders), told.total)
        return replace(told, locked=held, free=told.total - held)

    def doubted(self) -> str | None:
        """The first of the venue's answers that is not believed; None when all of them are."""
        for name, reason in self.doubts().items() if self.troubled.is_set() else ():
            return f"{name}: {reason}"
        return self.late.why()

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
        read_at = self._read_at.get(what)
        if read_at is None:
            return "it has not been read yet"
        doubt = self._guards[what].doubt(name)
        if doubt is not None:
            return doubt.reason
        if self.late.is_named(name):
            return self.late.doubts()[name]
        others = self._guards[what].doubted()
        if others and name not in self._listed[what]:
            return f"the list that leaves it out is not believed either about {min(others)}"
        unsure = self._unsure[what].get(name)
        if unsure is not None:
            return f"{unsure}, and it is being read again"
        known_at = self._believed_at.get((what, name), read_at)
        vouched_at = self.vouched_at()
        if vouched_at is not None:
            known_at = max(known_at, vouched_at)
        age_s = self._clock.now() - known_at
        if what == "positions" and name not in self._listed[what]:
            shown_at = self._shown_at.get(what, 0.0)
            age_s += shown_at - self._unfilled_since(name, shown_at)
        if age_s > self._age_max_s:
            return f"it was last read {age_s:.0f} s ago"
        return None


def _newer(
    fold: AccountFold[_Value], dated: Mapping[str, int | None], asked_ms: int
) -> dict[str, _Value]:
    """By name, the stream's word where a report must not replace it."""
    found = {}
    for name in list(fold.names()):
        told = fold.outranks(name, dated_ms=dated.get(name), asked_ms=asked_ms)
        if told is not None:
            found[name] = told.value
    return found


def _fills_in(history: History) -> Iterator[tuple[str, float, Decimal]]:
    """What the journal knows of fills: symbol, the venue's time, signed quantity.

    An order's report may have told of one whose execution was never read.
    """
    booked: dict[str, Decimal] = {}
    for fill in history.executions:
        signed = fill.qty if fill.side is Side.BUY else -fill.qty
        yield fill.symbol, fill.venue_time_ms / 1000, signed
        booked[fill.venue_order_id] = booked.get(fill.venue_order_id, Decimal(0)) + fill.qty
    for order in history.orders.values():
        rest = order.filled_qty - booked.get(order.venue_order_id or "", Decimal(0))
        if rest > 0:
            at = order.as_of if order.venue_time_ms is None else order.venue_time_ms / 1000
            yield order.symbol, at, rest if order.side is Side.BUY else -rest


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


def _nothing(currency: str, as_of: float, source: Source) -> Balance:
    zero = Decimal(0)
    return Balance(
        currency=currency, total=zero, free=zero, locked=zero, as_of=as_of, source=source
    )
