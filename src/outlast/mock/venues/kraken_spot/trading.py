"""Placing, amending, editing and cancelling orders, for REST and the WebSocket alike.

Source: Kraken docs, Add Order, Add Order Batch, Amend Order, Edit Order, Cancel Order, Cancel Order
Batch, Cancel All Orders, Cancel All Orders After X.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from outlast.mock.engine import filters
from outlast.mock.engine.engine import Engine
from outlast.mock.engine.model import (
    NewOrder,
    Order,
    OrderType,
    Rejected,
    RejectReason,
    TimeInForce,
)
from outlast.mock.venues.dialect import Timers
from outlast.mock.venues.kraken_spot.counters import TradingCounters
from outlast.mock.venues.kraken_spot.errors import (
    DEADLINE_ELAPSED,
    INVALID_ORDER,
    POST_ONLY,
    UNKNOWN_ORDER,
    VenueRefusal,
    invalid,
)
from outlast.mock.venues.kraken_spot.figures import fixed, seconds_text
from outlast.mock.venues.kraken_spot.ids import ORDER_SHAPE, Ids
from outlast.mock.venues.kraken_spot.order_log import Entry, OrderLog
from outlast.mock.venues.kraken_spot.params import Params
from outlast.mock.venues.kraken_spot.questions import Question, taken
from outlast.mock.venues.kraken_spot.symbols import Pair
from outlast.mock.venues.kraken_spot.tickets import OrderReader, Ticket

__all__ = ["Placed", "Trading", "same_id"]

BATCH_MIN: Final = 2
BATCH_MAX: Final = 15
CANCELS_MAX: Final = 50
TIMEOUT_MAX_S: Final = 86_400
_AGAIN_S: Final = 1.0
"""How often a dead man's switch that ran out while nothing can be cancelled tries again."""

Placed = tuple[Entry, Ticket]


