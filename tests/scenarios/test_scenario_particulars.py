"""What single scenarios say besides faults, modes and markets: stops, sweeps, events and limits."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from scenario_text import Story
from stand import LIMITS_OFF, Stand, furnished, market_of, need_venue
from venue_wires import HELD, Keys

from outlast import sim


def staged(slug: str, venue: str, *, held: int = 0, **world: Any) -> tuple[Any, Any, Any]:
    """The scenario's story, its market on this venue, and its document with more in the world."""
    need_venue(venue)
    story = Story(slug)
    market = market_of(story, venue)
    document = furnished(story, market, held=held)
    document["world"]["account"]["open_orders"] += world.pop("open_orders", [])
    document["world"]["account"] |= world
    return story, market, document


def phase_of(story: Story, name: str) -> Any:
    return next(phase for phase in story.phases if phase.name == name)


# --- stops ---------------------------------------------------------------------------------------


def stop(key: str, price: str, qty: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "symbol": key,
        "side": "SELL",
        "type": "STOP_MARKET",
        "qty": qty,
        "stop": price,
        "client_order_id": name,
        **more,
    }


def watch_stop(document: Any, market: Any, name: str, times: dict[str, float]) -> dict[str, str]:
    """How a stop stands at each of these instants."""

    async def play() -> dict[str, str]:
        seen = {}
        async with Stand(document, market) as stand:
            for label, at_s in sorted(times.items(), key=lambda item: item[1]):
                await stand.goto(at_s)
                seen[label] = stand.orders_of(stand.main)[name].status.value
        return seen

    return sim.run(play, seed=1)


def test_stops_run_before_anybody_may_cancel():
    """`before_resume`: nothing in twenty minutes and -6 %, then at once, still in maintenance."""
    given = [stop("BTCUSDT", "66000", "0.010", "guard", reduces=True)]
    held = {"BTCUSDT": {"qty": "0.010", "entry": "68000"}}
    story, market, document = staged(
        "stops-fire-in-maintenance", "binance-um", open_orders=given, positions=held
    )
    audit = phase_of(story, "audit").start_s
    seen = watch_stop(document, market, "guard", {"before": audit - 1, "after": audit + 2})
    assert seen["before"] == "untriggered"
    assert seen["after"] in ("filled", "expired")


def test_dead_stops_of_a_halted_engine_run_when_it_returns():
    given = [stop("BTCUSDT", "110000", "0.010", "guard", reduces=True)]
    story, market, document = staged("binance-um-halt-2025-08-29", "binance-um", open_orders=given)
    back = phase_of(story, "staged-return").start_s
    seen = watch_stop(document, market, "guard", {"before": back - 1, "after": back + 3})
    assert seen["before"] == "untriggered"
    assert seen["after"] in ("filled", "expired")


def test_the_stop_in_kraken_runs_in_the_backlog():
    story, market, document = staged("kraken-degraded-cancel-only-recovery", "kraken-spot")
    # The scenario's own stop at 66000, with a name to find it by; 30 % of the orders are swept.
    document["phases"][3]["engine"]["keep_orders"] = 1.0
    document["world"]["account"]["open_orders"][1]["client_order_id"] = "guard"
    back = phase_of(story, "backlog").start_s
    seen = watch_stop(document, market, "guard", {"before": back - 1, "after": back + 3})
    assert seen["before"] == "untriggered"
    assert seen["after"] != "untriggered"  # what it became is reported 45 s later


