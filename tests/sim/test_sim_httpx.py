"""httpx, httpcore, anyio and h11, unchanged, in virtual time."""

from __future__ import annotations

import asyncio
import socket
import time

import httpx
import pytest

from outlast import sim


def in_world(story, web, *, seed=1, **client_settings):
    """Run a story with a web server on `venue` and an httpx client, 50 ms away."""

    async def main():
        network = sim.network()
        network.host("venue", "api.venue.test")
        network.link().latency = sim.fixed(0.05)
        network.names.lag(sim.fixed(0.01))
        settings = {"base_url": "http://api.venue.test", "trust_env": False} | client_settings
        async with web.serving("venue", 80), httpx.AsyncClient(**settings) as client:
            result = await story(client)
        await asyncio.sleep(60)
        assert network.open_connections == 0
        return result

    return sim.run(main, seed=seed)


def now():
    return round(asyncio.get_running_loop().time(), 6)


def test_get_and_post_share_a_connection(web):
    async def story(client):
        trace = sim.Trace()
        sim.network().watch(trace)
        one = await client.get("/book?symbol=BTCUSDT")
        two = await client.post("/order", content=b"side=BUY")
        dials = sum(packet.kind is sim.Kind.SYN for packet in trace.packets)
        return one.json()["target"], two.json()["body"], dials, now()

    target, body, dials, took = in_world(story, web)
    assert (target, body, dials) == ("/book?symbol=BTCUSDT", "side=BUY", 1)
    # Name 0.01, connect 0.1, then two round trips.
    assert took == 0.31
    assert web.requests == ["GET /book?symbol=BTCUSDT", "POST /order"]
    assert web.ended == ["eof"]


def test_a_read_timeout_of_ten_seconds_is_exact_and_costs_nothing(web):
    async def story(client):
        await client.get("/")
        began = now()
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/slow?30", timeout=10)
        return round(now() - began, 6)

    before = time.process_time()
    assert in_world(story, web) == 10.0
    assert time.process_time() - before < 2.0


def test_an_answer_just_in_time_is_an_answer(web):
    async def story(client):
        await client.get("/")
        answer = await client.get("/slow?9.8", timeout=10)
        return answer.status_code, now()

    assert in_world(story, web) == (200, 10.11)


def test_an_idle_connection_is_dropped_after_its_expiry(web):
    async def story(client):
        trace = sim.Trace()
        sim.network().watch(trace)
        for pause in (4, 6, 0):  # httpx keeps an idle connection for 5 s
            await client.get("/")
            await asyncio.sleep(pause)
        return [packet.at for packet in trace.packets if packet.kind is sim.Kind.SYN]

    assert len(in_world(story, web)) == 2


def test_a_connection_closed_by_the_server_while_idle_is_not_used_again(web):
    async def story(client):
        trace = sim.Trace()
        sim.network().watch(trace)
        await client.get("/close")
        await asyncio.sleep(1)
        await client.get("/")
        return sum(packet.kind is sim.Kind.SYN for packet in trace.packets)

    assert in_world(story, web) == 2


def refuse(network):
    network.link(to="venue").refuse = 1.0


def black_hole(network):
    network.link(to="venue").black_hole = 1.0


def stall(network):
    network.link(to="venue").stall(60)


def no_such_name(network):
    network.names.fail("api.venue.test", error=socket.EAI_NONAME)


def slow_names(network):
    network.names.lag(sim.fixed(20))


@pytest.mark.parametrize(
    ("fault", "expected", "at"),
    [
        (refuse, httpx.ConnectError, 0.11),
        (black_hole, httpx.ConnectTimeout, 5.0),
        (stall, httpx.ConnectTimeout, 5.0),
        (no_such_name, httpx.ConnectError, 0.01),
        (slow_names, httpx.ConnectTimeout, 5.0),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_faults_before_sending_are_the_errors_of_the_real_stack(web, fault, expected, at):
    async def story(client):
        fault(sim.network())
        with pytest.raises(expected):
            await client.get("/", timeout=5)
        return now()

    assert in_world(story, web) == at
    assert web.requests == []


def reset_all(network):
    network.reset()


def partition(network):
    network.partition("localhost", "venue")


@pytest.mark.parametrize(
    ("fault", "expected", "at"),
    [(reset_all, httpx.ReadError, 1.21), (partition, httpx.ReadTimeout, 5.21)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_faults_after_sending_are_the_errors_of_the_real_stack(web, fault, expected, at):
    async def story(client):
        await client.get("/")
        asyncio.get_running_loop().call_later(1, fault, sim.network())
        with pytest.raises(expected):
            await client.post("/hang", timeout=5)
        failed_at = now()
        sim.network().heal()
        return failed_at

    assert in_world(story, web) == at
    assert web.requests == ["GET /", "POST /hang"]


def test_a_reset_in_the_middle_of_a_body(web):
    async def story(client):
        with pytest.raises(httpx.ReadError):
            await client.get("/cut")

    in_world(story, web)


def test_a_request_that_meets_the_closing_of_its_connection(web):
    async def story(client):
        await client.get("/")
        web.server.close()
        sim.network().reset()
        with pytest.raises(httpx.ConnectError):
            await client.get("/")

    in_world(story, web)


def test_many_requests_at_once(web):
    async def story(client):
        answers = await asyncio.gather(
            *(client.get(f"/{number}") for number in range(50)),
        )
        return [answer.json()["target"] for answer in answers], now()

    targets, took = in_world(story, web)
    assert targets == [f"/{number}" for number in range(50)]
    assert took < 0.5


def test_cancelling_a_request_closes_its_connection(web):
    async def story(client):
        task = asyncio.create_task(client.get("/hang"))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1)
        return sim.network().open_connections

    assert in_world(story, web) == 0


def test_two_hours_and_five_thousand_requests_take_seconds(web):
    async def story(client):
        for _ in range(5000):
            await client.get("/")
            await asyncio.sleep(1.34)
        return now()

    before = time.process_time()
    assert in_world(story, web) >= 7200
    spent = time.process_time() - before
    print(f"{spent:.2f} s of CPU, {spent / 5000 * 1e6:.0f} µs per request")
    assert spent < 20  # 3 s on an idle machine; a shared one is slower
