"""One resting order, amended again and again, of which the ledger hears late, twice, or not at all.

The machine keeps the truth: the terms that the venue has had and when. Answers get lost, amendments
land late, words of the venue come out of order. What the ledger holds for sure is never what the
venue has not; what it counts as exposure is never less than what can fill.
"""

from __future__ import annotations

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from outlast.core.orders import OrderLedger
from outlast.model import Execution, Order, OrderReport, OrderStatus, OrderType, Side

S, ID = "BTC/USDT:USDT", "ol-1"
PRICES = st.sampled_from([Decimal(100), Decimal(101)])
QTYS = st.sampled_from([Decimal(5), Decimal(6)])


class AmendedOrder(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.now_ms = 1000
        self.terms = (Decimal(100), Decimal(5))
        self.filled = Decimal(0)
        self.under_way: tuple[Decimal, Decimal] | None = None  # may still land
        self.said: list[OrderReport] = []
        self.fills: list[Execution] = []
        self.asked_ever = {self.terms}
        self.ledger = OrderLedger()
        self.ledger.restore(
            Order(
                client_order_id=ID,
                symbol=S,
                side=Side.BUY,
                order_type=OrderType.LIMIT,
                qty=self.terms[1],
                status=OrderStatus.ACCEPTED,
                price=self.terms[0],
                venue_order_id="77",
                venue_time_ms=self.now_ms,
            )
        )
        self.say()

    @property
    def held(self) -> Order:
        order = self.ledger.get(ID)
        assert order is not None
        return order

    @property
    def ended(self) -> bool:
        return self.filled >= self.terms[1]

    def say(self) -> None:
        status = OrderStatus.PARTIALLY_FILLED if self.filled else OrderStatus.ACCEPTED
        self.said.append(
            OrderReport(
                client_order_id=ID,
                venue_order_id="77",
                symbol=S,
                status=OrderStatus.FILLED if self.ended else status,
                side=Side.BUY,
                order_type=OrderType.LIMIT,
                qty=self.terms[1],
                filled_qty=self.filled,
                price=self.terms[0],
                updated_ms=self.now_ms,
            )
        )

    # What we do.

    @precondition(lambda self: self.held.amendment is None and not self.held.status.is_final)
    @rule(price=PRICES, qty=QTYS)
    def ask(self, price: Decimal, qty: Decimal) -> None:
        if (price, qty) == (self.held.price, self.held.qty) or qty <= self.held.filled_qty:
            return
        self.ledger.ask_amend(ID, price=price, qty=qty, at=1.0)
        self.under_way = (price, qty)
        self.asked_ever.add((price, qty))

    @precondition(lambda self: self.held.amendment is not None)
    @rule()
    def lose_the_answer(self) -> None:
        self.ledger.amend_unanswered(ID, at=1.0, reason="lost")

    @precondition(lambda self: self.held.amendment is not None and self.under_way is None)
    @rule()
    def prove_by_asking(self) -> None:
        """Nothing is under way any more, and the venue tells its terms of now."""
        asked = self.held.amendment
        assert asked is not None
        self.hear(-1)
        if self.held.amendment is not None:
            is_there = self.terms == (asked.price, asked.qty)
            self.ledger.amend_settled(ID, at=1.0, terms=self.terms if is_there else None)

    # What the venue does.

    @precondition(lambda self: self.under_way is not None)
    @rule(is_taken=st.booleans())
    def land(self, is_taken: bool) -> None:
        assert self.under_way is not None
        self.now_ms += 1
        if is_taken and not self.ended and self.under_way[1] > self.filled:
            self.terms = self.under_way
            self.say()
        self.under_way = None

    @precondition(lambda self: not self.ended)
    @rule(share=st.sampled_from([1, 2]))
    def fill(self, share: int) -> None:
        self.now_ms += 1
        qty = (self.terms[1] - self.filled) / share
        self.filled += qty
        self.fills.append(
            Execution(
                symbol=S,
                execution_id=str(len(self.fills)),
                venue_order_id="77",
                side=Side.BUY,
                price=self.terms[0],
                qty=qty,
                fee=Decimal(0),
                fee_currency="USDT",
                client_order_id=ID,
                venue_time_ms=self.now_ms,
            )
        )
        self.say()

    # What is heard of it.

    @rule(which=st.integers(-4, -1))
    def hear(self, which: int) -> None:
        self.ledger.report(self.said[max(which, -len(self.said))], at=1.0)

    @precondition(lambda self: self.fills)
    @rule(which=st.integers(0, 3))
    def hear_of_a_fill(self, which: int) -> None:
        self.ledger.book(self.fills[min(which, len(self.fills) - 1)], at=1.0)

    @invariant()
    def nothing_is_held_that_was_not_asked_for(self) -> None:
        assert (self.held.price, self.held.qty) in self.asked_ever

    @invariant()
    def exposure_is_never_less_than_what_can_fill(self) -> None:
        if self.held.filled_qty < self.filled:
            return  # fills that are not heard of yet count as open
        most = self.terms[1] if self.under_way is None else max(self.terms[1], self.under_way[1])
        can_fill = Decimal(0) if self.ended else most - self.filled
        assert self.ledger.exposure(S, Side.BUY) >= can_fill or self.held.status.is_final

    @invariant()
    def what_is_known_is_true(self) -> None:
        if self.held.amendment is None and self.under_way is None and not self.ended:
            assert (self.held.price, self.held.qty) == self.terms


AmendedOrder.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestAmendedOrder = AmendedOrder.TestCase
