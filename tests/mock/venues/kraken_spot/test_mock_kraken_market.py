"""Public calls: time, status, listing, book, tape, bars."""

from __future__ import annotations

from decimal import Decimal

import pytest
from mock_kraken_world import Refused, World, request

from outlast.mock.announcements import Announced, Incident, Maintenance, announced_at
from outlast.mock.engine.model import EngineMode
from outlast.mock.scenario.load import loads
from outlast.mock.scenario.script import Script


def test_time_is_the_venues_and_both_forms_agree():
    world = World()
    given = world.public("Time")
    assert given["unixtime"] == world.now_ms // 1000
    assert given["rfc1123"].endswith("+0000")


def test_public_calls_answer_to_post_too_and_private_ones_only_to_that():
    world = World()
    posted = request("POST", "/0/public/Depth", body=b"pair=XBTUSD&count=2")
    assert world.dialect.route(posted).symbol == "BTC/USD"
    assert world.dialect.route(request("GET", "/0/private/Balance")) is None
    assert world.dialect.route(request("DELETE", "/0/public/Time")) is None
    missing = world.dialect.not_found(request("GET", "/0/public/Nothing"))
    assert (missing.status, missing.code) == (200, "EGeneral:Unknown method")


def test_pairs_answer_under_the_name_they_are_asked_by():
    world = World()
    assert list(world.public("AssetPairs", pair="BTC/USD")) == ["BTC/USD"]
    assert list(world.public("AssetPairs", pair="XBTUSD,ETHUSD")) == ["XBTUSD", "ETHUSD"]
    assert world.public("AssetPairs", aclass_base="tokenized_asset") == {}
    assert set(world.public("AssetPairs", pair="XBTUSD", info="fees")["XBTUSD"]) == {
        "fees",
        "fees_maker",
        "fee_volume_currency",
    }
    with pytest.raises(Refused, match="EQuery:Unknown asset pair"):
        world.public("AssetPairs", pair="NOSUCH")
    assert list(world.public("Assets", asset="XBT,ZUSD")) == ["XXBT", "ZUSD"]
    with pytest.raises(Refused, match="EQuery:Unknown asset"):
        world.public("Assets", asset="NOSUCH")


def test_the_book_is_sorted_and_as_deep_as_asked():
    world = World()
    (book,) = world.public("Depth", pair="XBTUSD", count=5).values()
    bids = [Decimal(row[0]) for row in book["bids"]]
    asks = [Decimal(row[0]) for row in book["asks"]]
    assert (len(bids), len(asks)) == (5, 5)
    assert sorted(bids, reverse=True) == bids
    assert sorted(asks) == asks
    assert bids[0] < asks[0]
    for wrong in ("0", "501", "many"):
        with pytest.raises(Refused, match="EGeneral:Invalid arguments:count"):
            world.public("Depth", pair="XBTUSD", count=wrong)
    with pytest.raises(Refused, match="EQuery:Unknown asset pair"):
        world.public("Depth", pair="NOSUCH")


def test_trades_go_on_from_last():
    world = World()
    world.wait(30)
    first = world.public("Trades", pair="XBTUSD")
    assert world.public("Trades", pair="XBTUSD", since=first["last"])["XXBTZUSD"] == []
    world.wait(30)
    later = world.public("Trades", pair="XBTUSD", since=first["last"])["XXBTZUSD"]
    assert later
    assert later[0][6] == first["XXBTZUSD"][-1][6] + 1


def test_bars_and_ticker_agree_with_the_tape():
    world = World()
    world.wait(200)
    trades = world.public("Trades", pair="XBTUSD")["XXBTZUSD"]
    bars = world.public("OHLC", pair="XBTUSD", interval=1)
    assert sum(bar[7] for bar in bars["XXBTZUSD"]) == len(trades)
    assert bars["last"] == bars["XXBTZUSD"][-2][0]
    ticker = world.public("Ticker", pair="XBTUSD")["XXBTZUSD"]
    assert Decimal(ticker["v"][1]) == sum(Decimal(row[1]) for row in trades)
    assert Decimal(ticker["h"][1]) == max(Decimal(row[0]) for row in trades)
    assert ticker["t"][1] == len(trades)
    assert set(world.public("Ticker")) == {"XXBTZUSD", "XETHZUSD", "XDGUSD", "SOLUSDT"}
    with pytest.raises(Refused, match="EGeneral:Invalid arguments:interval"):
        world.public("OHLC", pair="XBTUSD", interval=7)


@pytest.mark.parametrize(
    ("mode", "system", "pair"),
    [
        (EngineMode.CANCEL_ONLY, "cancel_only", "cancel_only"),
        (EngineMode.POST_ONLY, "post_only", "post_only"),
        (EngineMode.LIMIT_ONLY, "limit_only", "limit_only"),
        (EngineMode.MAINTENANCE, "maintenance", "cancel_only"),
        (EngineMode.HALTED, "online", "online"),
        (EngineMode.REDUCE_ONLY, "online", "reduce_only"),
    ],
)
def test_the_status_is_the_mode_that_is_shown(mode, system, pair):
    world = World()
    world.view.shown_mode = mode
    assert world.public("SystemStatus")["status"] == system
    assert world.public("AssetPairs")["XXBTZUSD"]["status"] == pair


def test_announced_maintenance_comes_nearer_in_phases():
    world = World()
    starts_ms = world.now_ms + 40 * 60_000
    item = Maintenance(
        number=3, starts_ms=starts_ms, ends_ms=starts_ms + 1, component="spot-trading", text=""
    )
    incident = Incident(
        number=4, started_ms=1000, status="identified", page="major", component="", text="Slow"
    )
    world.view.announced = lambda: Announced((item,), (incident,))
    phases = []
    for minutes in (0, 11, 25, 4 - 0.4):
        world.wait(minutes * 60)
        (row,) = world.public("SystemStatus")["upcoming_maintenance"]
        phases.append((row["phase"], row["order_submission"]))
    assert phases == [
        ("reminder_24h", "allowed"),
        ("approaching_30m", "allowed"),
        ("imminent_5m", "discouraged"),
        ("final_warning_30s", "blocked"),
    ]
    (row,) = world.public("MaintenanceSchedule")["events"]
    assert row["affected_services"] == ["spot_trading"]
    (row,) = world.public("SystemStatus")["emergency"]
    assert (row["title"], row["incident_status"], row["impact"]) == (
        "Slow",
        "identified",
        "critical",
    )


def test_announcements_follow_the_scenarios_status_page():
    script = Script(
        loads(
            """
scenario: planned
venue: kraken-spot
t0: 2026-03-02T14:00:00Z
phases:
  - {name: normal, for: 30m}
  - {name: works, for: 10m, engine: {mode: maintenance}}
  - {name: after, for: rest}
status_page:
  - {at: 5m, page: green, component: spot-trading, incident: scheduled, text: New engine}
  - {at: 12m, page: degraded, component: rest, incident: investigating}
  - {at: 14m, page: partial, component: rest, incident: identified}
  - {at: 20m, page: green, incident: resolved}
"""
        )
    )

    def at(minutes):
        return announced_at(script, minutes * 60.0, t0_ms=0)

    assert at(1) == Announced()
    (item,) = at(6).upcoming
    assert (item.starts_ms, item.text) == (30 * 60_000, "New engine")
    (incident,) = at(15).incidents
    assert (incident.started_ms, incident.status, incident.page) == (
        12 * 60_000,
        "identified",
        "partial",
    )
    assert at(21).incidents == ()
    assert at(21).upcoming
    assert at(31).upcoming == ()
