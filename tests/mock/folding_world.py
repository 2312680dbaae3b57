"""A random story of clients, told to truths by a real engine and a pipeline without a socket.

One story is told to several truths at once: one keeps everything, the others fold. They are told
how complete they are at random instants, and must come to the same figures.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import replace
from decimal import Decimal

from handmade_run import SPOT, T0_MS, UM, fault, phase, scenario

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import OrderSnapshot
from outlast.mock.engine.knobs import EngineKnobs, MarketKnobs
from outlast.mock.engine.model import (
    NewOrder,
    OrderType,
    Product,
    Rejected,
    Side,
    TimeInForce,
)
from outlast.mock.records import CreateFacts, Landed, RequestRecord, Told
from outlast.mock.scenario.defaults import to_instrument
from outlast.mock.scenario.model import Expectation
from outlast.mock.truth import Truth

D = Decimal
ACCOUNTS = ("ann", "bob")
LATECOMER = "carl"
SYMBOL = "BTCUSDT"
EXPECT = (
    "no_duplicate_exposure",
    "no_orphans",
    Expectation("unknowns_resolved", 3.0),
    Expectation("unknowns_resolved", 40.0),
    Expectation("attempts_per_intent", 1),
    Expectation("attempts_per_intent", 3),
    Expectation("requests_total", 40),
    Expectation("requests_total", 100_000_000),
    "no_ban",
    Expectation("connects_max", 3),
    "risk_first",
    Expectation("no_new_exposure_before", "back"),
    "no_trade_on_untrusted",
    Expectation("stale_within", 2.0),
    "reconciled_by_end",
    "evidence_complete",
    Expectation("breaker_scope", ("spot",)),
)


def story_scenario(length_s: float):
    """Calm, trouble with orders, a closed venue, calm again, by turns of `length_s` seconds."""
    return scenario(
        *EXPECT,
        phases=(
            phase("calm", length_s),
            phase("trouble", length_s, fault(p=0.6), fault("market.*", reply="internal", p=0.3)),
            phase("closed", length_s, fault(p=1.0)),
            phase("back", None),
        ),
        venues=(UM, SPOT),
    )


class Story:
    """Told step by step, so that a test can look and fold in between."""

    def __init__(
        self,
        seed,
        *truths,
        length_s=200.0,
        ended_max=5,
        calm=False,
        pauses_s=(0.001, 0.05, 0.3, 1.0, 2.5),
    ):
        """`calm`: nothing stays open for long, as with clients that ask what became of orders."""
        self.scenario = truths[0].scenario
        self.truths = truths
        self._random = random.Random(seed)
        self._length_s, self._calm, self._pauses_s = length_s, calm, pauses_s
        spec = self.scenario.world.instruments[SYMBOL]
        self.engine = Engine(
            [to_instrument(spec, UM)],
            product=Product.UM,
            seed=seed,
            start_ms=T0_MS,
            venue=UM,
            ended_max=ended_max,
        )
        self.engine.listen(self._hear, public_trades=False)
        self.engine.on_forgotten(self._forgotten)
        self._due = []
        self._numbers = 0
        self._ordinal = 0
        self._under_way = {}
        self._named = 0
        self._names = []
        self._shapes = []
        self._phase = ""
        self._lies = ()
        self._accounts = list(ACCOUNTS)
        for account in ACCOUNTS:
            self.open_account(account)
        self._enter_phase()

    # -- telling every truth -------------------------------------------------------------------

    @property
    def now_ms(self):
        return self.engine.now_ms

    def open_account(self, account):
        self.engine.open_account(
            account,
            balances={"USDT": D(10_000_000)},
            positions={SYMBOL: (D(2), D(100_000))},
            open_orders=[_limit(Side.SELL, "0.5", "104000", "from-the-start")],
        )
        for truth in self.truths:
            truth.open_account(
                self.now_ms,
                UM,
                account,
                balances={"USDT": D(10_000_000)},
                positions={SYMBOL: D(2)},
                orders=[OrderSnapshot.of(o) for o in self.engine.orders(account)],
            )

    def _hear(self, event):
        for truth in self.truths:
            truth.engine_event(UM, event)

    def _forgotten(self, orders):
        for truth in self.truths:
            truth.forgotten(self.now_ms, UM, [order.order_id for order in orders])

    def told_until_ms(self):
        """Nothing before this instant will be told any more."""
        waiting = [record.arrived_ms for record in self._under_way.values()]
        return min([self.engine.told_until_ms, *waiting])

    def fold(self, *truths):
        for truth in truths:
            truth.complete_until(self.told_until_ms())

    # -- time ----------------------------------------------------------------------------------

    def later(self, delay_s, action):
        self._numbers += 1
        at_ms = self.now_ms + max(1, round(delay_s * 1000))
        heapq.heappush(self._due, (at_ms, self._numbers, action))
        return at_ms

    def pass_s(self, seconds):
        until_ms = self.now_ms + round(seconds * 1000)
        while self._due and self._due[0][0] <= until_ms:
            at_ms, _number, action = heapq.heappop(self._due)
            self._advance(at_ms)
            action()
        self._advance(until_ms)
        self._enter_phase()

    def _advance(self, at_ms):
        self.engine.advance(at_ms)
        for truth in self.truths:
            truth.advance(at_ms)

    def _enter_phase(self):
        elapsed_s = (self.now_ms - T0_MS) / 1000
        names = ("calm", "trouble", "closed", "back")
        name = names[min(3, int(elapsed_s / self._length_s))]
        if name != self._phase:
            self._phase = name
            for truth in self.truths:
                truth.phase(self.now_ms, name)

    # -- one step ------------------------------------------------------------------------------

    def step(self):
        """Something happens, and a while passes."""
        chance = self._random.random()
        account = self._random.choice(self._accounts)
        if len(self._accounts) == 2 and self._random.random() < 0.005:
            self.open_account(LATECOMER)
            self._accounts.append(LATECOMER)
        if chance < 0.40:
            self.create(account)
        elif chance < 0.50:
            self.cancel(account)
        elif chance < 0.70:
            self.ask(account)
        elif chance < 0.80:
            self.request(account, "market.read", venue=self._random.choice((UM, SPOT)))
        elif chance < 0.84:
            self.request(None, "market.read", venue=self._random.choice((UM, SPOT)))
        elif chance < 0.86:
            self.limit_reached(account)
        elif chance < 0.88:
            self.stream(account)
        elif chance < 0.90:
            self.dial(account)
        elif chance < 0.93:
            self.lie()
        elif chance < 0.96:
            self.knobs()
        else:
            yes = self._random.random() < 0.5
            for truth in self.truths:
                truth.willing(self.now_ms, account, yes)
        if self._random.random() < 0.5:
            self.quote()
        self.pass_s(self._random.choice(self._pauses_s))

    def finish(self):
        """Let everything end that is under way."""
        while self._due:
            self.pass_s(1.0)

    # -- requests ------------------------------------------------------------------------------

    def request(self, account, endpoint, *, venue=UM, took_s=None, **more):
        self._ordinal += 1
        product = "um" if venue == UM else "spot"
        record = RequestRecord(
            ordinal=self._ordinal,
            venue=venue,
            product=product,
            endpoint=endpoint,
            account=account,
            arrived_ms=self.now_ms,
            **more,
        )
        self._under_way[record.ordinal] = record
        hangs = self._random.random() < 0.02 and not self._calm
        if took_s is None:
            took_s = self._random.choice((0.0, 0.05, 0.2, 1.5, 20.0 if hangs else 0.1))
        self.later(took_s, lambda: self._settle(record, hangs=hangs))
        return record

    def _settle(self, record, *, hangs):
        del self._under_way[record.ordinal]
        record.replied_ms = self.now_ms
        if hangs:
            record.reply, record.told = "hang", Told.AMBIGUOUS
            record.shown = record.told_absent = record.pictures = ()
        if record.endpoint == "orders.create" and record.told is Told.OK:
            record.shown = record.order_ids
        copies = [replace(record) for _ in self.truths]
        for truth, copied in zip(self.truths, copies, strict=True):
            truth.request(copied)
        record.params = {"copies": copies}  # for what lands later
        if self._calm and record.told is Told.AMBIGUOUS and record.create is not None:
            self.later(20.0, lambda: self._find_out(record))

    def create(self, account, *, facts=None):
        facts = facts or self._facts()
        who = account if self._random.random() < 0.97 or self._calm else None
        chance = self._random.random()
        record = self.request(who, "orders.create", create=facts, symbol=SYMBOL)
        if who is None or chance < 0.15:
            record.told, record.reply, record.code = Told.REFUSED, "overload", "-1008"
        elif chance < (0.2 if self._calm else 0.3):
            record.told, record.reply = Told.AMBIGUOUS, "unknown"
        elif chance < (0.25 if self._calm else 0.45):
            record.told, record.reply = Told.AMBIGUOUS, "unknown"
            self._land(account, record)
        elif chance < 0.5:
            record.told, record.reply, record.landed = Told.AMBIGUOUS, "unknown", Landed.LATER
            delay_s = self._random.choice((0.5, 4.0, 15.0))
            record.busy_until_ms = self.later(delay_s, lambda: self._land(account, record)) + 1
        elif chance < 0.55:
            self._land(account, record)
            delay_s = self._random.choice((0.5, 6.0))
            record.busy_until_ms = self.later(delay_s, lambda: self._void(record)) + 1
        else:
            self._land(account, record)
        return record

    def _facts(self):
        draw = self._random
        if self._shapes and draw.random() < 0.35 and not self._calm:
            facts = draw.choice(self._shapes[-6:])  # a blind repeat, with the same id or another
            return replace(facts, client_order_id=self._name()) if draw.random() < 0.6 else facts
        reuses = bool(self._names) and not self._calm and draw.random() < 0.1
        name = draw.choice(self._names[-5:]) if reuses else ""
        side = draw.choice(("buy", "sell"))
        kind = draw.choice(("limit", "limit", "market"))
        off = D(draw.choice((-3000, -1500, -40, 40, 1500, 3000)))
        price = (D(100_000) + off * (1 if side == "sell" else -1)).quantize(D("0.1"))
        facts = CreateFacts(
            client_order_id=name or (self._name() if self._calm or draw.random() < 0.9 else ""),
            symbol=SYMBOL,
            side=side,
            type=kind,
            qty=D(draw.choice(("0.001", "0.002", "0.5"))),
            price=None if kind == "market" else price,
            reduces=draw.random() < 0.25,
        )
        self._shapes.append(facts)
        del self._shapes[:-6]
        return facts

    def _name(self):
        self._named += 1
        self._names.append(f"n{self._named}")
        del self._names[:-20]
        return self._names[-1]

    def _land(self, account, record):
        facts = record.create
        request = NewOrder(
            symbol=SYMBOL,
            side=Side(facts.side),
            type=OrderType(facts.type),
            qty=facts.qty,
            price=facts.price,
            reduce_only=facts.reduces,
            client_order_id=facts.client_order_id,
            time_in_force=self._random.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC))
            if facts.type == "limit"
            else TimeInForce.GTC,
        )
        taken = self.engine.place(account, request)
        if isinstance(taken, Rejected):
            if record.landed is Landed.NO:
                record.told, record.reply = Told.REFUSED, "ok"
            return
        later = record.landed is Landed.LATER
        for each in [record, *record.params.get("copies", ())]:
            each.order_ids = (taken.order_id,)
            each.landed = Landed.LATER if later else Landed.YES
        if not later:
            record.rendered_ms = self.now_ms
        if self._calm or self._random.random() < 0.6:
            life_s = self._random.choice((0.3, 3.0, 12.0))
            self.later(life_s, lambda: self.engine.cancel(account, taken.order_id, reason="venue"))

    def _void(self, record):
        for order_id in record.order_ids:
            if self.engine.void(order_id):
                for truth in self.truths:
                    truth.voided(self.now_ms, UM, order_id)
                for each in [record, *record.params.get("copies", ())]:
                    each.landed = Landed.VOIDED

    def cancel(self, account):
        if self._random.random() < 0.2:
            record = self.request(account, "orders.cancel_all", symbol=SYMBOL)
            gone = self.engine.cancel_all(account)
        else:
            name = self._random.choice(self._names[-12:]) if self._names else "none"
            record = self.request(account, "orders.cancel", asked_ids=(name,), symbol=SYMBOL)
            order = self.engine.find(account, client_order_id=name)
            gone = []
            if order is None:
                record.told, record.told_absent = Told.REFUSED, (name,)
            elif order.status.is_open:
                gone = [self.engine.cancel(account, order.order_id)]
        record.order_ids = tuple(order.order_id for order in gone)
        record.rendered_ms = self.now_ms
        if self._random.random() < 0.25:
            record.told, record.reply, record.told_absent = Told.AMBIGUOUS, "unknown", ()
        elif record.told is Told.OK:
            record.shown = record.order_ids

    def ask(self, account):
        """A query about orders or the account."""
        chance = self._random.random()
        record = self.request(
            account,
            "orders.query" if chance < 0.5 else "orders.open" if chance < 0.8 else "account.read",
        )
        record.rendered_ms = self.now_ms
        if self._random.random() < (0.0 if self._calm else 0.2):
            record.told, record.reply = Told.AMBIGUOUS, "reset"
        elif chance < 0.5:
            name = self._random.choice(self._names[-12:]) if self._names else "none"
            record.asked_ids = (name,)
            order = self.engine.find(account, client_order_id=name)
            if order is None:
                record.told, record.told_absent = Told.REFUSED, (name,)
            else:
                record.shown = (order.order_id,)
        elif chance < 0.8:
            record.pictures = ("open_orders",)
            found = self.engine.orders(account, only_open=True)
            record.shown = tuple(order.order_id for order in found)
        else:
            record.pictures = ("balances", "positions")
            record.lied = any(lie.startswith(("balances:", "positions:")) for lie in self._lies)

    def _find_out(self, unknown):
        """Ask, long after all has landed, what became of an order; it goes if it is there."""
        order = self.engine.find(unknown.account, client_order_id=unknown.create.client_order_id)
        record = self.request(unknown.account, "orders.query", took_s=0.1)
        record.rendered_ms = self.now_ms
        if order is None:
            record.told, record.told_absent = Told.REFUSED, (unknown.create.client_order_id,)
            return
        record.shown = (order.order_id,)
        self.engine.cancel(unknown.account, order.order_id, reason="venue")

    def limit_reached(self, account):
        who = self._random.choice((account, None))
        record = self.request(who, "market.read")
        record.told = Told.REFUSED
        record.limited = self._random.choice(("429", "429", "418"))
        record.status = int(record.limited)
        record.code = self._random.choice(("", "-1015"))
        record.retry_after_s = self._random.choice((1.0, 3.0, 10.0))

    # -- conditions ----------------------------------------------------------------------------

    def stream(self, account):
        orders = self.engine.orders(account)[-8:]
        for truth in self.truths:
            truth.shown(self.now_ms, UM, [order.order_id for order in orders])

    def dial(self, account):
        kind = self._random.choice(("ws.market.connect", "ws.user.connect", "http"))
        outcome = self._random.choice(("accepted", "accepted", "banned"))
        who = self._random.choice((account, None))
        for truth in self.truths:
            truth.connect(self.now_ms, kind, outcome, venue=UM, account=who)

    def lie(self):
        self._lies = self._random.choice(
            ((), (), ("balances:zero",), ("mark:frozen", "book"), ("book:BTCUSDT",))
        )
        for truth in self.truths:
            truth.lies(self.now_ms, self._lies, venue=UM)

    def knobs(self):
        longest_ms = 500 if self._calm else 12_000
        delay_ms = self._random.choice((0, 0, 0, longest_ms // 6, longest_ms))
        self.engine.configure(EngineKnobs(fills_delay_ms=delay_ms))
        self.engine.set_market(MarketKnobs())

    def quote(self):
        off = self._random.choice((D(1), D(1), D(1), D("1.05")))
        mark = self.engine.mark_price(SYMBOL)
        for truth in self.truths:
            truth.market(self.now_ms, SYMBOL, mark * off, mark, mark, venue=UM)


def _limit(side, qty, price, name):
    return NewOrder(
        symbol=SYMBOL,
        side=side,
        type=OrderType.LIMIT,
        qty=D(qty),
        price=D(price),
        client_order_id=name,
    )


def figures(truth: Truth):
    """Everything that is computed of a run."""
    return {
        "verdict": truth.verdict(),
        "each": {a: truth.verdict(account=a) for a in (*ACCOUNTS, LATECOMER)},
        "cards": {a: truth.scorecard(a) for a in (*ACCOUNTS, LATECOMER)},
        "requests": len(truth.traffic),
        "accounts": truth.accounts(),
        "counts": [_counts(truth, account) for account in truth.accounts()],
    }


def _counts(truth, account):
    listed = truth.as_json()
    gone = listed["not_listed"][account]
    accounts = [venue["accounts"].get(account) for venue in listed["venues"].values()]
    return {
        part: gone[part] + sum(len(found[part]) for found in accounts if found)
        for part in ("orders", "fills")
    } | {"intents": gone["intents"] + len(listed["intents"][account])}
