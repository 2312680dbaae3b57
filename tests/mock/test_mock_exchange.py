"""The whole exchange on real ports, and unchanged in a loop with virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import hmac
import json
import logging
import socket
import warnings
from urllib.parse import urlencode

import pytest
from websockets.asyncio.client import connect

from outlast import mock, sim
from outlast.mock.exchange import MockError, MockExchange, dialects
from outlast.mock.scenario.document import ScenarioError
from outlast.mock.scenario.load import load, loads, slugs

CALM = "scenario: calm-um\nvenue: binance-um\nseed: 3\nphases:\n  - {name: calm, for: rest}\n"


def with_faults(faults: str, **more: str) -> str:
    extra = "".join(f"{key}: {value}\n" for key, value in more.items())
    phases = f"phases:\n  - {{name: bad, for: rest, faults: {faults}}}\n"
    return f"scenario: bad-um\nvenue: binance-um\nseed: 3\n{extra}{phases}"


async def fetch(url: str, method: str = "GET", path: str = "/", headers=(), body: bytes = b""):
    """(status, JSON or bytes) over one connection; the bytes are read to the end."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [f"{method} {path} HTTP/1.1", f"host: {host}", "connection: close"]
    head += [f"{name}: {value}" for name, value in headers]
    head += [f"content-length: {len(body)}", "", ""]
    writer.write("\r\n".join(head).encode() + body)
    try:
        answer = await reader.read()
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)
    if not answer:
        return 0, b""
    top, _, content = answer.partition(b"\r\n\r\n")
    with contextlib.suppress(ValueError):
        content = json.loads(content)
    return int(top.split()[1]), content


