"""The gate as it stands before every order, over random evidence in any order and at any time.

Method: the desk is given stand-ins for everybody that it asks. Rules change what they say, one at a
time, and let time pass; after each the desk's answer is compared with a model that knows nothing of
gates, causes or short ways: one `if` per condition of docs/health.md. The desk is asked after
random changes only, so what it has put up before is old when it is asked again.
"""

from __future__ import annotations

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import outlast
from outlast.client.gate import GateDesk
from outlast.core.breaker import BreakerState
from outlast.errors import Failure, Layer, Outcome, Remedy
from outlast.model import OrderStatus, Plane, Side, limit, market
from outlast.notices import PlannedMaintenance, VenueMode

D = Decimal
SYMBOLS = ("BTC/USD", "ETH/USD")
CLOSED = {
    VenueMode.MAINTENANCE,
    VenueMode.CANCEL_ONLY,
    VenueMode.REDUCE_ONLY,
    VenueMode.CLOSED,
}
FAILED = Failure(
    layer=Layer.VENUE, kind="unavailable", outcome=Outcome.REFUSED, remedy=Remedy.RETRY
)
PLANNED = PlannedMaintenance(id="1", title="spot", starts_at=1e9, ends_at=2e9)


class Says:
    """Everybody whom the gate asks, as plain values."""

    def __init__(self):
        self.now = 1000.0
        self.breaker = BreakerState.CLOSED
        self.held = None
        self.mode = VenueMode.ONLINE
        self.modes = dict.fromkeys(SYMBOLS, VenueMode.ONLINE)
        self.planned = None
        self.unknown = dict.fromkeys(SYMBOLS, False)
        self.unsure = dict.fromkeys(SYMBOLS, False)
        self.doubted = None
        self.read_at = 1000.0
        self.price_doubts = dict.fromkeys(SYMBOLS)
        self.is_well = True
        self.position = D(0)


def desk_of(says: Says, halt_file: Path, exposure_max: Decimal | None) -> GateDesk:
    orders = {s: SimpleNamespace(client_order_id="x", status=OrderStatus.UNKNOWN) for s in SYMBOLS}

    class Ledger:
        @property
        def has_unknown(self):
            return any(says.unknown.values()) or any(says.unsure.values())

        def unknown(self, symbol):
            return [orders[symbol]] if says.unknown[symbol] else []

        def unsure(self, symbol):
            return [orders[symbol]] if says.unsure[symbol] else []

        def exposure(self, _symbol, _side):
            return D(0)

    class Breaker:
        @property
        def state(self):
            return says.breaker

        def retry_at(self, now):
            return now + 1

    class Guard:
        breakers = {Plane.TRADING: Breaker()}  # noqa: RUF012 - a stand-in

        @property
        def takes_orders(self):
            return says.breaker is BreakerState.CLOSED

        def banned_until(self):
            return None

    class Modes:
        restricted: set[str] = set()  # noqa: RUF012 - a stand-in
        since = 0.0

        @property
        def mode(self):
            return says.mode

        def of(self, symbol):
            return says.modes[symbol]

        def refused(self, _failure):
            pass

    class Health:
        modes = Modes()
        schedule = SimpleNamespace(closing=lambda: says.planned)

        @property
        def is_well(self):
            return says.is_well

        def is_unrestricted(self, symbol):
            plain = {says.mode, says.modes[symbol]} == {VenueMode.ONLINE}
            return plain and says.planned is None

    held = SimpleNamespace(why="after an outage", retry_at=None)
    return GateDesk(
        Guard(),
        SimpleNamespace(ledger=Ledger()),
        SimpleNamespace(
            readable=("positions",),
            doubted=lambda: says.doubted,
            age_s=lambda _what: says.now - says.read_at,
            position=lambda _symbol: SimpleNamespace(qty=says.position),
        ),
        SimpleNamespace(),
        SimpleNamespace(held=lambda: held if says.held else None, refused=lambda _failure: None),
        Health(),
        SimpleNamespace(
            is_clear=lambda symbol: says.price_doubts[symbol] is None,
            doubt=lambda symbol: says.price_doubts[symbol],
            price=lambda _symbol: D(100),
        ),
        clock=SimpleNamespace(now=lambda: says.now, wall=lambda: says.now),
        journal=SimpleNamespace(
            history=SimpleNamespace(halted=None),
            note=lambda *_, **__: None,
            note_now=lambda *_, **__: None,
        ),
        events=SimpleNamespace(publish=lambda _event: None),
        settings=outlast.Settings(gate=outlast.GateSettings(exposure_max_degraded=exposure_max)),
        venue="kraken-spot",
        halt_file=str(halt_file),
        has_keys=True,
    )


