"""One account at a venue, told to the ledger late, twice, out of order, and with our own mistakes.

The machine keeps the truth: what the venue has and when it changed. The ledger hears any of it in
any order. Whatever happens, knowledge only grows, and when all has been told it is the truth.
"""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from outlast.core.orders import OrderEvent, OrderLedger
from outlast.model import (
    Execution,
    OrderReport,
    OrderStatus,
    OrderType,
    Pending,
    Side,
    Source,
    limit,
)

S = "BTC/USDT:USDT"
QTY = Decimal(4)

RANK = {
    OrderStatus.INITIALIZED: 0,
    OrderStatus.SUBMITTED: 1,
    OrderStatus.UNKNOWN: 2,
    OrderStatus.ACCEPTED: 3,
    OrderStatus.PARTIALLY_FILLED: 4,
    OrderStatus.DENIED: 5,
    OrderStatus.REJECTED: 5,
    OrderStatus.NOT_PLACED: 5,
    OrderStatus.CANCELED: 5,
    OrderStatus.EXPIRED: 5,
    OrderStatus.FILLED: 6,
}
HELD_FOR_GONE = {OrderStatus.DENIED, OrderStatus.REJECTED, OrderStatus.NOT_PLACED}


class VenueOrder:
    """The truth about one order: every state it has had, and its fills."""

    def __init__(self, client_order_id, venue_order_id):
        self.client_order_id = client_order_id
        self.venue_order_id = venue_order_id
        self.reports = []
        self.fills = []
        self.move(OrderStatus.ACCEPTED, 0)

    @property
    def last(self):
        return self.reports[-1]

    def move(self, status, at_ms):
        self.reports.append(
            OrderReport(
                client_order_id=self.client_order_id,
                venue_order_id=self.venue_order_id,
                symbol=S,
                status=status,
                side=Side.BUY,
                order_type=OrderType.LIMIT,
                qty=QTY,
                filled_qty=sum((f.qty for f in self.fills), Decimal(0)),
                price=Decimal(100),
                updated_ms=at_ms,
            )
        )

    def fill(self, qty, at_ms):
        self.fills.append(
            Execution(
                symbol=S,
                execution_id=f"e{len(self.fills)}",
                venue_order_id=self.venue_order_id,
                client_order_id=self.client_order_id,
                side=Side.BUY,
                price=Decimal(100 + len(self.fills)),
                qty=qty,
                fee=Decimal(0),
                fee_currency="USDT",
                venue_time_ms=at_ms,
            )
        )
        done = sum(f.qty for f in self.fills) == QTY
        self.move(OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED, at_ms)


