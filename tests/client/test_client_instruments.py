"""The venue's list, found by either spelling."""

import asyncio
import random
from decimal import Decimal

import pytest

from outlast.backends.journal import MemoryStore
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.core.journal import decode_fields
from outlast.errors import Failure, Layer, Outcome, ReadFailed, Remedy, Scope, UnknownInstrument
from outlast.model import Instrument, Plane, Product
from outlast.wire import Counter, Lane, WireReply, WireRequest

REQUEST = WireRequest(
    name="instruments.read", method="GET", path="/", plane=Plane.MARKET_DATA, lane=Lane.DATA
)
REPLY = WireReply(status=200, headers={}, body=b"{}", sent_at=0.0, received_at=0.1)
DOWN = Failure(layer=Layer.VENUE, kind="overloaded", outcome=Outcome.REFUSED, remedy=Remedy.RETRY)
LIMIT = Counter("weight", 60.0, 2400, Scope.IP)


def instrument(base, *, tick_size=Decimal("0.1"), **fields):
    return Instrument(
        venue="binance-um",
        symbol=f"{base}/USDT:USDT",
        venue_symbol=f"{base}USDT",
        product=Product.USDM_FUTURES,
        base=base,
        quote="USDT",
        settle="USDT",
        tick_size=tick_size,
        qty_step=Decimal("0.001"),
        qty_min=Decimal("0.001"),
        qty_max=Decimal(1000),
        market_qty_min=Decimal("0.001"),
        market_qty_max=Decimal(120),
        notional_min=Decimal(5),
        price_min=Decimal(1),
        price_max=Decimal(10**7),
        **fields,
    )


class Codec:
    """The list as it is told; what a venue's codec does with bytes has its own tests."""

    VENUE = "binance-um"

    def __init__(self):
        self.listed = [instrument("BTC"), instrument("ETH")]
        self.limits = [LIMIT]

    def query_instruments(self):
        return REQUEST

    def read_instruments(self, request, reply):
        return self.listed

    def read_limits(self, request, reply):
        return self.limits


class Calls:
    answer = REPLY
    at = 100.0
    asked = 0

    async def call(self, request, *, deadline=None):
        assert request is REQUEST
        self.asked += 1
        return self.answer

    def now(self):
        return self.at


@pytest.fixture
def venue():
    return Codec()


@pytest.fixture
def calls():
    return Calls()


@pytest.fixture
def known(venue, calls):
    instruments = Instruments(venue, calls)
    asyncio.run(instruments.load())
    return instruments


def test_both_spellings_find_the_same_instrument(known):
    for name in ("BTC/USDT:USDT", "BTCUSDT", "btcusdt"):
        assert known[name].base == "BTC"
        assert name in known
        assert known.get(name) is known["BTCUSDT"]


def test_it_is_a_mapping_by_unified_symbol(known):
    assert list(known) == ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    assert len(known) == 2
    assert [i.base for i in known.values()] == ["BTC", "ETH"]
    assert set(known.by_venue_symbol) == {"BTCUSDT", "ETHUSDT"}


def test_an_unknown_symbol_is_answered_with_the_nearest_names(known):
    with pytest.raises(UnknownInstrument) as error:
        known["BTC/USD:USDT"]
    assert error.value.field == "symbol"
    assert "did you mean BTC/USDT:USDT" in str(error.value)
    with pytest.raises(UnknownInstrument, match=r"see Session\.instruments"):
        known["%%%"]


def test_asking_whether_it_is_there_does_not_raise(known):
    assert "DOGE/USDT" not in known
    assert 7 not in known
    assert known.get("DOGE/USDT") is None
    assert known.get("DOGE/USDT", "nothing") == "nothing"


def test_a_venue_that_does_not_answer_leaves_what_was_known(known, calls):
    calls.answer = DOWN
    with pytest.raises(ReadFailed, match="overloaded") as error:
        asyncio.run(known.load())
    assert error.value.failure is DOWN
    assert known["BTCUSDT"].base == "BTC"


def test_a_list_that_cannot_be_read_leaves_what_was_known(known, venue):
    venue.listed = DOWN
    with pytest.raises(ReadFailed):
        asyncio.run(known.load())
    assert len(known) == 2


def test_a_list_without_its_limits_is_still_a_list(known, venue):
    heard = []
    known.on_limits = heard.append
    venue.listed, venue.limits = [instrument("SOL")], DOWN
    asyncio.run(known.load())
    assert "SOLUSDT" in known
    assert heard == []


def test_the_limits_that_come_with_the_list_are_heard_each_time_that_it_is_read(venue, calls):
    venue.listed = [instrument("BTC", is_tradable=False)]
    instruments, heard = Instruments(venue, calls), []
    instruments.on_limits = heard.append
    asyncio.run(instruments.load())
    assert heard == [[LIMIT]]
    calls.at += 31.0
    asyncio.run(instruments.listed_now("BTCUSDT"))
    assert heard == [[LIMIT], [LIMIT]]