class AnyEvidence(RuleBasedStateMachine):
    exposure_max: Decimal | None = None

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="outlast-gate-"))
        self.file = self.folder / "bot.halt"
        self.says = Says()
        self.desk = desk_of(self.says, self.file, self.exposure_max)
        self.halted = False
        self.fails: dict[tuple[str, Side], int] = {}
        self.paused_until: dict[tuple[str, Side], float] = {}

    def teardown(self):
        shutil.rmtree(self.folder)

    # What changes.

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 59.0, 61.0, 151.0, 700.0]))
    def time_passes(self, seconds):
        self.says.now += seconds

    @rule(halted=st.booleans())
    def somebody_calls(self, halted):
        self.halted = halted
        if halted:
            self.desk.halt("why")
        else:
            self.desk.resume()

    @rule(there=st.booleans())
    def somebody_touches_the_file(self, there):
        if there:
            self.file.write_text("why", encoding="utf-8")
        else:
            self.file.unlink(missing_ok=True)
        self.says.now += 0.25  # it is looked for five times a second

    @rule(state=st.sampled_from(list(BreakerState)))
    def the_breaker_moves(self, state):
        self.says.breaker = state

    @rule(held=st.booleans())
    def an_outage_begins_or_is_come_back_from(self, held):
        self.says.held = held

    @rule(mode=st.sampled_from(list(VenueMode)))
    def the_venue_says(self, mode):
        if mode is not VenueMode.UNKNOWN:  # it changes nothing: `Modes` does not take it in
            self.says.mode = mode

    @rule(symbol=st.sampled_from(SYMBOLS), mode=st.sampled_from(list(VenueMode)))
    def the_list_says(self, symbol, mode):
        self.says.modes[symbol] = mode

    @rule(is_near=st.booleans())
    def a_maintenance_comes_near(self, is_near):
        self.says.planned = PLANNED if is_near else None

    @rule(symbol=st.sampled_from(SYMBOLS), unknown=st.booleans(), unsure=st.booleans())
    def an_answer_is_lost_or_found(self, symbol, unknown, unsure):
        self.says.unknown[symbol], self.says.unsure[symbol] = unknown, unsure

    @rule(doubted=st.sampled_from([None, "balances of USD"]))
    def the_account_is_doubted(self, doubted):
        self.says.doubted = doubted

    @rule()
    def the_account_is_read(self):
        self.says.read_at = self.says.now

    @rule(symbol=st.sampled_from(SYMBOLS), doubt=st.sampled_from([None, "3 % off the index"]))
    def a_price_comes(self, symbol, doubt):
        self.says.price_doubts[symbol] = doubt

    @rule(is_well=st.booleans(), position=st.integers(-20, 20))
    def the_venue_fares(self, is_well, position):
        self.says.is_well, self.says.position = is_well, D(position)

    @rule(symbol=st.sampled_from(SYMBOLS), side=st.sampled_from(list(Side)))
    def an_entry_fails(self, symbol, side):
        kind = (symbol, side)
        self.desk.failed(limit(symbol, side.value, "1", "100"), FAILED)
        self.fails[kind] = count = self.fails.get(kind, 0) + 1
        if count >= 6:
            self.paused_until[kind] = self.says.now + min(600, 60 * 2 ** (count - 6))

    @rule(symbol=st.sampled_from(SYMBOLS), side=st.sampled_from(list(Side)))
    def an_entry_is_taken(self, symbol, side):
        self.desk.taken(limit(symbol, side.value, "1", "100"))
        self.fails.pop((symbol, side), None)
        self.paused_until.pop((symbol, side), None)

    # What has to hold.

    def may_pass(self, order) -> bool:
        says, symbol = self.says, order.symbol
        if self.halted or self.file.exists():
            return False
        if says.mode in CLOSED or says.modes[symbol] in CLOSED or says.planned is not None:
            return False
        if says.breaker in (BreakerState.OPEN, BreakerState.PROBING) or says.held:
            return False
        if says.unknown[symbol] or says.unsure[symbol] or says.doubted is not None:
            return False
        if says.now - says.read_at > 150 or says.price_doubts[symbol] is not None:
            return False
        if says.now < self.paused_until.get((symbol, order.side), 0):
            return False
        if self.exposure_max is not None and not says.is_well:
            sign = 1 if order.side is Side.BUY else -1
            if (sign * says.position + order.qty) * 100 > self.exposure_max:
                return False
        both = {says.mode, says.modes[symbol]}
        if VenueMode.POST_ONLY in both and not order.post_only:
            return False
        return VenueMode.LIMIT_ONLY not in both or order.price is not None

    @invariant()
    def new_risk_passes_exactly_where_nothing_holds_it_and_exits_pass_always(self):
        for symbol in SYMBOLS:
            for order in (
                limit(symbol, "buy", "1", "100"),
                limit(symbol, "sell", "1", "100", post_only=True),
                market(symbol, "buy", "1"),
            ):
                denial = self.desk.deny(order)
                assert (denial is None) is self.may_pass(order), (order, denial, vars(self.says))
            assert self.desk.deny(market(symbol, "sell", "1", reduce_only=True)) is None


class AnyEvidenceWithALimit(AnyEvidence):
    exposure_max = D(1000)


AnyEvidence.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, print_blob=True
)
AnyEvidenceWithALimit.TestCase.settings = AnyEvidence.TestCase.settings
test_the_gate_over_any_evidence = AnyEvidence.TestCase
test_the_gate_with_a_limit_over_any_evidence = AnyEvidenceWithALimit.TestCase