# --- sweeps --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "venue", "phase", "share"),
    [
        ("ack-then-lost", "binance-um", "failover", 0.9),
        ("kraken-degraded-cancel-only-recovery", "kraken-spot", "maintenance", 0.7),
    ],
)
def test_a_share_of_the_resting_orders_vanishes_without_a_word(slug, venue, phase, share):
    """240 orders of five accounts; the user stream of one of them is silent about its losses."""
    story, market, document = staged(slug, venue, held=HELD)
    document["limits"] = LIMITS_OFF
    start_s = phase_of(story, phase).start_s
    if venue == "kraken-spot":
        document["phases"][2]["faults"] = []  # the phase before it closes every socket

    async def play() -> Any:
        async with Stand(document, market) as stand:
            await stand.goto(start_s - 20)
            accounts = [await stand.account() for _ in range(5)]
            async with stand.behind_the_faults():
                path, said = await user_stream(stand, accounts[0])
            socket = await stand.dial(path)
            assert socket is not None
            for message in said:
                await socket.send(json.dumps(message))
            await asyncio.sleep(25)
            heard: list[str] = []
            while True:
                try:
                    text = await asyncio.wait_for(socket.recv(), 0.5)
                except TimeoutError:
                    break
                heard.append(str(text))
            left = [
                order.is_open
                for keys in accounts
                for order in stand.orders_of(keys).values()
                if order.client_order_id.startswith("held-")
            ]
            lost = [o for o in stand.orders_of(accounts[0]).values() if not o.is_open]
            return left, lost, [text for text in heard if "ancel" in text or "CANCEL" in text]

    left, lost, told = sim.run(play, seed=1)
    assert len(left) == 5 * HELD
    sigma = (len(left) * share * (1 - share)) ** 0.5
    assert abs(sum(left) - len(left) * share) <= 5 * sigma
    assert lost
    assert told == []


async def user_stream(stand: Stand, keys: Keys) -> tuple[str, list[Any]]:
    heard = await stand.ask(stand.make("stream.key", keys))
    if stand.market.venue == "kraken-spot":
        params = {
            "channel": "executions",
            "token": heard.json["result"]["token"],
            "snap_orders": False,
        }
        return "/v2/auth", [{"method": "subscribe", "params": params}]
    return f"/ws/{heard.json['listenKey']}", []


def test_one_order_type_is_cancelled_by_the_venue():
    """Trailing stops go when spot stops; everything else rests through it, futures' too."""
    trailing = {
        "symbol": "BTCUSDT-SPOT",
        "side": "SELL",
        "type": "TRAILING_STOP_MARKET",
        "qty": "0.010",
        "trailing_rate": "0.02",
        "client_order_id": "trailing",
    }
    for venue, key in (("binance-spot", "BTCUSDT-SPOT"), ("binance-um", "BTCUSDT")):
        mine = {**trailing, "symbol": key}
        _, market, document = staged("spot-engine-stop", venue, held=2, open_orders=[mine])

        async def play(document: Any = document, market: Any = market) -> Any:
            async with Stand(document, market) as stand:
                await stand.goto(5)
                return {n: o.is_open for n, o in stand.orders_of(stand.main).items()}

        is_open = sim.run(play, seed=1)
        assert is_open == {"held-0": True, "held-1": True, "trailing": venue == "binance-um"}


# --- events --------------------------------------------------------------------------------------


def test_the_missed_funding_comes_after_the_return():
    story, market, document = staged("binance-um-halt-2025-08-29", "binance-um")
    settled = phase_of(story, "settled").start_s

    async def play() -> Any:
        rows = []
        async with Stand(document, market) as stand:
            for at_s in (settled + 290, settled + 310):
                await stand.goto(at_s)
                sent = stand.make("fills.query")
                income = stand.make("fills.query", symbol=None, incomeType="FUNDING_FEE")
                target = income.target.replace("/fapi/v1/userTrades", "/fapi/v1/income")
                rows.append((await stand.rest.get(target, sent.headers)).json)
        return rows

    before, after = sim.run(play, seed=1)
    assert before == []
    paid = {row["symbol"]: Decimal(row["income"]) for row in after}
    assert set(paid) == {"BTCUSDT", "ETHUSDT"}
    assert paid["BTCUSDT"] < 0 < paid["ETHUSDT"], "longs pay, shorts receive"


# --- limits --------------------------------------------------------------------------------------


