"""Positions and balances are the sum of the fills, and nothing stale is handed out (5, 6).

At the venue this holds after every event. In the client a fill is looked at when it is booked, a
value when it may have changed and every few seconds, and everything once more after the last
reconcile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

from outlast.client.session import ReconcileReport, Session
from outlast.errors import StaleData
from outlast.mock.engine.events import BalanceEvent, FundingEvent, OrderEvent, PositionEvent
from outlast.mock.engine.model import Execution, Product
from outlast.mock.history import OrderHistory, Tracked
from outlast.mock.venues.kraken_spot.symbols import asset_of
from outlast.model import Balance, OrderStatus, Position
from outlast.trials.invariants.case import FILLS_LATE_MAX_S, Case, Family
from outlast.trials.invariants.facts import Attempt, ClientFacts, Note, Order
from outlast.trials.watching import Answer, Asked, End, Ending

__all__ = ["Money"]

ZERO: Final = Decimal(0)
LOOK_EVERY_S: Final = 5.0
_ENDED_LIVE: Final = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED})
"""How an order ends that had been live; its fills are known then, or known to be none."""
_READ: Final = {"positions.read", "balances.read"}
_SLACK_S: Final = 0.002
"""Instants of the venue are whole milliseconds."""
_MARK_SLACK: Final = Decimal("0.003")
"""The truth keeps a price when it has moved by 0.1 %."""
_MARK_WINDOW_S: Final = 65.0
"""... or a minute after the last one."""
_MARK_TOLD_S: Final = 1.1
"""The market is reported to the truth once a second."""


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A value that was handed out and not known to have been true."""

    at_s: float
    detail: str
    amounts: tuple[Decimal, ...]
    """What it was, and with what of one stroke of fills had not been heard yet."""
    shown_to: Decimal
    """The venue rounds what it shows; by so much it may be off."""
    tracks: Mapping[str, Tracked]
    name: str
    start_ms: int
    end_ms: int
    events: tuple[str, ...]


