"""What the httpx transport and the aiohttp middleware let through, repeat and hold."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

import aiohttp
import httpx
import pytest

from outlast import sim
from outlast.adapters import aiohttp as over_aiohttp
from outlast.adapters import httpx as over_httpx
from outlast.backends.journal import read_records
from outlast.core.journal import decode_fields
from outlast.errors import ConfigurationError, Outcome
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.sim.aiohttp import SimConnector

TIME = {
    "kraken-spot": "https://api.kraken.com/0/public/Time",
    "binance-um": "https://fapi.binance.com/fapi/v1/time",
    None: "https://example.com/time",
}
GOOD = {
    "kraken-spot": {"error": [], "result": {"unixtime": 1, "rfc1123": ""}},
    "binance-um": {"serverTime": 1},
    None: {"at": 1},
}
PLACE = {
    "kraken-spot": "https://api.kraken.com/0/private/AddOrder",
    "binance-um": "https://fapi.binance.com/fapi/v1/order",
    None: "https://example.com/orders",
}


class Clock:
    """Time passes only in `sleep`, which returns at once."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return 1_772_460_000.0 + self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


class Server:
    """Answers one after the other; the last for ever."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def client(server: Server, venue: str | None, clock: Clock, **wiring) -> httpx.Client:
    transport = over_httpx.Transport(
        venue, wrapped=httpx.MockTransport(server), clock=clock, seed=1, **wiring
    )
    return httpx.Client(transport=transport)


@pytest.mark.parametrize("venue", TIME)
@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(502, html="<html>"),
        httpx.ReadTimeout("no answer"),
        httpx.ReadError("reset"),
        httpx.ConnectError("refused"),
    ],
    ids=["502", "timeout", "reset", "refused"],
)
def test_a_read_is_repeated(venue, trouble):
    server, clock = Server(trouble, trouble, httpx.Response(200, json=GOOD[venue])), Clock()
    with client(server, venue, clock) as http:
        assert http.get(TIME[venue]).json() == GOOD[venue]
    assert server.asked == 3
    assert len(clock.slept) == 2


@pytest.mark.parametrize("venue", PLACE)
@pytest.mark.parametrize("trouble", [httpx.Response(502, html="<html>"), httpx.Response(200)])
def test_a_write_is_sent_once_and_its_answer_handed_on_as_it_came(venue, trouble):
    server = Server(trouble)
    with client(server, venue, Clock()) as http:
        answer = http.post(PLACE[venue], data={"price": "1"})
    assert (answer.status_code, answer.content) == (trouble.status_code, trouble.content)
    assert server.asked == 1


@pytest.mark.parametrize("venue", PLACE)
def test_a_write_that_got_no_answer_is_sent_once(venue):
    server = Server(httpx.ReadTimeout("no answer"))
    with client(server, venue, Clock()) as http, pytest.raises(httpx.ReadTimeout):
        http.post(PLACE[venue])
    assert server.asked == 1


@pytest.mark.parametrize("venue", ["kraken-spot", "binance-um"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"error":[],"result":{}}'])
def test_a_read_whose_success_says_nothing_is_not_handed_on(venue, body):
    server = Server(httpx.Response(200, content=body))
    with client(server, venue, Clock()) as http, pytest.raises(over_httpx.Unreadable) as caught:
        http.get(TIME[venue])
    assert server.asked == 3
    assert caught.value.failure.outcome is Outcome.REFUSED


@pytest.mark.parametrize("venue", TIME)
def test_during_a_ban_nothing_leaves_and_afterwards_all_is_as_before(venue):
    limited = httpx.Response(429, headers={"Retry-After": "60"}, json={"code": -1003, "msg": "x"})
    server, clock = Server(limited, httpx.Response(200, json=GOOD[venue])), Clock()
    with client(server, venue, clock) as http:
        assert http.get(TIME[venue]).status_code == 429
        for _ in range(5):
            with pytest.raises(over_httpx.HeldBack) as held:
                http.post(PLACE[venue])
        assert held.value.retry_after_s == pytest.approx(60, abs=5)
        assert server.asked == 1
        clock.at += 70
        assert http.get(TIME[venue]).status_code == 200


def test_a_ban_outlives_the_process(tmp_path):
    limited = httpx.Response(418, headers={"Retry-After": "600"}, json={"code": -1003, "msg": "x"})
    server, clock = Server(limited), Clock()
    for _ in range(2):
        with client(server, "binance-um", clock, journal=tmp_path / "a.journal") as http:
            try:
                http.get(TIME["binance-um"] + "?timestamp=1&signature=abc")
            except over_httpx.HeldBack:
                assert server.asked == 1
    records = list(read_records(tmp_path / "a.journal"))
    assert [r.kind for r in records if r.kind in ("attempt", "ban.began")] == [
        "ban.began",
        "attempt",
    ]
    assert not any(b"signature" in record.data for record in records)
    assert decode_fields(records[-2].data)["path"] == "/fapi/v1/time"


def test_a_limit_that_is_nearly_used_up_holds_reads_and_lets_orders_pass():
    used = httpx.Response(200, json=GOOD["binance-um"], headers={"X-MBX-USED-WEIGHT-1M": "2300"})
    server, clock = Server(used), Clock()
    clock.at += 10 - clock.wall() % 60  # early in the venue's minute
    with client(server, "binance-um", clock) as http:
        http.get(TIME["binance-um"])
        with pytest.raises(over_httpx.HeldBack, match="is used"):
            http.get(TIME["binance-um"])
        http.post(PLACE["binance-um"])
        clock.at += 61
        http.get(TIME["binance-um"])
    assert server.asked == 3


def test_a_dead_venue_is_left_alone_and_found_again():
    server, clock = Server(httpx.ConnectError("refused")), Clock()
    with client(server, "binance-um", clock) as http:
        for _ in range(100):
            with pytest.raises(httpx.TransportError):
                http.get(TIME["binance-um"])
            clock.at += 0.05
        assert server.asked < 150, "three of each would be 300"
        server.answers = [httpx.Response(200, json=GOOD["binance-um"])]
        clock.at += 30
        assert http.get(TIME["binance-um"]).status_code == 200


def test_it_works_for_async_clients_too():
    async def ask():
        server = Server(httpx.Response(503), httpx.Response(200, json=GOOD[None]))
        transport = over_httpx.Transport(
            None, wrapped=httpx.MockTransport(server), clock=Clock(), seed=1
        )
        async with httpx.AsyncClient(transport=transport) as http:
            answer = await http.get(TIME[None])
        return answer.json(), server.asked

    assert asyncio.run(ask()) == (GOOD[None], 2)


def test_a_venue_that_is_not_known_is_refused():
    with pytest.raises(ConfigurationError, match="kraken-spot"):
        over_httpx.Transport("mtgox")
    with pytest.raises(ConfigurationError, match="kraken-spot"):
        over_aiohttp.middleware("mtgox")


# aiohttp, against the mock.


def play(story, tmp_path: Path) -> None:
    built = ScenarioBuilder("under-test", venue="binance-um")
    built.instrument("BTCUSDT", product="um", mid="68000", tick="0.1")
    document = built.phase("all", "rest").build()

    async def main() -> None:
        async with MockExchange(document, seed=1) as mock:
            url = mock.describe()["venues"]["binance-um"]["endpoints"]["rest"]
            guard = over_aiohttp.middleware(
                "binance-um", journal=tmp_path / "a.journal", seed=1, clock=sim.clock()
            )
            session = aiohttp.ClientSession(url, connector=SimConnector(), middlewares=(guard,))
            async with session:
                await story(mock, session)
            guard.close()

    sim.run(functools.partial(main), seed=1, t0=document.t0_ms / 1000)


def asked(mock) -> int:
    return len(list(mock.truth.traffic.kept()))


def add(mock, match: str, **terms) -> None:
    mock.run.desk.add(fault(match, **terms))
    mock.run.changed()


def test_aiohttps_reads_are_repeated_and_its_writes_are_not(tmp_path):
    async def story(mock, session):
        add(mock, "time", reply={"reset": "headers"}, times=2)
        async with session.get("/fapi/v1/time") as answer:
            assert (await answer.json())["serverTime"] > 0
        assert asked(mock) == 3
        add(mock, "orders.create", reply={"reset": "headers"})
        with pytest.raises(aiohttp.ClientError):
            await session.post("/fapi/v1/order")
        assert asked(mock) == 4

    play(story, tmp_path)


def test_aiohttp_is_held_during_a_ban_and_told_of_an_empty_answer(tmp_path):
    async def story(mock, session):
        add(mock, "time", reply={"empty": 200}, times=3)
        with pytest.raises(over_aiohttp.Unreadable):
            await session.get("/fapi/v1/time")
        banned = {"http": {"status": 418, "headers": {"Retry-After": "300"}, "body": "{}"}}
        add(mock, "time", reply=banned)
        assert (await session.get("/fapi/v1/time")).status == 418
        before = asked(mock)
        with pytest.raises(over_aiohttp.HeldBack) as held:
            await session.delete("/fapi/v1/order")
        assert held.value.retry_after_s > 250
        assert asked(mock) == before

    play(story, tmp_path)