class OneAccount(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.ledger = OrderLedger()
        self.at_venue = {}
        self.ours = []
        self.now = 0
        self.filled = {}
        self.booked = 0

    def tick(self):
        self.now += 1
        return float(self.now)

    def check(self, change, *, may_fall_to=None):
        before, after = change.before, change.after
        assert self.ledger.get(after.client_order_id) == after
        if RANK[after.status] < RANK[before.status]:
            concluded = before.status is OrderStatus.CANCELED and before.source is Source.DERIVED
            told_so = change.contradicts and (concluded or before.status in HELD_FOR_GONE)
            assert told_so or after.status is may_fall_to
        assert after.filled_qty >= before.filled_qty
        assert (after.venue_time_ms or 0) >= (before.venue_time_ms or 0)
        if before.venue_order_id is not None:
            assert after.venue_order_id == before.venue_order_id

    def pick(self, which, things):
        return things[which % len(things)]

    # What we do, and what we conclude, rightly or wrongly.

    @rule(reaches=st.booleans())
    def submit(self, reaches):
        number = len(self.ours) + 1
        client_order_id = f"ol-{number}"
        self.ours.append(client_order_id)
        self.ledger.create(client_order_id, limit(S, "buy", QTY, 100), at=self.tick())
        self.ledger.apply(client_order_id, OrderEvent.SENT, at=self.tick())
        if reaches:
            self.at_venue[client_order_id] = VenueOrder(client_order_id, f"v{number}")

    @precondition(lambda self: self.ours)
    @rule(which=st.integers(0, 9), event=st.sampled_from(list(OrderEvent)[:5]))
    def we_conclude(self, which, event):
        order = self.ledger.get(self.pick(which, self.ours))
        doubt = OrderStatus.UNKNOWN if event is OrderEvent.DOUBTED else None
        change = self.ledger.apply(order.client_order_id, event, at=self.tick())
        self.check(change, may_fall_to=doubt)

    @precondition(lambda self: self.ours)
    @rule(which=st.integers(0, 9), event=st.sampled_from(["PROVED_ABSENT", "REJECTED"]))
    def we_hold_it_for_gone(self, which, event):
        change = self.ledger.apply(self.pick(which, self.ours), OrderEvent[event], at=self.tick())
        self.check(change)

    @precondition(lambda self: self.ours)
    @rule(which=st.integers(0, 9), asked=st.booleans())
    def ask_cancel(self, which, asked):
        order = self.ledger.get(self.pick(which, self.ours))
        if not order.status.is_final:
            self.ledger.ask_cancel(order.client_order_id, asked)

    # What happens at the venue.

    @precondition(lambda self: len(self.at_venue) < 6)
    @rule()
    def another_program_submits(self):
        name = f"web-{len(self.at_venue)}"
        if name not in self.at_venue:
            self.at_venue[name] = VenueOrder(name, f"w{len(self.at_venue)}")

    @precondition(lambda self: self.at_venue)
    @rule(which=st.integers(0, 9), qty=st.sampled_from([1, 2, 4]))
    def the_venue_fills(self, which, qty):
        order = self.pick(which, list(self.at_venue.values()))
        if not order.last.status.is_final:
            left = QTY - order.last.filled_qty
            order.fill(min(Decimal(qty), left), self.now)

    @precondition(lambda self: self.at_venue)
    @rule(which=st.integers(0, 9), how=st.sampled_from(["CANCELED", "EXPIRED"]))
    def the_venue_ends_it(self, which, how):
        order = self.pick(which, list(self.at_venue.values()))
        if not order.last.status.is_final:
            order.move(OrderStatus[how], self.now)

    # What we hear of it: any of it, in any order, as often as it likes.

    @precondition(lambda self: self.at_venue)
    @rule(which=st.integers(0, 9), old=st.integers(0, 9))
    def a_report_arrives(self, which, old):
        order = self.pick(which, list(self.at_venue.values()))
        self.check(self.ledger.report(self.pick(old, order.reports), at=self.tick()))

    @precondition(lambda self: any(o.fills for o in self.at_venue.values()))
    @rule(which=st.integers(0, 9), named=st.booleans())
    def a_fill_arrives(self, which, named):
        fills = [f for order in self.at_venue.values() for f in order.fills]
        execution = self.pick(which, fills)
        known = self.ledger.get(execution.client_order_id)
        change = self.ledger.book(execution, at=self.tick())
        assert (change is None) == (known is None)
        if change is not None:
            self.check(change)
            self.booked += len(change.executions)

    @precondition(lambda self: self.ours)
    @rule(which=st.integers(0, 9), status=st.sampled_from(["ACCEPTED", "FILLED", "CANCELED"]))
    def a_namesake_is_shown(self, which, status):
        order = self.ledger.get(self.pick(which, self.ours))
        if order.venue_order_id is None:
            return  # nothing tells them apart yet
        namesake = VenueOrder(order.client_order_id, "namesake")
        namesake.move(OrderStatus[status], self.now)
        assert not self.ledger.report(namesake.last, at=self.tick()).is_news
        namesake.fill(Decimal(1), self.now)
        assert self.ledger.book(namesake.fills[0], at=self.tick()) is None

    # What must hold.

    @invariant()
    def each_fill_is_booked_once(self):
        executions = self.ledger.executions()
        assert len(executions) == self.booked
        names = {(e.venue_order_id, e.execution_id) for e in executions}
        assert len(names) == len(executions)

    @invariant()
    def filled_never_decreases_and_never_exceeds_the_truth(self):
        for order in self.ledger:
            assert order.filled_qty >= self.filled.get(order.client_order_id, 0)
            self.filled[order.client_order_id] = order.filled_qty
            truth = self.at_venue.get(order.client_order_id)
            assert order.filled_qty <= (truth.last.filled_qty if truth else 0)

    @invariant()
    def an_order_that_has_ended_is_at_rest(self):
        for order in self.ledger:
            if order.status.is_final:
                assert order.pending is Pending.NOTHING
                assert order.leaves_qty == 0
            if order.status in HELD_FOR_GONE:
                assert order.filled_qty == 0

    @invariant()
    def exposure_covers_what_may_be_live(self):
        live = sum((o.qty - o.filled_qty for o in self.ledger if o.status.may_be_live), Decimal(0))
        assert self.ledger.exposure(S, Side.BUY) == live >= 0

    def teardown(self):
        """All of it told once more, in the worst order: the newest first, fills last."""
        for name, truth in self.at_venue.items():
            for report in reversed(truth.reports):
                self.check(self.ledger.report(report, at=self.tick()))
            for execution in reversed(truth.fills):
                self.check(self.ledger.book(execution, at=self.tick()))
            order = self.ledger.get(name)
            assert order.status is truth.last.status
            assert order.filled_qty == truth.last.filled_qty
            assert order.is_external == name.startswith("web-")
            if truth.fills:
                value = sum(e.qty * e.price for e in truth.fills)
                assert order.avg_price == value / order.filled_qty
        told = sum(len(truth.fills) for truth in self.at_venue.values())
        assert len(self.ledger.executions()) == told


TestOneAccount = OneAccount.TestCase
TestOneAccount.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