class Money(Family):
    slugs = ("books-balance", "nothing-stale-as-fresh")

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._held: dict[tuple[str, str], Decimal] = {}
        """By client and the venue's symbol: the position that the fills sum to."""
        self._reported: dict[tuple[str, str], Decimal] = {}
        """The same as the venue's own events say it."""
        self._wallet: dict[tuple[str, str], Decimal] = {}
        self._wallet_told: dict[tuple[str, str], Decimal] = {}
        self._unchecked: dict[tuple[str, str], float] = {}
        """What has changed at the venue, and since when it was not seen to agree."""
        self._fills: dict[tuple[str, int], list[Execution]] = {}
        """What was filled at the venue, by client and engine order id."""
        self._booked: dict[tuple[str, str, str], Decimal] = {}
        """What the journal booked: (client, venue order id, execution id) -> quantity."""
        self._booked_of: dict[tuple[str, str], list[tuple[Decimal, Decimal]]] = {}
        """(price, quantity) of what was booked, by client and venue order id."""
        self._heard_ms: dict[tuple[str, str], int] = {}
        """By client and symbol: when the last fill happened that its present session knows of."""
        self._unheard: dict[tuple[str, str], dict[str, Decimal]] = {}
        """By client and symbol, and by order: what filled in the same instant as the last fill that
        was heard of, and was not heard of itself. A stream tells of a stroke fill by fill."""
        self._dirty: set[str] = set()
        self._suspects: dict[str, _Suspect] = {}
        self._marks: list[tuple[ClientFacts, Asked, Answer, Decimal]] = []
        """Marks that were handed out, until the truth has told all that was true meanwhile."""
        self._next_look_s = 0.0
        self._beliefs: Counter[str] = Counter()
        """By client: how often its journals wrote down what was believed of the account."""
        self._blank: set[str] = set()
        """Clients that a loss of power has taken such a record from, or an order."""
        for c in case.clients.values():
            history = case.truth.history.at(c.venue, c.account)
            if history is not None:
                for symbol, tracked in history.positions.items():
                    self._held[c.name, symbol] = tracked.true.last(ZERO)
                for asset, tracked in history.balances.items():
                    self._wallet[c.name, asset] = tracked.true.last(ZERO)

    # At the venue.

    def opened(self, c: ClientFacts) -> None:
        self._dirty.add(c.name)
        kept = sum(record.kind == "account.believed" for record in c.client.disk.records())
        if kept < self._beliefs[c.name] or c.lost:
            self._blank.add(c.name)

    def ordered(self, c: ClientFacts, event: OrderEvent, order: OrderHistory) -> None:
        fill = event.execution
        if fill is None:
            return
        self._fills.setdefault((c.name, order.order_id), []).append(fill)
        key = (c.name, fill.symbol)
        self._held[key] = self._held.get(key, ZERO) + fill.qty * fill.side.sign
        self._unchecked.setdefault(key, self.case.now_s)
        self._book_money(c, fill)

    def _book_money(self, c: ClientFacts, fill: Execution) -> None:
        self._gain(c, fill.fee_currency, -fill.fee)
        if self._product(c) is Product.UM:
            self._gain(c, fill.fee_currency, fill.realised_pnl)
            return
        spec = self.case.truth.instrument(c.venue, fill.symbol)
        if spec is not None:
            self._gain(c, spec.base, fill.qty * fill.side.sign)
            self._gain(c, spec.quote, -fill.quote_qty * fill.side.sign)

    def _gain(self, c: ClientFacts, asset: str, amount: Decimal) -> None:
        key = (c.name, asset)
        self._wallet[key] = self._wallet.get(key, ZERO) + amount
        self._unchecked.setdefault(key, self.case.now_s)

    def _product(self, c: ClientFacts) -> Product:
        return self.case.world.mock.run.venues[c.venue].stage.product

    def moved(self, c: ClientFacts, event: BalanceEvent | PositionEvent | FundingEvent) -> None:
        if isinstance(event, PositionEvent):
            self._reported[c.name, event.symbol] = event.qty
        elif isinstance(event, FundingEvent):
            self._gain(c, event.asset, event.amount)
        else:
            key = (c.name, event.asset)
            self._wallet_told[key] = event.total
            if event.reason == "insurance":
                self._wallet[key] = event.total

    def _check_venue(self, *, all_of_it: bool = False) -> None:
        """After a step all its events are in: sums and the venue's own figures must agree.

        They may differ for as long as fills are reported late.
        """
        for key in sorted(self._unchecked):
            self.case.examined["books-balance"] += 1
            differ = [
                (what, summed[key], told[key])
                for what, summed, told in (
                    ("position", self._held, self._reported),
                    ("balance", self._wallet, self._wallet_told),
                )
                if key in summed and key in told and summed[key] != told[key]
            ]
            since_s = self._unchecked[key]
            if differ and self.case.now_s < since_s + FILLS_LATE_MAX_S and not all_of_it:
                continue
            del self._unchecked[key]
            for what, ours, theirs in differ:
                self.fail(
                    "books-balance",
                    f"the venue's {what} {key[1]} of {key[0]} is {theirs}, its fills sum to {ours}",
                    key=f"{what}/{key}",
                    at_s=since_s,
                )

    # Fills in the client.

    def noted(self, c: ClientFacts, note: Note) -> None:
        self._beliefs[c.name] += note.kind == "account.believed"
        if note.kind != "execution":
            return
        self._dirty.add(c.name)
        self.case.examined["books-balance"] += 1
        fields = note.fields["execution"]
        order_id, execution_id = fields["venue_order_id"], fields["execution_id"]
        price, qty = Decimal(fields["price"]), Decimal(fields["qty"])
        key = (c.name, order_id, execution_id)
        what = f"{c.name}: fill {execution_id} of order {order_id} ({qty} at {price})"
        if key in self._booked:
            self.fail("books-balance", f"{what} is booked twice", key=f"twice/{key}")
            return
        self._booked[key] = qty
        booked = self._booked_of.setdefault((c.name, order_id), [])
        booked.append((price, qty))
        made = self._of_order(c, order_id)
        if made is None:
            return  # of an order without a name here; its sum is compared at the end
        true = Counter((fill.price, fill.qty) for fill in made)
        if Counter(booked) - true:
            self.fail(
                "books-balance",
                f"{what} was booked, but the venue's fills of that order are "
                + (", ".join(f"{f.qty} at {f.price}" for f in made) or "none"),
                key=f"wrong/{key}",
            )

    def _of_order(self, c: ClientFacts, venue_order_id: str) -> list[Execution] | None:
        """The true fills of an order that the client names by the venue's own id."""
        if venue_order_id.isdigit():
            return self._fills.get((c.name, int(venue_order_id)), [])
        for order in c.orders.values():
            if order.venue_order_id == venue_order_id:
                made = c.made_at_venue(order.client_order_id)
                return [f for o in made for f in self._fills.get((c.name, o.order_id), [])]
        return None

    def forgot(self, c: ClientFacts) -> None:
        """Bookings that a loss of power has taken may be made again."""
        self._booked = {key: qty for key, qty in self._booked.items() if key[0] != c.name}
        self._booked_of = {key: of for key, of in self._booked_of.items() if key[0] != c.name}
        for fields in c.kept_executions:
            order_id, price, qty = fields["venue_order_id"], fields["price"], fields["qty"]
            self._booked[c.name, order_id, fields["execution_id"]] = Decimal(qty)
            booked = self._booked_of.setdefault((c.name, order_id), [])
            booked.append((Decimal(price), Decimal(qty)))

    # What is handed out.

    def attempted(self, c: ClientFacts, attempt: Attempt) -> None:
        if attempt.is_ok and attempt.request in _READ:
            self._dirty.add(c.name)

    def changed(self, c: ClientFacts, before: Order | None, after: Order, because: str) -> None:
        del because
        if before is None or before.filled_qty != after.filled_qty:
            self._dirty.add(c.name)
            self._note_heard(c, after)

    def _note_heard(self, c: ClientFacts, order: Order) -> None:
        """The client knows of these fills now: what it says of the position is no older."""
        key, left, heard_ms, unheard = (c.name, order.symbol), order.filled_qty, 0, ZERO
        for made in c.made_at_venue(order.client_order_id):
            for fill in self._fills.get((c.name, made.order_id), ()):
                if left > 0:
                    heard_ms = fill.at_ms
                    self._heard_ms[key] = max(fill.at_ms, self._heard_ms.get(key, 0))
                elif fill.at_ms == heard_ms:
                    unheard += fill.qty
                left -= fill.qty
        signed = unheard if order.side == "buy" else -unheard
        self._unheard.setdefault(key, {})[order.client_order_id] = signed

    def ended(self, c: ClientFacts, how: Ending) -> None:
        del how
        self._heard_ms = {key: at for key, at in self._heard_ms.items() if key[0] != c.name}
        self._unheard = {key: of for key, of in self._unheard.items() if key[0] != c.name}

    def answered(self, c: ClientFacts, asked: Asked, answer: Answer) -> None:
        if answer.end is not End.RETURNED:
            return
        value = answer.value
        if asked.call == "mark_price" and isinstance(value, Decimal):
            self._marks.append((c, asked, answer, value))
        elif isinstance(value, ReconcileReport) and value.is_complete:
            self._dirty.add(c.name)

    def looked(self, clients: Iterable[ClientFacts]) -> None:
        if self._unchecked:
            self._check_venue()
        self._check_marks()
        self._judge_suspects()
        everybody = self.case.now_s >= self._next_look_s
        if everybody:
            self._next_look_s = self.case.now_s + LOOK_EVERY_S
        for c in clients:
            session = c.client.session
            if session is None or c.client.is_frozen:
                continue
            if everybody or c.name in self._dirty:
                self._dirty.discard(c.name)
                self._check_held(c, session)

    def _check_held(self, c: ClientFacts, session: Session) -> None:
        history = self.case.truth.history.at(c.venue, c.account)
        if history is None:
            return
        for currency in session.balances:
            try:
                balance = session.balances[currency]
            except StaleData:
                continue
            self._check_value(c, session, "balance", currency, balance, history.balances)
        symbols = {order.symbol for order in c.orders.values()} | set(session.positions)
        for symbol in sorted(symbols):
            if symbol not in session.instruments:
                continue
            try:
                position = session.positions[symbol]
            except StaleData:
                continue
            venue_symbol = session.instruments[symbol].venue_symbol
            self._check_value(c, session, "position", venue_symbol, position, history.positions)

    def _check_value(
        self,
        c: ClientFacts,
        session: Session,
        what: str,
        name: str,
        value: Balance | Position,
        tracks: Mapping[str, Tracked],
    ) -> None:
        amount = value.qty if isinstance(value, Position) else value.total
        if c.name in self._blank and amount == 0:
            return  # a false zero has nothing to stand out from
        self.case.examined["nothing-stale-as-fresh"] += 1
        now_s = self.case.now_s
        since_s = self._as_of_s(c, value.as_of, session.settings.account_age_max_s)
        start_ms, end_ms = self.case.at_ms(since_s - _SLACK_S), self.case.at_ms(now_s)
        amounts: tuple[Decimal, ...] = (amount,)
        if isinstance(value, Position):
            start_ms = max(start_ms, self._heard_ms.get((c.name, value.symbol), 0))
            unheard = self._unheard.get((c.name, value.symbol), {})
            amounts = (amount, amount + sum(unheard.values(), ZERO))
        key = f"{c.name}/{what}/{name}"
        shown_to = _shown_to(c.venue, name) if what == "balance" else ZERO
        states = _states(tracks.get(name), start_ms, end_ms)
        if key not in self._suspects and not _is_one_of(amounts, states, shown_to):
            said = f"{amount} ({value.source.value}, as of {since_s:.3f} s)"
            self._suspects[key] = _Suspect(
                now_s,
                f"{c.name}: {what} {name} is handed out as {said}",
                amounts,
                shown_to,
                tracks,
                name,
                start_ms,
                end_ms,
                self.case.last_events(),
            )

    def _judge_suspects(self, *, all_of_them: bool = False) -> None:
        """A fill that is reported late may explain a value that the truth did not know of."""
        for key, suspect in list(self._suspects.items()):
            if self.case.now_s < suspect.at_s + FILLS_LATE_MAX_S and not all_of_them:
                continue
            del self._suspects[key]
            states = _states(suspect.tracks.get(suspect.name), suspect.start_ms, suspect.end_ms)
            if not _is_one_of(suspect.amounts, states, suspect.shown_to):
                was = ", ".join(str(state) for state in sorted(states))
                self.fail(
                    "nothing-stale-as-fresh",
                    f"{suspect.detail}, but from then on it was {was}",
                    key=key,
                    at_s=suspect.at_s,
                    events=suspect.events,
                )

    def _as_of_s(self, c: ClientFacts, as_of: float, age_max_s: float) -> float:
        """When a value was true at the latest by its own word, read off a clock that may step.

        By the reading that says the least: an age above the greatest that counts as fresh says no
        more than that one.
        """
        now_s = self.case.now_s
        readings = [as_of - wall for wall in c.walls]
        possible = [at_s for at_s in readings if at_s <= now_s + _SLACK_S]
        return max(now_s - age_max_s, min(possible, default=now_s - age_max_s))

    def _check_marks(self) -> None:
        while self._marks:
            if self.case.now_s < self._marks[0][2].at_s + _MARK_TOLD_S:
                return
            self._check_mark(*self._marks.pop(0))

    def _check_mark(self, c: ClientFacts, asked: Asked, answer: Answer, mark: Decimal) -> None:
        session = c.client.session
        if session is None or asked.symbol not in session.instruments:
            return
        symbol = session.instruments[asked.symbol].venue_symbol
        quotes = self.case.truth.quotes(c.venue, symbol)
        if quotes is None:
            return
        self.case.examined["nothing-stale-as-fresh"] += 1
        start_ms = self.case.at_ms(asked.at_s - _MARK_WINDOW_S)
        seen = quotes.within(start_ms, self.case.at_ms(answer.at_s + _MARK_TOLD_S), None)
        marks = [quote.mark for quote in seen if quote is not None and quote.mark is not None]
        if not marks:
            return
        # Between two reports a rough market may go as far again, and be back for the next one.
        steps = [abs(new / old - 1) for old, new in pairwise(marks) if old]
        slack = max([_MARK_SLACK, *steps])
        low, high = min(marks) * (1 - slack), max(marks) * (1 + slack)
        if not low <= mark <= high:
            self.fail(
                "nothing-stale-as-fresh",
                f"{c.name}: the mark of {asked.symbol} is handed out as {mark}; at the venue it "
                f"was between {min(marks)} and {max(marks)}",
            )

    # In the end.

    def finish(self) -> None:
        self._check_venue(all_of_it=True)
        for c in self.case.clients.values():
            session = c.client.session
            if session is None or c.client.is_frozen:
                continue
            self._check_held(c, session)
            for order in session.orders.all():
                ended = order.status in _ENDED_LIVE
                if not order.is_external and (ended or order.filled_qty > 0):
                    self._check_sum(c, order.client_order_id, order.filled_qty)
        self._judge_suspects(all_of_them=True)

    def _check_sum(self, c: ClientFacts, name: str, filled_qty: Decimal) -> None:
        """After everything was reconciled: the client's fills of one order are all of them."""
        self.case.examined["books-balance"] += 1
        true = sum((order.filled_qty for order in c.made_at_venue(name)), ZERO)
        if filled_qty != true:
            self.fail(
                "books-balance",
                f"{c.name}: after the last reconcile order {name} has {filled_qty} filled in the "
                f"client and {true} at the venue",
                key=f"sum/{name}",
            )


def _states(tracked: Tracked | None, start_ms: int, end_ms: int) -> set[Decimal]:
    """All values that were true, or were reported, at some instant between the two."""
    if tracked is None:
        return {ZERO}
    true = tracked.true.within(start_ms, end_ms, ZERO)
    return {*true, *tracked.reported.within(start_ms, end_ms, ZERO)}


def _is_one_of(amounts: tuple[Decimal, ...], states: set[Decimal], shown_to: Decimal) -> bool:
    return any(abs(amount - state) <= shown_to for state in states for amount in amounts)


def _shown_to(venue: str, asset: str) -> Decimal:
    """How far a balance may be from the truth because the venue shows so many decimals of it."""
    if venue != "kraken-spot":
        return ZERO
    return Decimal("0.5").scaleb(-asset_of(asset).decimals)