async def signed(exchange: MockExchange, method: str, path: str, params: dict[str, str]):
    wires = exchange.describe()["venues"]["binance-um"]
    query = urlencode({**params, "timestamp": str(exchange.run.clock.now_ms)})
    signature = hmac.new(wires["secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
    return await fetch(
        wires["endpoints"]["rest"],
        method,
        f"{path}?{query}&signature={signature}",
        [("X-MBX-APIKEY", wires["key"])],
    )


LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "quantity": "0.010",
    "price": "60000",
    "timeInForce": "GTC",
    "newClientOrderId": "mine",
}


@pytest.mark.sockets
def test_a_bot_finds_everything_in_the_first_line_and_trades():
    async def story():
        async with MockExchange(loads(CALM)) as exchange:
            first = exchange.describe()
            assert json.loads(json.dumps(first)) == first
            assert list(first["venues"]) == ["binance-um"]
            endpoints = first["venues"]["binance-um"]["endpoints"]
            assert set(endpoints) == {
                "rest",
                "stream",
                "private_stream",
                "trade_stream",
                "status_page",
            }
            status, placed = await signed(exchange, "POST", "/fapi/v1/order", LIMIT)
            assert (status, placed["status"], placed["clientOrderId"]) == (200, "NEW", "mine")
            status, found = await signed(
                exchange,
                "GET",
                "/fapi/v1/order",
                {"symbol": "BTCUSDT", "origClientOrderId": "mine"},
            )
            assert found["orderId"] == placed["orderId"]
            status, page = await fetch(endpoints["status_page"], path="/api/v2/status.json")
            assert page["status"]["indicator"] == "none"
            _, truth = await fetch(first["control"], path="/_outlast/truth")
            (order,) = truth["venues"]["binance-um"]["accounts"]["main"]["orders"]
            assert order["client_order_id"] == "mine"
        assert exchange.truth.lost("main") == []
        assert exchange.verdict() == []

    asyncio.run(story())


@pytest.mark.sockets
def test_landed_but_unanswered_over_a_real_socket():
    async def story():
        rule = "[{match: orders.create, reply: {reset: request}, effect: apply}]"
        async with MockExchange(loads(with_faults(rule))) as exchange:
            with pytest.raises(ConnectionResetError):
                await signed(exchange, "POST", "/fapi/v1/order", LIMIT)
            (lost,) = exchange.truth.lost("main")
            assert lost.client_order_id == "mine"

    asyncio.run(story())


@pytest.mark.sockets
def test_hang_is_scaled_by_speed_and_ends_when_the_client_leaves():
    async def story():
        rule = "[{match: time, reply: {hang: 30s}}]"
        async with MockExchange(loads(with_faults(rule)), speed=600) as exchange:
            rest = exchange.describe()["venues"]["binance-um"]["endpoints"]["rest"]
            loop = asyncio.get_running_loop()
            began = loop.time()
            assert await fetch(rest, path="/fapi/v1/time") == (0, b"")
            assert 0.04 <= loop.time() - began < 5

    asyncio.run(story())


@pytest.mark.sockets
def test_fixed_port_is_the_first_and_the_rest_follow():
    async def story():
        base = 24_100
        for base in range(24_100, 24_400, 3):
            try:
                async with MockExchange(loads(CALM), port=base) as exchange:
                    first = exchange.describe()
                    endpoints = first["venues"]["binance-um"]["endpoints"]
                    assert endpoints["rest"] == f"http://127.0.0.1:{base}"
                    assert endpoints["stream"] == f"ws://127.0.0.1:{base}"
                    assert endpoints["status_page"] == f"http://127.0.0.1:{base + 1}"
                    assert first["control"] == f"http://127.0.0.1:{base + 2}"
                    return
            except MockError:
                continue  # somebody else has one of the three
        raise AssertionError("no three ports in a row were free")

    asyncio.run(story())


@pytest.mark.sockets
def test_port_in_use_is_one_line_with_the_port_and_the_remedy():
    async def story():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            exchange = MockExchange(loads(CALM), port=port)
            with pytest.raises(MockError) as raised:
                await exchange.start()
        message = str(raised.value)
        assert str(port) in message
        assert "--port" in message
        assert "\n" not in message
        async with MockExchange(loads(CALM)):  # nothing of the failed one is left
            pass

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(story())
        gc.collect()


def test_port_that_does_not_exist():
    async def story():
        with pytest.raises(MockError, match=r"65536.*--port"):
            await MockExchange(loads(CALM), port=65_536).start()
        with pytest.raises(MockError, match="--port"):
            await MockExchange(loads(CALM), port=65_535).start()

    asyncio.run(story())


def test_venues_that_are_not_served_are_named():
    with pytest.raises(MockError, match=r"kraken-spot.*serves binance-um"):
        MockExchange("gateway-lost-reply", available=only("binance-um"))
    with pytest.raises(MockError, match=r"does not serve 'kraken-spot'.*binance-um"):
        MockExchange(loads(CALM), venues=["kraken-spot"], available=only("binance-um"))
    with pytest.raises(MockError, match="nonsense"):
        MockExchange(venues=["nonsense"])
    with pytest.raises(ScenarioError, match="no such scenario"):
        MockExchange("no-such-scenario")


def test_a_scenario_of_several_venues_is_served_as_far_as_can_be():
    async def story():
        some = only("binance-um")
        async with MockExchange("zero-balances", available=some) as exchange:
            first = exchange.describe()
            assert list(first["venues"]) == ["binance-um"]
            assert first["not_served"] == ["binance-spot"]
        async with MockExchange("zero-balances") as exchange:
            first = exchange.describe()
            assert list(first["venues"]) == ["binance-spot", "binance-um"]
            assert first["not_served"] == []

    asyncio.run(story())


def only(venue):
    return {venue: dialects()[venue]}


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_speed_has_to_be_positive(speed):
    with pytest.raises(MockError, match="speed"):
        MockExchange(loads(CALM), speed=speed)


def test_without_a_scenario_the_market_is_healthy():
    exchange = MockExchange(seed=4)
    assert (exchange.scenario.scenario, exchange.scenario.seed) == ("calm", 4)
    assert exchange.scenario.duration_s is None


def test_a_healthy_market_begins_at_the_time_of_the_machine_if_it_is_told():
    now = [1_800_000_000_123]
    exchange = MockExchange(now_ms=lambda: now[0])
    assert exchange.run.clock.now_ms == 1_800_000_000_123
    assert exchange.run.venues["kraken-spot"].stage.shown_ms == 1_800_000_000_123
    assert MockExchange().run.clock.now_ms == 1_772_460_000_000  # a run repeats exactly
    told = MockExchange("zero-balances", now_ms=lambda: now[0])
    assert told.run.clock.now_ms == 1_772_460_000_000

    async def story():
        await exchange.start()
        try:
            now[0] += 3_600_000
            await exchange.restart()  # an hour later it is an hour later
            assert exchange.run.scenario.t0_ms == now[0]
            await exchange.restart("zero-balances")
            assert exchange.run.scenario.t0_ms == 1_772_460_000_000
        finally:
            await exchange.stop()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("scenario", "heard"),
    [
        (None, True),  # nothing is to go wrong: older clients are served too
        (CALM + "t0: 2026-11-22T00:00:00Z\n", False),  # this story plays after the split
    ],
)
def test_old_stream_addresses_of_futures_in_a_healthy_market_of_today(scenario, heard):
    async def story():
        told = MockExchange(
            None if scenario is None else loads(scenario),
            venues=["binance-um"],
            now_ms=lambda: 1_795_305_600_000,  # 2026-11-22
        )
        async with told as exchange:
            url = exchange.endpoints("binance-um")["stream"] + "/ws/btcusdt@aggTrade"
            async with connect(url, proxy=None) as client:
                try:
                    async with asyncio.timeout(30):
                        return json.loads(await client.recv())["T"] >= 1_795_305_600_000
                except TimeoutError:
                    return False

    assert sim.run(story, seed=1) is heard


def test_rules_that_nobody_could_play_are_refused():
    document = with_faults("[{match: orders.cancel, reply: ok, effect: none}]")
    with pytest.raises(MockError, match=r"bad/0.*effect"):
        MockExchange(loads(document))


