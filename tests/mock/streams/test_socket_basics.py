"""Handshakes, pings, limits and endings of sockets, whatever the venue."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_venue import CALM, play
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from outlast import sim
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.load import loads


def with_top(line: str) -> str:
    return CALM.replace("phases:", f"{line}\nphases:")


def test_subscribers_hear_their_topics_until_they_leave_them():
    async def story(world):
        client = await world.subscribed("one")
        await asyncio.sleep(1.05)
        heard = client.take()
        assert heard[0] == "subscribed one"
        assert [int(text.split()[1]) for text in heard[1:]] == list(range(1, len(heard)))
        assert len(heard) == 11
        await client.say("unsub one")
        await asyncio.sleep(1)
        assert client.take() == ["unsubscribed True"]
        await client.say("what?")
        await asyncio.sleep(0.1)
        assert client.take() == ["error 5"]
        assert world.dials() == [("ws.market.connect", "accepted")]

    play(story)


def test_a_path_without_a_socket_is_not_found_and_the_connection_stays_for_http():
    async def story(world):
        with pytest.raises(InvalidStatus) as refused:
            await world.dial("/nowhere")
        assert refused.value.response.status_code == 404
        assert world.dials() == []

    play(story)


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ({"http": {"status": 503, "body": "x"}}, 503),
        ({"html": "cdn-502"}, 502),
        ({"empty": 403}, 403),
        ("overload", 503),
        ("rate_limited", 429),
        ({"json": {}}, 200),
    ],
)
def test_a_handshake_gets_whatever_answer_the_scenario_gives(reply, status):
    async def story(world):
        world.fault("ws.market.connect", reply=reply)
        with pytest.raises(InvalidStatus) as refused:
            await world.dial("/ws")
        assert refused.value.response.status_code == status
        assert world.dials() == [("ws.market.connect", "refused")]
        user = await world.dial("/user")
        await asyncio.sleep(1)
        assert user.take(), "the other class of sockets is served"

    play(story)


@pytest.mark.parametrize("reply", ["refuse", {"reset": "connect"}, {"reset": "headers"}])
def test_a_handshake_may_be_torn_down(reply):
    async def story(world):
        world.fault("ws.*.connect", reply=reply)
        with pytest.raises((ConnectionResetError, InvalidMessage, EOFError, ConnectionClosed)):
            await world.dial("/ws")

    play(story)


def test_a_handshake_may_hang_and_may_be_slow():
    async def story(world):
        rule = world.fault("ws.*.connect", reply={"hang": "60s"})
        with pytest.raises(TimeoutError):
            await world.dial("/ws", open_timeout=5)
        world.exchange.run.desk.remove(rule)
        world.fault("ws.*.connect", latency={"p50": "3s", "p99": "3s"})
        began = asyncio.get_running_loop().time()
        await world.dial("/ws")
        assert 2.9 < asyncio.get_running_loop().time() - began < 3.3

    play(story)


def test_dials_over_the_limit_are_429_until_the_ban_is_over():
    async def story(world):
        for _ in range(3):
            client = await world.dial("/ws")
            await client.stream.close()
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused:
                await world.dial("/ws")
            assert refused.value.response.status_code == 429
            assert int(refused.value.response.headers["retry-after"]) in (119, 120)
        await asyncio.sleep(121)
        await world.dial("/ws")
        outcomes = [outcome for _, outcome in world.dials()]
        assert outcomes == ["accepted"] * 3 + ["banned"] * 2 + ["accepted"]

    play(story, with_top("limits: {connects: {max: 3, per: 5m, ban: 2m}}"))


def test_the_server_pings_and_closes_on_who_does_not_answer():
    async def story(world):
        alive = await world.subscribed()
        # A peer that is there but does not answer: its own pongs are kept from leaving.
        dead = await world.dial()
        dead.stream.transport.pause_reading()
        opened = asyncio.get_running_loop().time()
        await asyncio.sleep(79)
        assert len(world.sockets.clients) == 2
        await asyncio.sleep(2)
        dead.stream.transport.resume_reading()
        await asyncio.sleep(1)
        assert dead.stream.close_code == 1008
        assert dead.stream.close_reason == "Pong timeout"
        assert 79 < dead.closed_at - opened < 83
        assert alive.closed_at is None

    play(story)


def test_after_its_lifetime_the_socket_is_closed():
    async def story(world):
        client = await world.dial()
        await asyncio.sleep(3599)
        assert client.closed_at is None
        await asyncio.sleep(3)
        assert client.stream.close_code == 1001

    play(story)


def test_a_jump_of_the_clock_ages_sockets_too():
    async def story(world):
        client = await world.dial()
        await world.exchange.run.clock.advance_to(3_601)
        await asyncio.sleep(1)
        assert client.stream.close_code == 1001

    play(story)


def test_too_many_messages_in_a_second_close_the_socket():
    async def story(world):
        client = await world.dial()
        for n in range(5):
            await client.say(f"hello {n}")
        await asyncio.sleep(1.1)
        assert len(client.take()) == 5
        for n in range(6):
            await client.say(f"hello {n}")
        await asyncio.sleep(0.5)
        assert len(client.take()) == 5
        assert client.stream.close_code == 1008

    play(story)


def test_a_slow_reader_is_dropped_and_nobody_else(caplog):
    async def story(world):
        slow = await world.dial()
        fast = await world.dial()
        for client in (slow, fast):
            await client.say("sub big depth")
        await asyncio.sleep(0.5)
        slow.stream.transport.pause_reading()
        payload = "x" * 50_000
        world.toy.update = lambda topic, number: type(world.toy).update(
            world.toy, f"{topic}{payload}", number
        )
        await asyncio.sleep(60)
        assert len(world.sockets.clients) == 1
        assert len(fast.take()) > 500
        assert fast.closed_at is None

    play(story)


def test_our_own_mistakes_close_one_socket_with_1011_and_are_logged(caplog):
    async def story(world):
        client = await world.subscribed()
        other = await world.subscribed()
        with caplog.at_level(logging.CRITICAL, logger="outlast.mock.streams"):
            await client.say("fail")
            await asyncio.sleep(1)
        assert client.stream.close_code == 1011
        assert other.closed_at is None

    play(story)


def test_stopping_the_exchange_sends_everybody_away():
    async def story(world):
        client = await world.subscribed()
        await world.exchange.restart()
        await asyncio.sleep(1)
        assert client.closed_at is not None
        fresh = await world.subscribed()
        await asyncio.sleep(1)
        assert fresh.take()

    play(story)


def test_requests_over_a_socket_go_through_the_pipeline():
    async def story(world):
        client = await world.dial("/api")
        await client.say("ask GET /fapi/v1/time")
        await asyncio.sleep(0.1)
        (heard,) = client.take()
        status, body = heard.split(" ", 1)
        assert status == "200"
        assert set(json.loads(body)) == {"serverTime"}
        (record,) = [r for r in world.exchange.truth.traffic.kept() if r.endpoint == "time"]
        assert record.transport == "ws.api"
        assert record.weight == 1

    play(story)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("overload", ["503 "]),
        ({"html": "cdn-502"}, ["<"]),
        ({"empty": 200}, [""]),
        ({"truncate": 0.5}, ["200 {"]),
        ({"hang": "5s"}, []),
    ],
)
def test_rules_for_ws_api_answer_requests_over_a_socket(reply, expected):
    async def story(world):
        client = await world.dial("/api")
        world.fault("ws.api", reply=reply)
        await client.say("ask GET /fapi/v1/time")
        await asyncio.sleep(20)
        heard = client.take()
        assert len(heard) == len(expected)
        for text, start in zip(heard, expected, strict=True):
            assert text.startswith(start)
            if start == "200 {":
                assert not text.endswith("}")
        assert client.closed_at is None

    play(story)


def test_a_reset_of_a_request_cuts_its_socket():
    async def story(world):
        client = await world.dial("/api")
        world.fault("time", reply={"reset": "request"})
        await client.say("ask GET /fapi/v1/time")
        await asyncio.sleep(1)
        assert client.take() == []
        assert client.stream.close_code == 1006

    play(story)


def test_a_request_dribbles_or_is_late():
    async def story(world):
        client = await world.dial("/api")
        world.fault("time", reply={"dribble": {"over": "10s", "then": "ok"}})
        await client.say("ask GET /fapi/v1/time")
        await asyncio.sleep(9)
        assert client.take() == []
        await asyncio.sleep(2)
        assert client.take()[0].startswith("200")
        world.heal()
        world.fault("ws.api", latency={"p50": "4s", "p99": "4s"})
        await client.say("ask GET /fapi/v1/time")
        await asyncio.sleep(3)
        assert client.take() == []
        await asyncio.sleep(2)
        assert client.take()[0].startswith("200")

    play(story)


# -- malformed ------------------------------------------------------------------------------------

HELLO = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def exchange_bytes(url: str, data: bytes) -> bytes:
    host, port = url.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    heard = b""
    try:
        async with asyncio.timeout(15):
            while piece := await reader.read(65536):
                heard += piece
    except (TimeoutError, ConnectionError):
        pass  # still open, or reset: what was heard counts
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)
    return heard


def tell(data: bytes, caplog) -> bytes:
    async def story(world):
        answers.append(await exchange_bytes(world.url, data))
        witness = await world.subscribed()
        await asyncio.sleep(0.5)
        assert witness.take(), "the venue lives"

    answers: list[bytes] = []
    with caplog.at_level(logging.ERROR):
        play(story)
    assert not caplog.records, [record.getMessage() for record in caplog.records]
    return answers[0]


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's frame, with a mask of zeros."""
    head = bytes([(0x80 if fin else 0) | opcode])
    size = len(payload)
    if size < 126:
        head += bytes([0x80 | size])
    else:
        head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (masked(1, b"\xff\xfe"), 1007),
        (b"\x81\x03abc", 1002),  # not masked
        (masked(0, b"x"), 1002),  # a continuation of nothing
        (masked(3, b""), 1002),  # an opcode that is none
        (masked(9, b"x" * 126), 1002),  # a ping too long
        (b"\x81" + bytes([0x80 | 127]) + (10**9).to_bytes(8, "big") + b"\0\0\0\0", 1009),
    ],
)
def test_broken_frames_get_the_close_code_of_the_protocol(frames, code, caplog):
    answer = tell(HELLO + frames, caplog)
    assert answer.startswith(b"HTTP/1.1 101")
    assert code.to_bytes(2, "big") in answer.partition(b"\r\n\r\n")[2]


def test_a_message_in_pieces_is_one_message(caplog):
    frames = masked(1, b"what ", fin=False) + masked(9, b"hi") + masked(0, b"is this")
    answer = tell(HELLO + frames, caplog)
    assert b"error 12" in answer
    assert b"\x8a\x02hi" in answer


@pytest.mark.parametrize(
    "line",
    [
        b"Sec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ],
)
def test_a_handshake_without_its_headers_is_refused(line, caplog):
    answer = tell(HELLO.replace(line, b""), caplog)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 426"))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.binary(max_size=200))
def test_any_bytes_after_a_handshake_are_taken_or_end_the_socket(data):
    async def main():
        async with MockExchange(loads(CALM)) as exchange:
            url = exchange.endpoints("binance-um")["stream"]
            answer = await exchange_bytes(url, HELLO + data)
            assert answer.startswith(b"HTTP/1.1 101")

    sim.run(main, seed=1, time_limit_s=1000)
