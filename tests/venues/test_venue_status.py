"""What each venue says of itself, decoded; what nobody has listed changes nothing."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.errors import Failure, Layer, Outcome, Remedy
from outlast.model import Instrument, Plane, Product
from outlast.notices import SystemStatus, VenueMode
from outlast.venues import binance_spot, binance_um, kraken_spot
from outlast.wire import WireReply

# Kraken docs, Get System Status (2026), the documented example.
DOCUMENTED = {
    "status": "online",
    "timestamp": "2026-05-11T08:30:00Z",
    "upcoming_maintenance": [
        {
            "event_id": 21,
            "title": "Scheduled Maintenance - Website",
            "expected_start_utc": "2026-05-11T09:00:00Z",
            "expected_end_utc": "2026-05-11T10:00:00Z",
            "time_to_start_s": 1740,
            "phase": "approaching_30m",
            "affected_services": ["spot_trading"],
            "order_submission": "allowed",
            "recommended_action": "reduce_activity",
        }
    ],
    "emergency": [
        {
            "event_id": 4821,
            "title": "Elevated API error rates",
            "incident_status": "identified",
            "impact": "critical",
            "affected_services": ["spot_ws", "spot_rest", "spot_fix"],
        }
    ],
}


def reply(body, status=200):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WireReply(status=status, headers={}, body=raw, sent_at=0.0, received_at=0.1)


def kraken(**changes) -> SystemStatus:
    request = kraken_spot.query_system_status()
    answer = reply({"error": [], "result": DOCUMENTED | changes})
    said = kraken_spot.read_system_status(request, answer)
    assert isinstance(said, SystemStatus)
    return said


def test_the_documented_example_of_kraken():
    said = kraken()
    assert (said.mode, said.word, said.oddities) == (VenueMode.ONLINE, "online", ())
    (planned,) = said.planned
    assert planned.ends_at - planned.starts_at == 3600
    assert planned.planes == {Plane.TRADING}
    assert said.incidents == ("Elevated API error rates (identified)",)


@pytest.mark.parametrize("word", ["maintenance", "cancel_only", "post_only", "limit_only"])
def test_krakens_modes(word):
    assert kraken(status=word).mode.value == word


def test_older_servers_leave_the_arrays_out():
    request = kraken_spot.query_system_status()
    answer = reply({"error": [], "result": {"status": "online", "timestamp": "x"}})
    said = kraken_spot.read_system_status(request, answer)
    assert (said.planned, said.incidents, said.oddities) == ((), (), ())


def test_a_word_that_nobody_has_listed_is_unknown_and_told():
    said = kraken(status="on_fire", upcoming_maintenance=[{"affected_services": ["moon"]}])
    assert said.mode is VenueMode.UNKNOWN
    assert any("on_fire" in oddity for oddity in said.oddities)
    assert any("moon" in oddity for oddity in said.oddities)


def test_a_maintenance_of_futures_is_not_about_spot():
    rows = [
        {"affected_services": ["futures_trading"], "expected_start_utc": "2026-05-11T09:00:00Z"}
    ]
    assert kraken(upcoming_maintenance=rows).planned[0].planes == frozenset()


def test_maintenance_which_any_other_call_takes_for_a_failure_is_an_answer_here():
    raw = json.dumps({"error": [], "result": {"status": "maintenance"}}).encode()
    failure = Failure(
        layer=Layer.VENUE, kind="maintenance", outcome=Outcome.REFUSED, remedy=Remedy.RETRY, raw=raw
    )
    request = kraken_spot.query_system_status()
    assert kraken_spot.read_system_status(request, failure).mode is VenueMode.MAINTENANCE
    clipped = replace(failure, raw=raw[:20])
    assert kraken_spot.read_system_status(request, clipped).mode is VenueMode.MAINTENANCE
    other = replace(failure, kind="server_error")
    assert kraken_spot.read_system_status(request, other) is other


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        ({"status": 0, "msg": "normal"}, VenueMode.ONLINE),
        ({"status": 1, "msg": "system_maintenance"}, VenueMode.MAINTENANCE),
        ({"status": 7}, VenueMode.UNKNOWN),
        ({}, VenueMode.UNKNOWN),
        (b"<html>", VenueMode.UNKNOWN),
    ],
)
def test_binances_flag(body, mode):
    request = binance_spot.query_system_status()
    assert binance_spot.read_system_status(request, reply(body)).mode is mode


def test_usd_m_futures_have_no_status_of_their_own():
    assert binance_um.query_system_status() is None


@pytest.mark.parametrize(
    ("venue", "status", "mode"),
    [
        (kraken_spot, "online", VenueMode.ONLINE),
        (kraken_spot, "reduce_only", VenueMode.REDUCE_ONLY),
        (kraken_spot, "work_in_progress", VenueMode.CLOSED),
        (binance_spot, "TRADING", VenueMode.ONLINE),
        (binance_spot, "BREAK", VenueMode.CLOSED),
        (binance_um, "TRADING_CANCEL_ONLY", VenueMode.CANCEL_ONLY),
        (binance_um, "SETTLING", VenueMode.CLOSED),
        (binance_um, "SOMETHING_NEW", VenueMode.UNKNOWN),
    ],
)
def test_the_status_of_a_symbol(venue, status, mode):
    ones = dict.fromkeys(
        "tick_size qty_step qty_min qty_max market_qty_min market_qty_max notional_min "
        "price_min price_max".split(),
        1,
    )
    instrument = Instrument(
        venue=venue.VENUE,
        symbol="BTC/USD",
        venue_symbol="BTCUSD",
        product=Product.SPOT,
        base="BTC",
        quote="USD",
        settle="USD",
        venue_status=status,
        **ones,
    )
    assert venue.symbol_mode(instrument) is mode


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["status", "title", "affected_services", "expected_start_utc", "event_id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(status=anything, planned=anything, emergency=anything)
def test_no_value_in_any_place_is_an_error(status, planned, emergency):
    said = kraken(status=status, upcoming_maintenance=planned, emergency=emergency)
    assert said.mode in VenueMode