def test_limits_count_in_a_brownout_and_the_ban_outlives_it():
    """Half of spot's 6000; refused requests count; who ignores five 429s is out for two minutes."""
    _, market, document = staged("brownout-ban", "binance-spot")

    async def play() -> Any:
        async with Stand(document, market) as stand:
            await stand.goto(60)
            seen = []
            while not seen or seen[-1][0] != 418:
                answer = await stand.rest.get("/api/v3/exchangeInfo")  # 20 of weight
                seen.append((answer.status, answer.headers))
            asked_s = stand.clock.elapsed_s
            await stand.goto(asked_s + 110)
            banned = (await stand.rest.get("/api/v3/time")).status
            await stand.goto(asked_s + 1200)
            return seen, banned, (await stand.rest.get("/api/v3/time")).status

    seen, banned, later = sim.run(play, seed=1)
    codes = Counter(code for code, _ in seen)
    assert set(codes) == {200, 503, 429, 418}
    weights = [int(h["x-mbx-used-weight-1m"]) for code, h in seen if code in (200, 503)]
    assert any(
        b > a
        for (code, _), a, b in zip(seen[1:], weights, weights[1:], strict=False)
        if code == 503
    )
    assert codes[429] == 5
    assert int(seen[-1][1]["retry-after"]) in range(100, 121)
    assert (banned, later in (200, 503)) == (418, True)


def test_too_many_dials_are_a_ban():
    """150 in ten minutes, then ten minutes of nothing, whatever the gateway would say."""
    _, market, document = staged("reconnect-storm", "kraken-spot")

    async def play() -> Any:
        async with Stand(document, market) as stand:
            await stand.goto(725)  # the gateway is well again
            opened = [await stand.dial("/v2") is not None for _ in range(160)]
            await stand.goto(725 + 480)
            still = await stand.dial("/v2") is not None
            await stand.goto(725 + 640)
            return opened, still, await stand.dial("/v2") is not None

    opened, still, later = sim.run(play, seed=1)
    assert opened == [True] * 150 + [False] * 10
    assert (still, later) == (False, True)


def test_twenty_bad_nonces_lock_the_key_out():
    story, market, document = staged("nonce-and-clock", "kraken-spot")
    start_s = phase_of(story, "ahead").start_s

    async def play() -> Any:
        async with Stand(document, market) as stand:
            await stand.goto(start_s + 1)
            newest = stand.make("account.balances")
            old = [stand.make("account.balances") for _ in range(25)]
            first = await stand.ask(stand.make("account.balances"))
            errors = [(await stand.ask(sent)).json["error"] for sent in (newest, *old)]
            at_s = stand.clock.elapsed_s
            other = await stand.ask(stand.make("account.balances", await stand.account()))
            await stand.goto(at_s + 880)
            late = await stand.ask(stand.make("account.balances"))
            await stand.goto(at_s + 2000)
            return first, errors, other, late, await stand.ask(stand.make("account.balances"))

    first, errors, other, late, free = sim.run(play, seed=1)
    assert first.json["error"] == other.json["error"] == []
    bad, locked = ["EAPI:Invalid nonce"], ["EGeneral:Temporary lockout"]
    assert errors == [bad] * 20 + [locked] * 6 or errors == [bad] * 19 + [locked] * 7
    assert late.json["error"] == locked
    assert free.json["error"] == []


# --- requests over a socket ----------------------------------------------------------------------


def test_requests_over_the_socket_fail_inside_while_it_lives():
    """`ws.api` of the frozen engine: the socket answers, and what it says is an internal error."""
    _, market, document = staged("engine-frozen-socket-alive", "kraken-spot")

    async def play() -> Any:
        answers = []
        async with Stand(document, market) as stand:
            path, said = await user_stream(stand, stand.main)
            token = said[0]["params"]["token"]
            socket = await stand.dial(path)
            assert socket is not None
            await socket.send(json.dumps(said[0]))  # one that subscribes to nothing is sent away
            for number, at_s in enumerate((5, 70, 160)):
                await stand.goto(at_s)
                order = {
                    "order_type": "limit",
                    "side": "buy",
                    "order_qty": 0.002,
                    "limit_price": 50000,
                    "symbol": "BTC/USD",
                    "cl_ord_id": f"socket-{number}",
                    "token": token,
                }
                await socket.send(
                    json.dumps({"method": "add_order", "params": order, "req_id": number})
                )
                async for text in socket:
                    answer = json.loads(text)
                    if answer.get("req_id") == number:
                        answers.append(answer)
                        break
            return answers, set(stand.orders_of(stand.main))

    answers, orders = sim.run(play, seed=1)
    assert [answer["success"] for answer in answers] == [True, False, True]
    assert answers[1]["error"] == "EGeneral:Internal error"
    assert orders == {"socket-0", "socket-2"}