class StoppedClock:
    at = 1_000.0

    def now(self):
        return 5.0

    def wall(self):
        return self.at


def journal_on(store, clock):
    return Journal(store, venue="binance-um", clock=clock, rng=random.Random(1))


def kept(store):
    return [decode_fields(r.data) for r in store.records() if r.kind == "instrument.kept"]


def test_what_is_used_is_kept_once_and_again_when_it_changes_or_a_day_later(venue, calls):
    store, clock = MemoryStore(), StoppedClock()
    journal = journal_on(store, clock)
    instruments = Instruments(venue, calls, journal=journal)
    asyncio.run(instruments.load())
    for _ in range(3):
        asyncio.run(instruments.listed_now("BTCUSDT"))
    assert [k["symbol"] for k in kept(store)] == ["BTC/USDT:USDT"]
    asyncio.run(instruments.load())
    instruments.note_used(instruments["BTCUSDT"])
    assert len(kept(store)) == 1
    venue.listed = [instrument("BTC", tick_size=Decimal("0.5")), instrument("ETH")]
    asyncio.run(instruments.load())
    instruments.note_used(instruments["BTCUSDT"])
    assert len(kept(store)) == 2
    clock.at += 86_400.0
    asyncio.run(instruments.load())
    instruments.note_used(instruments["BTCUSDT"])
    assert [k["as_of"] for k in kept(store)] == [1_000.0, 1_000.0, 87_400.0]


def test_without_the_venues_list_the_journals_is_gone_by_and_nothing_is_said_of_others(
    venue, calls
):
    store, clock = MemoryStore(), StoppedClock()
    journal = journal_on(store, clock)
    before = Instruments(venue, calls, journal=journal)
    asyncio.run(before.load())
    before.note_used(before["BTCUSDT"])
    journal.close()
    clock.at += 60.0
    after = Instruments(venue, calls, journal=journal_on(store, clock))
    assert not after.restore({"BTC/USDT:USDT", "ETH/USDT:USDT"})
    assert after.is_current
    assert after.restore({"BTC/USDT:USDT"})
    assert not after.is_current
    assert after.age_s == 60.0
    assert after["BTCUSDT"] == before["BTCUSDT"]
    assert "has not been read since the start" in after.why_kept()
    with pytest.raises(UnknownInstrument, match="not among those that the journal kept"):
        after["ETHUSDT"]
    after.note_used(after["BTCUSDT"])  # which says nothing of its age
    assert len(kept(store)) == 1
    asyncio.run(after.load())
    assert (after.is_current, after.age_s, after.why_kept()) == (True, None, None)
    assert after["ETHUSDT"].base == "ETH"


def test_an_older_journal_that_kept_none_is_no_list(venue, calls):
    assert not Instruments(venue, calls).restore(())


def test_what_the_venue_no_longer_names_stays_known_and_what_changed_is_new(known, venue):
    """A position in a delisted symbol must still be closed."""
    venue.listed = [instrument("ETH", is_tradable=False, venue_status="SETTLING")]
    asyncio.run(known.load())
    assert known["BTCUSDT"].is_tradable
    assert not known["ETHUSDT"].is_tradable


def test_a_symbol_is_found_by_every_name_that_the_venue_has_for_it(venue, calls):
    venue.listed = [instrument("BTC", aliases=("XXBTZUSD", "XBT/USD"))]
    instruments = Instruments(venue, calls)
    asyncio.run(instruments.load())
    for name in ("XXBTZUSD", "XBT/USD", "xbt/usd"):
        assert instruments[name].base == "BTC"
    assert list(instruments) == ["BTC/USDT:USDT"]


def test_a_closed_symbol_is_read_again_now_and_then_and_an_open_one_never(venue, calls):
    venue.listed = [instrument("BTC", is_tradable=False), instrument("ETH")]
    instruments = Instruments(venue, calls)
    asyncio.run(instruments.load())
    calls.at += 29.0
    assert not asyncio.run(instruments.listed_now("BTCUSDT")).is_tradable
    assert calls.asked == 1
    venue.listed = [instrument("BTC"), instrument("ETH")]
    calls.at += 2.0
    assert asyncio.run(instruments.listed_now("ETHUSDT")).is_tradable
    assert calls.asked == 1
    assert asyncio.run(instruments.listed_now("BTCUSDT")).is_tradable
    assert calls.asked == 2


def test_a_list_that_cannot_be_had_leaves_a_closed_symbol_closed(venue, calls):
    venue.listed = [instrument("BTC", is_tradable=False)]
    instruments = Instruments(venue, calls)
    asyncio.run(instruments.load())
    calls.at, calls.answer = 200.0, DOWN
    for _ in range(3):
        assert not asyncio.run(instruments.listed_now("BTCUSDT")).is_tradable
    assert calls.asked == 2
