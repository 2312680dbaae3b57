"""Kraken spot: the dialect that the exchange's pipeline speaks through.

It follows the venue's protocol as of autumn 2026, whatever date a scenario plays at. One object
serves one venue of one running exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import EngineEvent, InstrumentEvent
from outlast.mock.engine.model import Product
from outlast.mock.http.plans import HttpMessage
from outlast.mock.keys import Account, KeyRing
from outlast.mock.limits import Charge, LimitBreach, LimitWindow, Usage
from outlast.mock.records import Told
from outlast.mock.venues.dialect import Call, WireAnswer
from outlast.mock.venues.kraken_spot import aliases, counters, facts, routes, status
from outlast.mock.venues.kraken_spot.account import AccountDesk
from outlast.mock.venues.kraken_spot.errors import (
    DEADLINE_ELAPSED,
    UNKNOWN_METHOD,
    VenueRefusal,
)
from outlast.mock.venues.kraken_spot.figures import to_places
from outlast.mock.venues.kraken_spot.gate import Gate
from outlast.mock.venues.kraken_spot.history import History
from outlast.mock.venues.kraken_spot.ids import Ids
from outlast.mock.venues.kraken_spot.ledger import Ledger
from outlast.mock.venues.kraken_spot.market import Market
from outlast.mock.venues.kraken_spot.order_calls import OrderCalls
from outlast.mock.venues.kraken_spot.order_log import OrderLog
from outlast.mock.venues.kraken_spot.params import Params, merged
from outlast.mock.venues.kraken_spot.questions import Given, Question
from outlast.mock.venues.kraken_spot.streams import KrakenStreams
from outlast.mock.venues.kraken_spot.symbols import Listing, asset_of
from outlast.mock.venues.kraken_spot.tokens import Tokens
from outlast.mock.venues.kraken_spot.trading import Trading

if TYPE_CHECKING:
    from outlast.mock.scenario.model import Reply
    from outlast.mock.view import VenueView

__all__ = ["KrakenSpotDialect"]

_CREATES: Final = ("AddOrder", "AddOrderBatch")


class KrakenSpotDialect:
    """See `mock/venues/dialect.py` for the port; `seed` makes ids and tokens."""

    def __init__(self, *, seed: int, tier: counters.Tier = counters.PRO) -> None:
        """`tier`: what accounts may ask; it cannot be read from any answer."""
        ids = Ids(seed)
        self.log = OrderLog(ids)
        self.ledger = Ledger()
        self.tokens = Tokens(seed)
        self.counters = counters.TradingCounters(tier)
        self.trading = Trading(self.log, self.counters, ids)
        self.streams = KrakenStreams(
            listing=lambda: self._listing,
            log=self.log,
            ledger=self.ledger,
            tokens=self.tokens,
            ids=ids,
            points_max=tier.points_max,
        )
        self._tier = tier
        self._gate = Gate()
        self._listing = Listing(())
        calls = OrderCalls(self.trading)
        history = History(calls, self.log, self.ledger, ids)
        market, account = Market(self.ledger), AccountDesk(self.tokens)
        self._handlers: Mapping[str, Callable[[Question], Given]] = {
            "Time": market.time,
            "SystemStatus": status.system_status,
            "MaintenanceSchedule": status.schedule,
            "Assets": market.assets,
            "AssetPairs": market.asset_pairs,
            "Ticker": market.ticker,
            "OHLC": market.ohlc,
            "Depth": market.depth,
            "Trades": market.trades,
            "Spread": market.spread,
            "AddOrder": calls.add,
            "AddOrderBatch": calls.add_batch,
            "AmendOrder": calls.amend,
            "EditOrder": calls.edit,
            "CancelOrder": calls.cancel,
            "CancelOrderBatch": calls.cancel_batch,
            "CancelAll": calls.cancel_all,
            "CancelAllOrdersAfter": calls.deadman,
            "OpenOrders": calls.open_orders,
            "QueryOrders": calls.query,
            "ClosedOrders": history.closed_orders,
            "TradesHistory": history.trades,
            "QueryTrades": history.query_trades,
            "Ledgers": history.ledgers,
            "QueryLedgers": history.query_ledgers,
            "Balance": account.balance,
            "BalanceEx": account.balance_ex,
            "TradeBalance": account.trade_balance,
            "TradeVolume": account.trade_volume,
            "OpenPositions": account.positions,
            "GetWebSocketsToken": account.token,
        }

    @property
    def venue(self) -> str:
        return "kraken-spot"

    @property
    def product(self) -> Product:
        return Product.SPOT

    @property
    def windows(self) -> tuple[LimitWindow, ...]:
        return counters.windows(self._tier)

    @property
    def listing(self) -> Listing:
        return self._listing

    def shown_balance(self, currency: str, amount: Decimal) -> Decimal:
        return to_places(amount, asset_of(currency).decimals)

    def attach(self, engine: Engine) -> None:
        """Listen to this engine, so that ids, bars and ledgers know the past."""

        def relist(event: EngineEvent) -> None:
            if isinstance(event, InstrumentEvent):
                self._listing = Listing(engine.instruments.values())

        self._listing = Listing(engine.instruments.values())
        engine.listen(relist, public_trades=False)
        self.log.attach(engine)
        self.ledger.attach(engine)

    def route(self, message: HttpMessage) -> Call | None:
        route = routes.find(message.method, message.path)
        if route is None:
            return None
        values = merged(message.query, message.body, message.header("content-type"))
        params = Params(values)
        name = params.text("pair")
        single = route.name == "AddOrder"
        return Call(
            endpoint=route.endpoint,
            name=route.name,
            message=message,
            params=values,
            payload=message.body,
            symbol=facts.symbol_of(self._listing, name) if name else None,
            create=facts.create_facts(self._listing, params) if single else None,
            batch=facts.batch_facts(self._listing, params) if route.name == "AddOrderBatch" else (),
            post_only=facts.is_post_only(params) if single else None,
            asked_ids=() if route.name in _CREATES else facts.asked_ids(params),
        )

    def not_found(self, _message: HttpMessage) -> WireAnswer:
        """Answer a path or method that the venue does not have."""
        return aliases.error_answer(UNKNOWN_METHOD)

    def authenticate(self, call: Call, keys: KeyRing, now_ms: int) -> Account | WireAnswer | None:
        route = routes.find(call.message.method, call.message.path)
        on_socket = call.message.wants_websocket
        if not on_socket and (route is None or not route.private):
            return None
        try:
            if on_socket:
                return self._gate.admit_token(call, keys, self.tokens, now_ms)
            return self._gate.admit(call, keys, now_ms)
        except VenueRefusal as refusal:
            return aliases.refused(refusal)

    def expired(self, call: Call, now_ms: int) -> WireAnswer | None:
        """Refuse what comes to the engine after its `deadline`."""
        try:
            deadline_ms = Params(call.params).deadline()
        except VenueRefusal:
            return None  # its own refusal follows
        late = deadline_ms is not None and deadline_ms <= now_ms
        return aliases.error_answer(DEADLINE_ELAPSED) if late else None

    def perform(
        self, call: Call, account: Account | None, view: VenueView, now_ms: int
    ) -> WireAnswer:
        try:
            given = self.give(call, account.name if account else "", view, now_ms)
        except VenueRefusal as refusal:
            return aliases.refused(refusal)
        return self.answer(given, aliases.result_answer(given.result))

    def give(self, call: Call, account: str, view: VenueView, now_ms: int) -> Given:
        """What a call gives, before it is written.

        Raises:
            VenueRefusal: the venue's own no.
        """
        question = Question(
            params=Params(call.params),
            account=account,
            view=view,
            listing=self._listing,
            now_ms=now_ms,
        )
        return self._handlers[call.name](question)

    @staticmethod
    def answer(given: Given, body: bytes) -> WireAnswer:
        """The answer that carries what was given."""
        return WireAnswer(
            status=200,
            body=body,
            headers=(("Content-Type", "application/json; charset=utf-8"),),
            told=Told.OK,
            order_ids=given.order_ids,
            shown=given.shown,
            told_absent=given.told_absent,
            pictures=given.pictures,
        )

    def render(self, reply: Reply, call: Call, _now_ms: int) -> WireAnswer:
        return aliases.render(reply, call)

    def limited(self, breach: LimitBreach, _call: Call | None, _now_ms: int) -> WireAnswer:
        return aliases.error_answer(aliases.limit_text(breach))

    def charge(self, call: Call | None) -> Charge:
        """Public calls count against the address, private ones against the account."""
        if call is not None and call.message.wants_websocket:
            return Charge()  # requests on a socket have the trading engine's counter alone
        route = None
        if call is not None:
            route = routes.find(call.message.method, call.message.path)
        if route is not None and route.private:
            return Charge(calls=route.calls)
        return Charge(weight=1)

    def decorate(self, answer: WireAnswer, _call: Call | None, _usage: Usage) -> WireAnswer:
        """The venue sends no headers about its counters."""
        return answer
