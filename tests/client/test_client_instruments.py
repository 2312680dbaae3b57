"""The venue's list, found by either spelling."""

import asyncio
from decimal import Decimal

import pytest

from outlast.client.instruments import Instruments
from outlast.errors import Failure, Layer, Outcome, ReadFailed, Remedy, Scope, UnknownInstrument
from outlast.model import Instrument, Plane, Product
from outlast.wire import Counter, Lane, WireReply, WireRequest

REQUEST = WireRequest(
    name="instruments.read", method="GET", path="/", plane=Plane.MARKET_DATA, lane=Lane.DATA
)
REPLY = WireReply(status=200, headers={}, body=b"{}", sent_at=0.0, received_at=0.1)
DOWN = Failure(layer=Layer.VENUE, kind="overloaded", outcome=Outcome.REFUSED, remedy=Remedy.RETRY)
LIMIT = Counter("weight", 60.0, 2400, Scope.IP)


def instrument(base, **fields):
    return Instrument(
        venue="binance-um",
        symbol=f"{base}/USDT:USDT",
        venue_symbol=f"{base}USDT",
        product=Product.USDM_FUTURES,
        base=base,
        quote="USDT",
        settle="USDT",
        tick_size=Decimal("0.1"),
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

    async def call(self, request):
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
    assert asyncio.run(instruments.load()) == [LIMIT]
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
    venue.listed, venue.limits = [instrument("SOL")], DOWN
    assert asyncio.run(known.load()) == []
    assert "SOLUSDT" in known


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
