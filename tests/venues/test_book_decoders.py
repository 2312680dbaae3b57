"""Order book messages of the venues: decoded in one step, exact where it matters, or named."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.venues.binance_spot.books import book_decoder as spot
from outlast.venues.binance_um.books import book_decoder as um
from outlast.venues.kraken_spot.books import book_decoder as kraken
from outlast.venues.kraken_spot.books import wire_depth

DATA = Path(__file__).parents[1] / "data"
SPOT = (
    b'{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,'
    b'"b":[["0.0024","10"]],"a":[["0.0026","0.00000000"]]}'
)
UM = (
    b'{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BNBUSDT","U":157,"u":160,"pu":149,'
    b'"b":[["0.0024","10"]],"a":[["0.0026","100"]],"ps":"BNBUSDT","st":1}'
)
SPOT_TICKER = (
    b'{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000",'
    b'"a":"25.36520000","A":"40.66000000"}'
)
UM_TICKER = b'{"e":"bookTicker",' + SPOT_TICKER[1:]
KRAKEN = (
    b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":45283.5,'
    b'"qty":0.10000000}],"asks":[],"checksum":2114181697,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
)


def enveloped(raw):
    return b'{"stream":"x@depth","data":' + raw + b"}"


def shuffled(raw):
    """The same object with its fields the other way round."""
    return json.dumps(dict(reversed(json.loads(raw).items()))).encode()


@pytest.mark.parametrize("form", [bytes, enveloped, shuffled])
@pytest.mark.parametrize("exact", [(), ("BNBBTC", "BNBUSDT")])
def test_diffs_in_every_envelope_and_order_of_fields(form, exact):
    kind = Decimal if exact else float
    diff = spot(exact).decode(form(SPOT))
    assert (diff.symbol, diff.first_id, diff.last_id, diff.previous_id) == ("BNBBTC", 157, 160, 156)
    assert (diff.bids, diff.asks) == ([(kind("0.0024"), 10)], [(kind("0.0026"), 0)])
    assert isinstance(diff.bids[0][0], kind)
    assert diff.venue_time_s == 1672515782.136
    futures = um(exact).decode(form(UM))
    assert (futures.first_id, futures.last_id, futures.previous_id) == (157, 160, 149)


@pytest.mark.parametrize("form", [bytes, enveloped, shuffled])
@pytest.mark.parametrize("raw", [SPOT_TICKER, UM_TICKER])
@pytest.mark.parametrize("exact", [(), ("BNBUSDT",)])
def test_book_tickers_of_both_products(form, raw, exact):
    kind = Decimal if exact else float
    ticker = spot(exact).decode(form(raw))
    assert (ticker.symbol, ticker.update_id) == ("BNBUSDT", 400900217)
    assert (ticker.bid, ticker.bid_qty) == (kind("25.3519"), kind("31.21"))
    assert (ticker.ask, ticker.ask_qty) == (kind("25.3652"), kind("40.66"))


def test_one_symbol_can_be_exact_beside_others_in_floats():
    decoder = um()
    decoder.decode_exactly("BNBUSDT")
    assert isinstance(decoder.decode(UM).bids[0][0], Decimal)
    assert isinstance(decoder.decode(UM.replace(b"BNBUSDT", b"BTCUSDT")).bids[0][0], float)
    mixed = kraken()
    mixed.decode_exactly("BTC/USD")
    assert mixed.decode(KRAKEN).bids[0].qty == Decimal("0.10000000")
    assert isinstance(mixed.decode(KRAKEN.replace(b"BTC/USD", b"ETH/USD")).bids[0].qty, float)


BAD = ["nan", "inf", "-1", "1e400", "", "x", "1e15"]


@pytest.mark.parametrize("number", BAD)
@pytest.mark.parametrize("place", [b'"0.0024"', b'"10"'])
@pytest.mark.parametrize("exact", [(), ("BNBBTC",)])
def test_what_is_no_price_and_no_quantity_never_reaches_a_book(number, place, exact):
    if exact and number == "1e15":
        return  # large, but exact
    found = spot(exact).decode(SPOT.replace(place, f'"{number}"'.encode()))
    assert found.symbol == "BNBBTC"
    assert found.detail


def test_a_price_of_zero_is_no_price():
    for exact in ((), ("BNBBTC",)):
        found = spot(exact).decode(SPOT.replace(b'"0.0024"', b'"0"'))
        assert found.symbol == "BNBBTC"
        assert "0" in found.detail


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"[1]",
        b'{"result":null,"id":1}',
        b'{"e":"trade","s":"BNBBTC"}',
        b'{"e":"kline","B":"1","u":3}',
        b'{"stream":"x@aggTrade","data":{"e":"aggTrade","s":"BNBBTC"}}',
        b'{"e":"serverShutdown","E":1770123456789}',
    ],
)
def test_frames_about_something_else_are_left_to_others(raw):
    assert spot().decode(raw) is None
    assert um(["X"]).decode(raw) is None
    assert kraken().decode(raw) is None


def test_a_diff_cut_short_is_said_to_be_unreadable():
    assert spot().decode(SPOT[:-5]).symbol is None
    assert spot().decode(SPOT.replace(b'"u":160,', b"")).symbol == "BNBBTC"
    assert kraken().decode(KRAKEN[:-5]).symbol is None


def test_depth_snapshots():
    body = b'{"lastUpdateId":1027024,"bids":[["4.00000000","431"]],"asks":[["4.00000200","12"]]}'
    found = spot().snapshot(body, "BNBBTC")
    assert (found.last_id, found.bids, found.asks) == (1027024, [(4.0, 431)], [(4.000002, 12)])
    exact = spot(["BNBBTC"]).snapshot(body, "BNBBTC")
    assert exact.asks == [(Decimal("4.00000200"), Decimal(12))]
    for broken in (b"", b"{}", body.replace(b"431", b"-1"), body.replace(b"1027024", b"-1")):
        for decoder in (um(), um(["BNBBTC"])):
            assert decoder.snapshot(broken, "BNBBTC").symbol == "BNBBTC"


@pytest.mark.parametrize("form", [bytes, shuffled])
@pytest.mark.parametrize("exact", [(), ("BTC/USD",)])
def test_kraken_updates_and_snapshots(form, exact):
    update = kraken(exact).decode(form(KRAKEN))
    assert (update.symbol, update.checksum, update.is_snapshot) == ("BTC/USD", 2114181697, False)
    assert [(level.price, level.qty) for level in update.bids] == [
        (45283.5, Decimal("0.1") if exact else 0.1)
    ]
    assert update.asks == []
    assert update.venue_time_s == pytest.approx(1696613755.440295)
    assert kraken(exact).decode(form(KRAKEN.replace(b"update", b"snapshot"))).is_snapshot


def test_a_kraken_message_without_a_time_has_none():
    line = (DATA / "python-kraken-sdk" / "kraken_ws_v2_book_btcusd_d10_20230730.json").read_text()
    message = kraken().decode(json.dumps(json.loads(line)["init"]).encode())
    assert message.is_snapshot
    assert message.venue_time_s is None
    assert len(message.bids) == 10


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"price":45283.5', b'"price":0'),
        (b'"qty":0.10000000', b'"qty":-0.1'),
        (b'"qty":0.10000000', b'"qty":NaN'),
        (b'"checksum":2114181697', b'"checksum":-1'),
        (b'"type":"update"', b'"type":"other"'),
        (b'"price":45283.5', b'"prize":45283.5'),
    ],
)
@pytest.mark.parametrize("exact", [(), ("BTC/USD",)])
def test_kraken_messages_that_cannot_be_read_are_named(old, new, exact):
    found = kraken(exact).decode(KRAKEN.replace(old, new))
    assert found.symbol in {"BTC/USD", None}
    assert found.detail


def test_kraken_data_holds_exactly_one_book():
    empty = b'{"channel":"book","type":"update","data":[]}'
    assert kraken().decode(empty).detail
    assert kraken().decode(b'{"channel":"heartbeat"}') is None


def test_the_wire_depth_leaves_the_checksum_a_reserve():
    assert [wire_depth(depth) for depth in (1, 10, 11, 25, 26, 100, 1000)] == [
        25, 25, 25, 25, 100, 100, 1000,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="at most 1000"):
        wire_depth(1001)
    with pytest.raises(ValueError, match="at least 1"):
        wire_depth(0)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([SPOT, UM, SPOT_TICKER, KRAKEN]), st.integers(0, 90))
def test_no_bytes_make_a_decoder_raise(noise, raw, at):
    broken = raw[:at] + noise + raw[at + len(noise) :]
    for decoder in (spot(), um(), kraken(), spot(["BNBBTC"]), kraken(["BTC/USD"])):
        decoder.decode(broken)
