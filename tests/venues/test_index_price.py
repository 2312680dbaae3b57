"""What the same thing costs elsewhere, where a venue tells it beside its mark price."""

from __future__ import annotations

import json
from decimal import Decimal
from types import SimpleNamespace

import pytest

from outlast.errors import Failure
from outlast.venues import binance_spot, binance_um, kraken_spot
from outlast.wire import Auth, WireReply, WireRequest

D = Decimal


def asked(venue, symbol="BTCUSDT") -> WireRequest:
    return venue.query_mark_price(
        SimpleNamespace(symbol="BTC/USDT", venue_symbol=symbol, venue_names=None)
    )


def answer(**row) -> WireReply:
    body = json.dumps({"symbol": "BTCUSDT", "markPrice": "68001.5", **row}).encode()
    return WireReply(status=200, headers={}, body=body, sent_at=0.0, received_at=0.1)


def test_usdm_tells_its_index_with_the_mark():
    request = asked(binance_um)
    assert request.auth is Auth.NONE
    told = answer(indexPrice="67990.25", lastFundingRate="0.0001")
    assert binance_um.read_mark_price(request, told) == D("68001.5")
    assert binance_um.read_index_price(request, told) == D("67990.25")


def test_an_answer_without_an_index_has_none_and_a_mark_all_the_same():
    request = asked(binance_um)
    assert binance_um.read_index_price(request, answer()) is None
    assert binance_um.read_mark_price(request, answer()) == D("68001.5")


@pytest.mark.parametrize("index", ["0", "-1", "soon"])
def test_an_index_that_is_no_price_is_a_failure(index):
    found = binance_um.read_index_price(asked(binance_um), answer(indexPrice=index))
    assert isinstance(found, Failure)


@pytest.mark.parametrize("venue", [binance_spot, kraken_spot])
def test_spot_has_no_index(venue):
    assert venue.read_index_price(asked(binance_um), answer(indexPrice="67990.25")) is None
