"""Runs made by hand: records and engine events as a mock would report them, without a server.

Times are seconds since the start of the scenario. `Run.create` sends an order and, with `lands`,
lets the engine take it; everything else is said explicitly.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from outlast.mock.engine.events import (
    BalanceEvent,
    OrderEvent,
    OrderEventKind,
    OrderSnapshot,
    PositionEvent,
)
from outlast.mock.engine.model import (
    EngineMode,
    Execution,
    NewOrder,
    OrderStatus,
    OrderType,
    Product,
    Side,
)
from outlast.mock.records import CreateFacts, Landed, RequestRecord, Told
from outlast.mock.scenario.model import (
    AccountSpec,
    EngineSettings,
    Expectation,
    FaultRule,
    InstrumentSpec,
    LimitSettings,
    Phase,
    Reply,
    Scenario,
    Where,
    World,
)
from outlast.mock.scenario.vocabulary import PRODUCT_OF_VENUE, expand_pattern
from outlast.mock.truth import Truth

T0_MS = 1_760_130_420_000  # 2025-10-10T21:07:00Z
UM, SPOT = "binance-um", "binance-spot"
BOT = "bot"


def ms(at_s: float) -> int:
    return T0_MS + round(at_s * 1000)


def fault(match="orders.create", *, reply="overload", p=1.0, product=None, reduces=None):
    where = Where(product=() if product is None else (product,), reduces=reduces)
    return FaultRule(
        id="phase/0",
        match=(match,),
        endpoints=expand_pattern(match),
        where=where,
        p=p,
        reply=Reply(kind=reply),
    )


def phase(name, for_s, *faults, mode=None, ramp=None):
    return Phase(
        name=name,
        duration_s=for_s,
        faults=faults,
        engine=EngineSettings(mode=None if mode is None else EngineMode(mode)),
        ramp=ramp,
    )


def _instrument(symbol, product, mid, **more):
    return InstrumentSpec(
        symbol=symbol,
        product=product,
        base=symbol[:3],
        quote="USDT",
        mid=Decimal(mid),
        tick=Decimal("0.1"),
        **more,
    )


def scenario(*expect, phases=(), venues=(UM,), scope=()):
    instruments = {
        spec.symbol: spec
        for spec in (
            _instrument("BTCUSDT", Product.UM, 100_000, qty_step=Decimal("0.001")),
            _instrument("ETHUSDT", Product.UM, 4_000),
            _instrument("BTCUSDT-SPOT", Product.SPOT, 100_000),
        )
    }
    return Scenario(
        scenario="handmade",
        title="made by hand",
        incidents=(),
        fidelity="synthetic",
        venues=venues,
        seed=7,
        t0_ms=T0_MS,
        world=World(instruments=instruments, account=AccountSpec()),
        limits=LimitSettings(),
        phases=phases or (Phase(name="all", duration_s=None),),
        expect=tuple(e if isinstance(e, Expectation) else Expectation(e) for e in expect),
        scope=scope,
    )


class Run:
    """One account's story, told to a `Truth` step by step."""

    def __init__(
        self,
        *expect,
        phases=(),
        venues=(UM,),
        scope=(),
        positions=None,
        balances=None,
        reads_max=20_000,
        reached=None,
    ):
        """`reached`: the last phase that the run came to; None: all of them."""
        self.scenario = scenario(*expect, phases=phases, venues=venues, scope=scope)
        self.truth = Truth(self.scenario, reads_max=reads_max)
        self._ordinal = 0
        self._order_id = 0
        self._orders: dict[int, tuple[str, OrderSnapshot]] = {}
        for venue in venues:
            self.truth.open_account(
                T0_MS,
                venue,
                BOT,
                balances={"USDT": Decimal(balances or 10_000)},
                positions={s: Decimal(q) for s, q in (positions or {}).items()}
                if venue == UM
                else {},
            )
        start = 0.0
        for item in self.scenario.phases:
            self.truth.phase(ms(start), item.name)
            start += item.duration_s or 0.0
            if item.name == reached:
                break
        self.truth.now_ms = T0_MS

    # -- requests -----------------------------------------------------------------------------

    def request(self, at_s, endpoint, *, took_s=0.1, venue=UM, account=BOT, **more):
        """Any request; `took_s` None: never answered."""
        self._ordinal += 1
        record = RequestRecord(
            ordinal=self._ordinal,
            venue=venue,
            product=PRODUCT_OF_VENUE[venue].value,
            endpoint=endpoint,
            account=account,
            arrived_ms=ms(at_s),
            replied_ms=None if took_s is None else ms(at_s + took_s),
            **more,
        )
        self.truth.request(record)
        return record

    def create(
        self,
        at_s,
        name,
        side="sell",
        qty="1",
        *,
        symbol="BTCUSDT",
        price=None,
        reduces=False,
        told=Told.OK,
        lands=None,
        lands_at_s=None,
        order_type="limit",
        **more,
    ):
        """Send one order; it lands when told OK, or with `lands`, at `lands_at_s` or at once.

        Returns (record, order id or None).
        """
        venue = more.get("venue", UM)
        facts = CreateFacts(
            client_order_id=name,
            symbol=symbol,
            side=side,
            type=order_type,
            qty=Decimal(qty),
            price=None if price is None else Decimal(price),
            reduces=reduces,
        )
        lands = told is Told.OK if lands is None else lands
        order_id = None
        if lands:
            order_id = self.order(
                at_s if lands_at_s is None else lands_at_s,
                name,
                side,
                qty,
                symbol=symbol,
                price=price,
                reduces=reduces,
                venue=venue,
            )
        later = lands and lands_at_s is not None
        landed = Landed.LATER if later else Landed.YES if lands else Landed.NO
        record = self.request(
            at_s,
            "orders.create",
            create=facts,
            told=told,
            landed=landed,
            reply="ok" if told is Told.OK else more.pop("reply", "unknown"),
            order_ids=(order_id,) if lands and not later else (),
            symbol=symbol,
            **more,
        )
        return record, order_id

    def query(self, at_s, *, endpoint="orders.query", shown=(), absent=(), **more):
        """A query; `told_absent` answers are refusals (-2013) as on the wire."""
        told = more.pop("told", Told.REFUSED if absent else Told.OK)
        return self.request(
            at_s, endpoint, shown=tuple(shown), told_absent=tuple(absent), told=told, **more
        )

    # -- the engine ---------------------------------------------------------------------------

    def order(
        self,
        at_s,
        name,
        side="sell",
        qty="1",
        *,
        symbol="BTCUSDT",
        price=None,
        reduces=False,
        venue=UM,
        triggered_from=None,
    ):
        """The engine takes an order; it rests until something else is said."""
        self._order_id += 1
        snapshot = OrderSnapshot(
            order_id=self._order_id,
            account=BOT,
            request=NewOrder(
                symbol=symbol,
                side=Side(side),
                type=OrderType.LIMIT if price is not None else OrderType.MARKET,
                qty=Decimal(qty),
                price=None if price is None else Decimal(price),
                reduce_only=reduces,
                client_order_id=name,
            ),
            status=OrderStatus.NEW,
            created_ms=ms(at_s),
            updated_ms=ms(at_s),
            filled_qty=Decimal(0),
            filled_quote=Decimal(0),
            end_reason="",
            triggered_from=triggered_from,
            became=None,
        )
        self._tell(venue, OrderEventKind.NEW, snapshot, at_s)
        return self._order_id

    def fill(
        self,
        order_id,
        at_s,
        *,
        qty=None,
        price="100000",
        pnl="0",
        fee="0",
        fee_currency="USDT",
        visible_s=None,
    ):
        """Fill `qty` (default: the rest) and move the position with it."""
        venue, old = self._orders[order_id]
        amount = old.leaves_qty if qty is None else Decimal(qty)
        filled = old.filled_qty + amount
        done = filled == old.request.qty
        snapshot = replace(
            old,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            filled_qty=filled,
            filled_quote=old.filled_quote + amount * Decimal(price),
            updated_ms=ms(at_s),
        )
        visible = at_s if visible_s is None else visible_s
        execution = Execution(
            execution_id=len(self.truth.history.of(BOT)[0].fills) + 1,
            order_id=order_id,
            account=BOT,
            symbol=old.request.symbol,
            side=old.request.side,
            price=Decimal(price),
            qty=amount,
            quote_qty=amount * Decimal(price),
            fee=Decimal(fee),
            fee_currency=fee_currency,
            realised_pnl=Decimal(pnl),
            is_maker=False,
            at_ms=ms(at_s),
            visible_ms=ms(visible),
        )
        self._tell(venue, OrderEventKind.TRADE, snapshot, at_s, execution, visible)
        symbol = old.request.symbol
        history = self.truth.history.at(venue, BOT)
        held = history.position(symbol, ms(at_s)) + old.request.side.sign * amount
        if venue == UM:
            self.position(at_s, symbol, held, visible_s=visible)

    def end(self, order_id, at_s, status=OrderStatus.CANCELED, reason=""):
        """The order ends without another fill."""
        venue, old = self._orders[order_id]
        kind = OrderEventKind(status.value)
        ended = replace(old, status=status, updated_ms=ms(at_s), end_reason=reason)
        self._tell(venue, kind, ended, at_s)

    def position(self, at_s, symbol, qty, *, visible_s=None):
        self.truth.engine_event(
            UM,
            PositionEvent(
                account=BOT,
                symbol=symbol,
                qty=Decimal(qty),
                entry=Decimal(100_000),
                unrealised=Decimal(0),
                realised=Decimal(0),
                reason="order",
                at_ms=ms(at_s),
                shown_ms=ms(at_s if visible_s is None else visible_s),
                silent=False,
            ),
        )

    def balance(self, at_s, total, *, asset="USDT", venue=UM):
        self.truth.engine_event(
            venue,
            BalanceEvent(
                account=BOT,
                asset=asset,
                total=Decimal(total),
                free=Decimal(total),
                locked=Decimal(0),
                reason="order",
                at_ms=ms(at_s),
                shown_ms=ms(at_s),
                silent=False,
            ),
        )

    def market(self, at_s, venue_price, peer_price=100_000, mark=None, symbol="BTCUSDT"):
        self.truth.market(
            ms(at_s),
            symbol,
            Decimal(venue_price),
            Decimal(peer_price),
            None if mark is None else Decimal(mark),
            venue=UM,
        )

    def _tell(self, venue, kind, snapshot, at_s, execution=None, visible_s=None):
        self._orders[snapshot.order_id] = (venue, snapshot)
        self.truth.engine_event(
            venue,
            OrderEvent(
                kind=kind,
                account=BOT,
                order=snapshot,
                execution=execution,
                at_ms=ms(at_s),
                shown_ms=ms(at_s if visible_s is None else visible_s),
                silent=False,
            ),
        )

    # -- judgement ----------------------------------------------------------------------------

    def until(self, at_s):
        self.truth.advance(ms(at_s))
        return self

    def verdict(self, belief=None):
        """The only expectation of the run, judged."""
        (result,) = self.truth.verdict(belief)
        return result

    def holds(self, belief=None):
        result = self.verdict(belief)
        assert result["evidence"]
        return result["holds"]

    def evidence(self, belief=None):
        """The evidence of the only expectation, which must be broken."""
        result = self.verdict(belief)
        assert not result["holds"], result["evidence"]
        return result["evidence"]

    def card(self):
        return self.truth.scorecard(BOT)
