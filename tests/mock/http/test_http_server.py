"""The server over real sockets: what is asserted are the bytes on the wire and how they end."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_client import GET, RawClient, dial, serving

from outlast.mock.http.connection import HttpLimits
from outlast.mock.http.plans import (
    Answer,
    Dribble,
    Hang,
    HttpMessage,
    Refuse,
    ReplyPlan,
    Reset,
    ResetAt,
    Truncate,
)
from outlast.mock.http.server import HttpServer

pytestmark = pytest.mark.sockets

BODY = b'{"serverTime":1499827319559}'
JSON = (("content-type", "application/json"),)


def always(plan: ReplyPlan):
    async def app(_: HttpMessage) -> ReplyPlan:
        return plan

    return app


async def heard(plan: ReplyPlan, request: bytes = GET):
    """Send one request and read until the server ends the connection."""
    async with serving(always(plan)) as server, dial(server) as client:
        await client.send(request)
        return await client.rest()


def plan(delivery=None, *, status=200, body=BODY, headers=JSON, **more) -> ReplyPlan:
    answer = Answer(status=status, headers=headers, body=body)
    return ReplyPlan(answer=answer, **({"delivery": delivery} if delivery else {}), **more)


def test_ordinary_answer_is_these_bytes():
    async def story():
        async with serving(always(plan())) as server, dial(server) as client:
            await client.send(GET)
            head = await client.until(b"\r\n\r\n")
            assert head == (
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 28\r\n\r\n"
            )
            assert await client.exactly(28) == BODY

    asyncio.run(story())


def test_message_keeps_the_bytes_that_are_signed():
    async def story():
        seen: list[HttpMessage] = []

        async def app(message: HttpMessage) -> ReplyPlan:
            seen.append(message)
            return ReplyPlan()

        async with serving(app) as server, dial(server) as client:
            await client.send(
                b"post /fapi/v1/order?a=%20b&c=1+2?x HTTP/1.1\r\nHost: a\r\nX-MBX-APIKEY: k\r\n"
                b"Via: one\r\nvia: two\r\nContent-Length: 7\r\n\r\nq=%2f+1"
            )
            await client.answer()
        (message,) = seen
        assert message.method == "POST"
        assert message.path == "/fapi/v1/order"
        assert message.query == b"a=%20b&c=1+2?x"
        assert message.body == b"q=%2f+1"
        assert message.headers["via"] == ["one", "two"]
        assert message.header("X-Mbx-Apikey") == "k"
        assert message.header("absent", "default") == "default"
        assert message.peer_ip == "127.0.0.1"

    asyncio.run(story())


def test_keep_alive_serves_many_requests_on_one_connection():
    async def story():
        async with serving(always(plan())) as server, dial(server) as client:
            for _ in range(5):
                await client.send(GET)
                status, _, body = await client.answer()
                assert (status, body) == (200, BODY)
            assert server.connections == 1

    asyncio.run(story())


def test_pipelined_requests_are_answered_in_order_and_one_at_a_time():
    async def story():
        busy = 0

        async def app(message: HttpMessage) -> ReplyPlan:
            nonlocal busy
            busy += 1
            assert busy == 1
            await asyncio.sleep(0.001)
            busy -= 1
            return plan(body=message.path.encode())

        async with serving(app) as server, dial(server) as client:
            wire = b"".join(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % n for n in range(20))
            await client.send(wire[:100])  # in the middle of one
            await client.send(wire[100:])
            bodies = [(await client.answer())[2] for _ in range(20)]
            assert bodies == [b"/%d" % n for n in range(20)]

    asyncio.run(story())


def test_a_flood_of_pipelined_requests_is_read_only_as_fast_as_it_is_served():
    async def story():
        gate = asyncio.Event()

        async def app(_: HttpMessage) -> ReplyPlan:
            await gate.wait()
            return plan()

        limits = HttpLimits(unread_bytes_max=1000)
        async with serving(app, limits) as server, dial(server) as client:
            flood = GET * 20_000
            client.writer.write(flood)
            for _ in range(20):
                await asyncio.sleep(0.005)
            # The kernel holds some, the server a bounded rest.
            (connection,) = server._connections
            assert connection._waiting_bytes <= 1000 + 256 * 1024
            assert not connection._reading
            gate.set()
            for _ in range(100):
                assert (await client.answer())[0] == 200

    asyncio.run(story())


def test_http_1_0_and_connection_close_end_after_the_answer():
    for request in (
        b"GET /x HTTP/1.0\r\n\r\n",
        b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ):
        result = asyncio.run(heard(plan(), request))
        assert result.end == "eof"
        assert result.data.endswith(BODY)
        assert b"connection: close" in result.data.lower()


def test_plan_may_close_a_connection_that_the_client_would_keep():
    result = asyncio.run(heard(plan(close=True)))
    assert result.end == "eof"
    assert result.data.endswith(BODY)


def test_head_request_gets_the_head_alone():
    async def story():
        async with serving(always(plan())) as server, dial(server) as client:
            await client.send(b"HEAD /x HTTP/1.1\r\nhost: a\r\n\r\n" + GET)
            await client.until(b"\r\n\r\n")
            assert (await client.answer())[2] == BODY  # the next answer follows directly

    asyncio.run(story())


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_have_none(status):
    async def story():
        async with serving(always(plan(status=status, body=b""))) as server, dial(server) as client:
            for _ in range(2):
                await client.send(GET)
                head = await client.until(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 %d" % status)
                assert b"content-length" not in head

    asyncio.run(story())


def test_expect_100_continue_is_told_to_go_on():
    async def story():
        async with serving(always(plan())) as server, dial(server) as client:
            await client.send(
                b"POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n"
            )
            assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
            await client.send(b"abc")
            assert (await client.answer())[0] == 200

    asyncio.run(story())


def test_chunked_request_body_is_put_together():
    async def story():
        async def app(message: HttpMessage) -> ReplyPlan:
            return plan(body=message.body)

        async with serving(app) as server, dial(server) as client:
            await client.send(b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
            await client.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            assert (await client.answer())[2] == b"abcde"

    asyncio.run(story())


# -- the nasty deliveries -------------------------------------------------------------------------


def test_hang_says_nothing_and_closes_when_it_ends():
    result = asyncio.run(heard(plan(Hang(0.05))))
    assert (result.data, result.end) == (b"", "eof")
    assert result.took_s >= 0.045


@pytest.mark.parametrize("delivery", [Reset(ResetAt.CONNECT), Reset(ResetAt.REQUEST), Refuse()])
def test_reset_before_any_byte_of_the_answer(delivery):
    result = asyncio.run(heard(plan(delivery)))
    assert (result.data, result.end) == (b"", "reset")


def test_reset_in_the_head_leaves_half_a_head():
    result = asyncio.run(heard(plan(Reset(ResetAt.HEADERS))))
    assert result.end == "reset"
    whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 28\r\n\r\n"
    assert result.data == whole[: len(whole) // 2]


def test_reset_in_the_body_leaves_half_a_body():
    result = asyncio.run(heard(plan(Reset(ResetAt.BODY))))
    assert result.end == "reset"
    assert b"content-length: 28" in result.data
    assert result.data.endswith(b"\r\n\r\n" + BODY[:14])


def test_truncate_keeps_the_length_of_the_whole_body():
    result = asyncio.run(heard(plan(Truncate(0.5))))
    assert result.end == "eof"
    assert b"content-length: 28" in result.data
    assert result.data.endswith(b"\r\n\r\n" + BODY[:14])


@pytest.mark.parametrize("declared", [5, 999])
def test_wrong_content_length_goes_out_as_declared(declared):
    headers = (*JSON, ("content-length", str(declared)))
    result = asyncio.run(heard(plan(headers=headers)))
    assert result.end == "eof"
    assert result.data.count(b"content-length") == 1
    assert b"content-length: %d\r\n" % declared in result.data
    assert result.data.endswith(b"\r\n\r\n" + BODY)


def test_dribble_gives_the_body_byte_by_byte_and_keeps_the_connection():
    async def story():
        async with serving(always(plan(Dribble(0.1)))) as server, dial(server) as client:
            loop = asyncio.get_running_loop()
            await client.send(GET)
            await client.until(b"\r\n\r\n")
            began, pieces = loop.time(), []
            while sum(map(len, pieces)) < len(BODY):
                pieces.append(await client.reader.read(65536))
            assert loop.time() - began >= 0.09
            assert len(pieces) > len(BODY) / 2  # two may arrive together, not all
            assert b"".join(pieces) == BODY
            await client.send(GET)
            assert (await client.answer())[2] == BODY

    asyncio.run(story())


def test_dribble_cut_stops_half_way():
    result = asyncio.run(heard(plan(Dribble(0.05, cut=True))))
    assert result.end == "eof"
    assert result.took_s >= 0.045
    assert b"content-length: 28" in result.data
    assert result.data.endswith(b"\r\n\r\n" + BODY[:14])


def test_dribble_of_a_long_body_takes_its_time_and_no_more():
    async def story():
        body = bytes(300_000)
        async with serving(always(plan(Dribble(0.2), body=body))) as server, dial(server) as client:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await client.send(GET)
            assert (await client.answer())[2] == body
            assert 0.18 <= loop.time() - began < 5

    asyncio.run(story())


def test_latency_comes_before_the_first_byte():
    async def story():
        async with serving(always(plan(latency_s=0.05))) as server, dial(server) as client:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await client.send(GET)
            await client.exactly(1)
            assert loop.time() - began >= 0.045

    asyncio.run(story())


def test_refused_dials_fail_like_a_closed_port_and_come_back_on_the_same_one():
    async def story():
        async with serving(always(plan())) as server:
            port = server.port
            async with dial(server) as client:
                await client.send(GET)
                await client.answer()
                server.refuse_dials(True)
                while server.listening:
                    await asyncio.sleep(0.001)
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
                await client.send(GET)
                assert (await client.answer())[0] == 200  # who was inside stays inside
            server.refuse_dials(False)
            while not server.listening:
                await asyncio.sleep(0.001)
            assert server.port == port
            async with dial(server) as client:
                await client.send(GET)
                assert (await client.answer())[0] == 200

    asyncio.run(story())


def test_a_port_that_somebody_took_meanwhile_is_opened_when_it_is_free_again(caplog):
    async def story():
        async with serving(always(plan())) as server:
            server.refuse_dials(True)
            while server.listening:
                await asyncio.sleep(0.001)
            with socket.socket() as other:
                other.bind(("127.0.0.1", server.port))
                other.listen()
                server.refuse_dials(False)
                while "cannot be opened again" not in caplog.text:
                    await asyncio.sleep(0.001)
            while not server.listening:
                await asyncio.sleep(0.001)
            async with dial(server) as client:
                await client.send(GET)
                assert (await client.answer())[0] == 200

    with caplog.at_level(logging.WARNING, logger="outlast.mock.http"):
        asyncio.run(story())


def test_stop_while_the_port_is_being_opened_or_closed():
    async def story():
        for refuse in (True, False):
            server = HttpServer(always(plan()))
            await server.start()
            server.refuse_dials(not refuse)
            await asyncio.sleep(0)
            server.refuse_dials(refuse)
            await server.stop()
            assert not server.listening
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", server.port)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


def test_busy_connections_can_be_dropped_and_idle_ones_stay():
    async def story():
        plans = iter([plan(), plan(Hang(60)), plan()])

        async def app(_: HttpMessage) -> ReplyPlan:
            return next(plans)

        async with serving(app) as server, dial(server) as idle, dial(server) as busy:
            await idle.send(GET)
            await idle.answer()
            await busy.send(GET)
            while not any(c.task for c in server._connections):
                await asyncio.sleep(0.001)
            server.drop_busy()
            assert (await busy.rest()).data == b""
            await idle.send(GET)
            assert (await idle.answer())[0] == 200

    asyncio.run(story())


@pytest.mark.parametrize(
    ("status", "headers", "first"),
    [
        (103, (), b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (101, (("upgrade", "x"),), b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
        (200, (("content-length", "-5"),), b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n"),
        (520, (("content-length", "many"),), b"HTTP/1.1 520 \r\ncontent-length: many\r\n\r\n"),
    ],
)
def test_answers_that_no_proper_server_would_give_leave_as_they_stand(status, headers, first):
    result = asyncio.run(heard(plan(status=status, headers=headers)))
    assert result.data == first + BODY
    assert result.end == "eof"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_url_is_one_that_clients_of_this_machine_can_use(host, url):
    assert HttpServer(always(plan()), host=host, port=80).url == url


# -- who was told what ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delivery", "whole"),
    [
        (None, True),
        (Dribble(0.01), True),
        (Dribble(0.01, cut=True), False),
        (Truncate(0.5), False),
        (Hang(0.01), False),
        (Reset(ResetAt.BODY), False),
        (Reset(ResetAt.CONNECT), False),
        (Refuse(), False),
    ],
)
def test_plan_learns_whether_the_whole_answer_left(delivery, whole):
    reports: list[bool] = []
    asyncio.run(
        heard(
            plan(delivery, delivered=reports.append),
            GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
        )
    )
    assert reports == [whole]


def test_client_that_left_before_the_answer_was_not_told():
    async def story():
        reports: list[bool] = []
        slow = plan(latency_s=30, delivered=reports.append)
        async with serving(always(slow)) as server:
            async with dial(server) as client:
                await client.send(GET)
                while not server.connections:
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0.02)
                assert reports == []
            while server.connections:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)
            assert reports == [False]

    asyncio.run(story())


# -- bad, slow and dead clients -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\n\r\n", 400),  # no host
        (b"GET  /x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000\r\n\r\n", 413),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 431),
        (b"GET /x HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 300_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400),  # TLS on a plain port
    ],
)
def test_bad_requests_get_their_status_and_the_connection_ends(wire, status):
    result = asyncio.run(heard(plan(), wire))
    assert result.data.startswith(b"HTTP/1.1 %d" % status)
    assert result.end == "eof"


def test_chunked_body_over_the_limit_is_cut_off_with_413():
    async def story():
        async with serving(always(plan())) as server, dial(server) as client:
            client.writer.write(
                b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
                + (b"10000\r\n" + bytes(65536) + b"\r\n") * 20
            )
            result = await client.rest()
            assert result.data.startswith(b"HTTP/1.1 413")
            assert result.end == "eof"

    asyncio.run(story())


def test_request_that_takes_too_long_to_arrive_gets_408():
    async def story():
        limits = HttpLimits(request_s=0.05)
        async with serving(always(plan()), limits) as server, dial(server) as client:
            await client.send(b"GET /x HTTP/1.1\r\n")
            for _ in range(3):  # each byte in time, the whole too late
                await asyncio.sleep(0.01)
                await client.send(b"h")
            result = await client.rest()
            assert result.data.startswith(b"HTTP/1.1 408")
            assert result.end == "eof"

    asyncio.run(story())


def test_idle_connection_is_closed_without_a_word():
    async def story():
        limits = HttpLimits(idle_s=0.03)
        async with serving(always(plan()), limits) as server:
            async with dial(server) as client:
                result = await client.rest()
                assert (result.data, result.end) == (b"", "eof")
            async with dial(server) as client:
                await client.send(GET)
                await client.answer()
                assert (await client.rest()).end == "eof"

    asyncio.run(story())


def test_client_that_does_not_read_is_dropped_and_holds_little_memory():
    async def story():
        big = plan(body=bytes(32 * 1024 * 1024))
        limits = HttpLimits(write_s=0.1, write_bytes_max=128 * 1024)
        async with serving(always(big), limits) as server, dial(server) as client:
            client.writer.transport.pause_reading()
            await client.send(GET)
            while not server.connections:
                await asyncio.sleep(0.001)
            held = 0
            while server.connections:
                for connection in server._connections:
                    if connection._transport is not None:
                        held = max(held, connection._transport.get_write_buffer_size())
                await asyncio.sleep(0.005)
            assert held <= 256 * 1024

    asyncio.run(story())


def test_connections_over_the_limit_are_reset():
    async def story():
        async with (
            serving(always(plan()), HttpLimits(connections_max=2)) as server,
            dial(server) as one,
            dial(server) as two,
            dial(server) as three,
        ):
            assert (await three.rest()).end == "reset"
            for client in (one, two):
                await client.send(GET)
                assert (await client.answer())[0] == 200

    asyncio.run(story())


def test_mistake_of_the_app_is_a_500_for_the_client_and_a_traceback_for_the_log(caplog):
    async def app(_: HttpMessage) -> ReplyPlan:
        raise ZeroDivisionError("planted")

    async def story():
        async with serving(app) as server, dial(server) as client:
            await client.send(GET)
            return await client.rest()

    with caplog.at_level(logging.ERROR, logger="outlast.mock.http"):
        result = asyncio.run(story())
    assert result.data.startswith(b"HTTP/1.1 500")
    assert result.end == "eof"
    assert "planted" in caplog.text


def test_port_in_use_is_an_oserror():
    async def story():
        async with serving(always(plan())) as server:
            second = HttpServer(always(plan()), port=server.port)
            with pytest.raises(OSError, match="address already in use"):
                await second.start()

    asyncio.run(story())


def test_stop_ends_hanging_dribbling_and_idle_connections_and_leaves_nothing_behind():
    async def story():
        plans = iter([plan(Hang(60)), plan(Dribble(60)), plan(latency_s=60), plan()])

        async def app(_: HttpMessage) -> ReplyPlan:
            return next(plans)

        server = HttpServer(app)
        await server.start()
        clients = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            clients.append(RawClient(reader, writer))
            await clients[-1].send(GET)
        await clients[-1].answer()
        assert server.connections == 4
        async with asyncio.timeout(2):
            await server.stop()
        assert server.connections == 0
        for client in clients:
            await client.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(story())
        gc.collect()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    GET,
                    b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab",
                    b"\r\n\r\n",
                    b"transfer-encoding: chunked\r\n",
                    b"ffffffff\r\n",
                    b"connection: upgrade\r\nupgrade: websocket\r\n",
                ]
            ),
        ),
        max_size=6,
    )
)
def test_no_bytes_make_it_fail_or_hang(pieces):
    """Any bytes: answers or the end of the connection, and the server serves the next client."""
    problems: list[dict] = []

    async def story():
        asyncio.get_running_loop().set_exception_handler(lambda _, c: problems.append(c))
        limits = HttpLimits(request_s=0.02, idle_s=0.02)
        async with serving(always(plan()), limits) as server:
            async with dial(server) as client:
                for piece in pieces:
                    try:
                        await client.send(piece)
                    except ConnectionError:
                        break
                result = await client.rest()
                if result.data:
                    assert result.data.startswith(b"HTTP/1.1 ")
            async with dial(server) as client:
                await client.send(GET)
                assert (await client.answer())[2] == BODY

    asyncio.run(story())
    assert problems == []