def test_every_scenario_of_the_catalogue_that_is_about_a_served_venue_starts():
    async def story():
        started = 0
        for slug in slugs():
            scenario = load(slug)
            if "binance-um" not in scenario.venues:
                continue
            async with MockExchange(scenario) as exchange:
                assert exchange.describe()["scenario"] == slug
                started += 1
        assert started >= 10

    asyncio.run(story())


def test_the_front_door_loads_what_is_asked_for():
    assert mock.MockExchange is MockExchange
    assert mock.MockError is MockError
    assert "MockExchange" in dir(mock)
    with pytest.raises(AttributeError, match="Nothing"):
        mock.Nothing  # noqa: B018


@pytest.mark.sockets
def test_stop_leaves_no_task_no_timer_and_no_warning(caplog):
    async def story():
        rule = (
            "[{match: time, reply: {hang: 60s}}, "
            "{match: orders.create, reply: unknown, effect: {apply_after: 60s}, "
            "latency: {p50: 30s, p99: 30s}}]"
        )
        exchange = MockExchange(loads(with_faults(rule)))
        await exchange.start()
        rest = exchange.describe()["venues"]["binance-um"]["endpoints"]["rest"]
        waiting = [
            asyncio.create_task(fetch(rest, path="/fapi/v1/time")),
            asyncio.create_task(signed(exchange, "POST", "/fapi/v1/order", LIMIT)),
        ]
        while len(exchange.run.venues["binance-um"]._under_way) < 2:
            await asyncio.sleep(0.001)
        async with asyncio.timeout(5):
            await exchange.stop()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert len(exchange.truth.traffic.kept()) == 2  # what hung is in the truth
        await exchange.stop()  # once more does nothing

    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        asyncio.run(story(), debug=True)
        gc.collect()
    assert [r for r in caplog.records if "took" not in r.getMessage()] == []


@pytest.mark.sockets
def test_restart_drops_who_waits_and_keeps_who_does_not():
    async def story():
        rule = "[{match: time, reply: {hang: 60s}}]"
        async with MockExchange(loads(with_faults(rule))) as exchange:
            rest = exchange.describe()["venues"]["binance-um"]["endpoints"]["rest"]
            host, port = rest.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            ping = b"GET /fapi/v1/exchangeInfo HTTP/1.1\r\nhost: a\r\n\r\n"
            writer.write(ping)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            waiting = asyncio.create_task(fetch(rest, path="/fapi/v1/time"))
            while exchange._servers["binance-um"].connections < 2:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            await exchange.restart(loads(CALM))
            async with asyncio.timeout(5):
                assert await waiting == (0, b"")
            writer.write(ping)
            async with asyncio.timeout(5):
                await reader.readuntil(b"HTTP/1.1 200 OK\r\n")  # the first body lies before it
            writer.transport.abort()
            await asyncio.sleep(0)

    asyncio.run(story())


# -- virtual time ---------------------------------------------------------------------------------


async def _an_hour_with_faults() -> tuple[str, str, float]:
    rule = (
        "[{match: orders.create, p: 0.5, reply: unknown, effect: {apply: 0.5}, "
        "latency: {p50: 300ms, p99: 4s}}, "
        "{match: orders.create, p: 0.3, reply: {hang: 10s}, effect: {apply_after: 3s}}, "
        "{match: orders.create, p: 0.3, reply: {dribble: {over: 5s, then: cut}}}]"
    )
    loop = asyncio.get_running_loop()
    began = loop.time()
    seen = []
    async with MockExchange(loads(with_faults(rule))) as exchange:
        for n in range(60):
            order = {**LIMIT, "newClientOrderId": f"o{n}", "price": str(60_000 + n)}
            try:
                status, body = await signed(exchange, "POST", "/fapi/v1/order", order)
            except ConnectionResetError:
                status, body = -1, b""
            seen.append((status, str(body)))
            await asyncio.sleep(60)
        digest = exchange.run.venues["binance-um"].stage.engine.digest()
    return digest, repr(seen), loop.time() - began


def test_an_hour_in_virtual_time_repeats_to_the_byte():
    first = sim.run(_an_hour_with_faults, seed=1)
    second = sim.run(_an_hour_with_faults, seed=1)
    assert first == second
    assert first[2] > 3600


async def _refused() -> list[str]:
    document = (
        "scenario: dark\nvenue: binance-um\nphases:\n  - {name: calm, for: 10s}\n"
        '  - {name: dark, for: 10s, faults: [{match: "*", reply: refuse}]}\n'
        "  - {name: back, for: rest}\n"
    )
    seen = []
    async with MockExchange(loads(document)) as exchange:
        rest = exchange.describe()["venues"]["binance-um"]["endpoints"]["rest"]
        for _ in range(6):
            try:
                status, _ = await fetch(rest, path="/fapi/v1/ping")
                seen.append(str(status))
            except ConnectionRefusedError:
                seen.append("refused")
            await asyncio.sleep(5)
    return seen


def test_dials_are_refused_while_nothing_listens_in_virtual_time():
    assert sim.run(_refused, seed=1) == ["200", "200", "refused", "refused", "200", "200"]