class Trading:
    """The order calls of one running venue. Methods give values; the callers render them."""

    def __init__(self, log: OrderLog, counters: TradingCounters, ids: Ids) -> None:
        self.log = log
        self._counters = counters
        self._ids = ids
        self._amendments = 0

    # -- new --------------------------------------------------------------------------------

    def reader(self, q: Question) -> OrderReader:
        return OrderReader(q.listing, q.engine.book, q.engine.last_price, q.now_ms)

    def read(self, q: Question, params: Params) -> Ticket:
        """Read one new order; reading it wrong costs its point too."""
        pair = self.reader(q).pair(params)
        self._charge(q, "add", pair.symbol)
        return self.reader(q).order(params)

    def place(self, q: Question, ticket: Ticket) -> Entry:
        """Give an order to the engine, or keep it until `starttm`."""
        pair, account = ticket.pair, q.account
        self._check_room(q, ticket)
        starts_ms = ticket.particulars.starts_ms
        if starts_ms is not None and starts_ms > q.now_ms:
            return self._schedule(q, ticket, starts_ms)
        entry = self.log.expect(account, ticket.request, ticket.particulars)
        outcome = self._give(q.engine, account, ticket.request, silent=q.view.silent)
        if isinstance(outcome, Rejected):
            self.log.refused()
        taken(outcome, pair)
        return entry

    def check(self, q: Question, ticket: Ticket) -> None:
        """`validate`: everything but the account's money and the book."""
        self._check_room(q, ticket)
        instrument, engine = ticket.pair.instrument, q.engine
        refusal = filters.refusal(
            ticket.request,
            instrument,
            reference=engine.mark_price(instrument.symbol),
            now_ms=engine.now_ms,
        )
        if refusal is not None:
            taken(refusal, ticket.pair)

    def batch(self, q: Question, rows: list[dict[str, str]]) -> list[Ticket]:
        """Read a batch: 2 to 15 orders of one pair; the first mistake refuses them all."""
        if not BATCH_MIN <= len(rows) <= BATCH_MAX:
            raise invalid("orders")
        pair = q.pair()
        self._charge(q, "add", pair.symbol, share=len(rows) / 2)
        own = {"pair": q.params.need("pair")}
        reader = self.reader(q)
        return [reader.order(Params({**row, **own})) for row in rows]

    def _give(
        self, engine: Engine, account: str, request: NewOrder, *, silent: bool
    ) -> Order | Rejected:
        outcome = engine.place(account, request, silent=silent)
        if isinstance(outcome, Rejected) and outcome.reason is RejectReason.WOULD_TRIGGER:
            # The price is there already: such an order fires at once.
            return engine.place(account, _fired(request), silent=silent)
        return outcome

    def _check_room(self, q: Question, ticket: Ticket) -> None:
        open_here = [
            entry
            for entry in self.log.open_entries(q.account)
            if entry.symbol == ticket.request.symbol
        ]
        if len(open_here) >= self._counters.tier.open_orders_max:
            raise VenueRefusal("EOrder:Orders limit exceeded")
        name = ticket.particulars.cl_ord_id
        if name and any(
            same_id(entry.particulars.cl_ord_id, name) for entry in self._open(q.account)
        ):
            raise VenueRefusal("EGeneral:Invalid arguments:cl_ord_id not unique")

    def _open(self, account: str) -> list[Entry]:
        return self.log.open_entries(account)

    # -- scheduled orders -------------------------------------------------------------------

    def _schedule(self, q: Question, ticket: Ticket, starts_ms: int) -> Entry:
        entry = self.log.schedule(q.account, ticket.request, ticket.particulars)
        engine, log = q.engine, self.log

        def start() -> None:
            if entry.ended or entry.request is None:
                return
            log.expect_again(entry)
            outcome = self._give(engine, entry.account, entry.request, silent=False)
            if isinstance(outcome, Rejected):
                log.refused()
                log.end_unstarted(entry, outcome.reason.value)

        q.view.timers.later(("start", entry.txid), (starts_ms - q.now_ms) / 1000, start)
        return entry

    # -- amend and edit ---------------------------------------------------------------------

    def amend(self, q: Question, entry: Entry) -> str:
        """Change an order in place and give the id of the amendment.

        With `post_only` a new price that would take is refused, and the order stays as it was.
        """
        pair = q.listing.of(entry.symbol)
        self._charge(q, "amend", entry.symbol, age_ms=self._age_ms(q, entry))
        qty, price, stop = (
            q.params.decimal(name) for name in ("order_qty", "limit_price", "trigger_price")
        )
        if qty is None and price is None and stop is None:
            raise invalid("order_qty")
        order = self._working(q, entry)
        if order is None:
            raise VenueRefusal(UNKNOWN_ORDER)
        if stop is not None and order.request.stop_price is None:
            raise invalid("trigger_price")
        if price is not None and order.request.price is None:
            raise invalid("limit_price")
        if q.params.flag("post_only") and price is not None and q.engine.would_take(order, price):
            raise VenueRefusal(POST_ONLY)
        outcome = q.engine.amend(q.account, order.order_id, qty=qty, price=price, stop_price=stop)
        taken(outcome, pair)
        entry.amended_ms = q.engine.now_ms
        self._describe_anew(entry, pair, price, stop)
        self._amendments += 1
        return self._ids.amend(self._amendments)

    def _describe_anew(
        self, entry: Entry, pair: Pair, price: Decimal | None, stop: Decimal | None
    ) -> None:
        detail = entry.particulars
        if price is not None:
            word = fixed(price, pair.price_decimals)
            conditional = detail.price2 != "0"
            detail = replace(detail, price2=word) if conditional else replace(detail, price=word)
        if stop is not None:
            detail = replace(detail, price=fixed(stop, pair.price_decimals))
        entry.particulars = detail

    def edit(self, q: Question, entry: Entry) -> Placed:
        """Cancel an order and place another in its stead; a refused one leaves the old order."""
        pair = q.pair()
        if pair.symbol != entry.symbol:
            raise VenueRefusal(INVALID_ORDER)
        self._charge(q, "edit", entry.symbol, age_ms=self._age_ms(q, entry))
        order = self._working(q, entry)
        if order is None:
            raise VenueRefusal(UNKNOWN_ORDER)
        if order.request.type is not OrderType.LIMIT or entry.particulars.cl_ord_id:
            raise VenueRefusal(INVALID_ORDER)
        ticket = self.reader(q).order(Params(self._edited(q, entry, order)))
        taken(q.engine.cancel(q.account, order.order_id, reason="edit"), pair)
        fresh = self.log.expect(q.account, ticket.request, ticket.particulars)
        outcome = self._give(q.engine, q.account, ticket.request, silent=q.view.silent)
        if isinstance(outcome, Rejected):
            self.log.expect_again(entry)
            back = replace(order.request, qty=order.leaves_qty)
            if isinstance(q.engine.place(q.account, back), Rejected):
                self.log.refused()
        taken(outcome, pair)
        entry.replaced = True
        return fresh, ticket

    @staticmethod
    def _edited(q: Question, entry: Entry, order: Order) -> dict[str, str]:
        """The old order as parameters, with what the edit names on top."""
        request, detail = order.request, entry.particulars
        values = {
            "pair": q.params.need("pair"),
            "ordertype": detail.ordertype,
            "type": request.side.value,
            "volume": f"{order.leaves_qty:f}",
            "price": detail.price,
            "oflags": ",".join(detail.oflags),
            "userref": str(detail.userref),
        }
        for name in ("volume", "price", "oflags", "userref", "displayvol"):
            text = q.params.text(name)
            if text is not None:
                values[name] = text
        return values

    # -- cancel -----------------------------------------------------------------------------

    def named(self, q: Question, text: str) -> list[Entry]:
        """The open orders that a txid or a userref names; a txid names one at most.

        Raises:
            VenueRefusal: it is neither; no such order, or none that is open.
        """
        if text.lstrip("-").isdigit() and len(text) <= 11:
            found = [e for e in self._open(q.account) if e.particulars.userref == int(text)]
            if not found:
                raise VenueRefusal(UNKNOWN_ORDER)
            return found
        if not ORDER_SHAPE.match(text):
            raise VenueRefusal(INVALID_ORDER)
        entry = self.log.find(q.account, text)
        if entry is None or entry not in self._open(q.account):
            raise VenueRefusal(UNKNOWN_ORDER)
        return [entry]

    def by_client_id(self, q: Question, name: str) -> Entry:
        """The open order with this `cl_ord_id`; gone ones are invalid here, not unknown."""
        for entry in self._open(q.account):
            if same_id(entry.particulars.cl_ord_id, name):
                return entry
        raise VenueRefusal(INVALID_ORDER, absent=(name,))

    def cancel(self, q: Question, entries: list[Entry], *, in_batch: bool = False) -> list[int]:
        """Cancel orders and give the engine's ids of them."""
        for entry in entries:
            self._charge(q, "cancel", entry.symbol, age_ms=self._age_ms(q, entry), always=in_batch)
        return [order_id for entry in entries for order_id in self._cancel(q, entry)]

    def cancel_all(self, q: Question) -> tuple[int, list[int]]:
        """Cancel everything: how many orders, and the engine's ids of them."""
        entries = self._open(q.account)
        for symbol in dict.fromkeys(entry.symbol for entry in entries):
            self._charge(q, "cancel_all", symbol)
        self._check_cancels(q)
        gone = [order_id for entry in entries for order_id in self._cancel(q, entry)]
        return len(entries), gone

    def _check_cancels(self, q: Question) -> None:
        """Refuse where the engine would, although there is nothing to cancel."""
        outcome = q.engine.cancel_all(q.account, symbol="", reason="client")
        if isinstance(outcome, Rejected):
            taken(outcome, q.listing.pairs[0])

    def _cancel(self, q: Question, entry: Entry) -> list[int]:
        if not entry.engine_ids:
            self.log.end_unstarted(entry, "client")
            q.view.timers.drop(("start", entry.txid))
            return []
        order_id = entry.engine_ids[-1]
        taken(q.engine.cancel(q.account, order_id), q.listing.of(entry.symbol))
        return [order_id]

    # -- dead man's switch ------------------------------------------------------------------

    def deadman(self, q: Question, timeout_s: int) -> dict[str, str]:
        """Arm, restart or (0) disarm the account's switch; it runs on through any downtime."""
        key = ("deadman", q.account)
        now = seconds_text(q.now_ms)
        if timeout_s == 0:
            q.view.timers.drop(key)
            return {"currentTime": now, "triggerTime": "0"}
        run_out = self._run_out(q.engine, q.account, q.view.timers)
        q.view.timers.later(key, timeout_s, run_out)
        return {
            "currentTime": now,
            "triggerTime": seconds_text(q.now_ms + timeout_s * 1000),
        }

    def _run_out(self, engine: Engine, account: str, timers: Timers) -> Callable[[], None]:
        """What happens when the time is over: at once, or as soon as the engine is back."""

        def run_out() -> None:
            for entry in self._open(account):
                if not entry.engine_ids:
                    self.log.end_unstarted(entry, "deadman")
                    timers.drop(("start", entry.txid))
            if isinstance(engine.cancel_all(account, reason="deadman"), Rejected):
                timers.later(("deadman", account), _AGAIN_S, run_out)

        return run_out

    # -- inside -----------------------------------------------------------------------------

    def check_deadline(self, q: Question) -> None:
        """Refuse what comes to the engine too late."""
        deadline_ms = q.params.deadline()
        if deadline_ms is not None and deadline_ms <= q.now_ms:
            raise VenueRefusal(DEADLINE_ELAPSED)

    def _charge(
        self,
        q: Question,
        kind: str,
        symbol: str,
        *,
        age_ms: int | None = None,
        share: float = 1.0,
        always: bool = False,
    ) -> None:
        self._counters.charge(
            kind,
            q.account,
            symbol,
            q.view.limits,
            q.engine.now_ms,
            age_ms=age_ms,
            share=share,
            always=always,
        )

    def _age_ms(self, q: Question, entry: Entry) -> int:
        """How old an order is: since it was made or last amended."""
        return q.engine.now_ms - (entry.amended_ms or entry.opened_ms)

    def _working(self, q: Question, entry: Entry) -> Order | None:
        """The engine's order that an entry now is, while it is open."""
        if not entry.engine_ids:
            return None
        order = q.engine.find(q.account, order_id=entry.engine_ids[-1])
        return order if order is not None and order.status.is_open else None


def same_id(one: str, other: str) -> bool:
    """Whether two `cl_ord_id`s are one: UUIDs are kept as numbers, whatever their spelling."""
    if not one or not other:
        return False
    return one == other or (
        len(one.replace("-", "")) == 32
        and one.replace("-", "").lower() == other.replace("-", "").lower()
    )


def _fired(request: NewOrder) -> NewOrder:
    """What a conditional order becomes."""
    limited = request.price is not None
    keeps_time = limited and request.time_in_force is TimeInForce.GTD
    return replace(
        request,
        type=OrderType.LIMIT if limited else OrderType.MARKET,
        stop_price=None,
        time_in_force=TimeInForce.GTD if keeps_time else TimeInForce.GTC,
        expires_ms=request.expires_ms if keeps_time else None,
    )
