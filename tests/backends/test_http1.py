"""The transport of our own: the same promises as over httpx, and a pool that holds under load."""

import asyncio
import gzip
import random
import socket

import pytest
from msgspec.structs import replace
from raw_server import SOON_S, Server, request

from outlast import sim
from outlast.backends.clock import SystemClock
from outlast.backends.http1 import Http1Transport
from outlast.backends.http1.connection import Connection
from outlast.backends.http1.messages import Broken, whole
from outlast.wire import FaultKind, HttpRequest, TransportFault, WireReply


def with_server(story, **options):
    """Run `story(server, transport)` in a loop of its own."""

    async def run():
        async with Server().serving() as server:
            transport = Http1Transport(SystemClock(), **options)
            try:
                return await story(server, transport)
            finally:
                await transport.aclose()

    return asyncio.run(run())


def sent_to(path, **fields):
    """One request to `path`; the next one on the same transport must be answered."""

    async def story(server, transport):
        answer = await transport.send(request(server, path, **fields))
        assert isinstance(await transport.send(request(server, "/ok")), WireReply)
        return answer

    return with_server(story)


async def sent_alone(url, **fields):
    transport = Http1Transport(SystemClock())
    try:
        return await transport.send(
            HttpRequest(method="POST", url=url, answer_within_s=SOON_S, **fields)
        )
    finally:
        await transport.aclose()


# Answers and broken answers.


def test_a_complete_answer_is_a_reply_whatever_it_says():
    reply = sent_to("/503")
    assert isinstance(reply, WireReply)
    assert (reply.status, reply.body) == (503, b"{'code':-1008")
    assert reply.headers["retry-after"] == "7"
    assert reply.headers["x-mbx-used-weight-1m"] == "9"
    assert reply.sent_at <= reply.received_at


def test_what_was_asked_arrives_as_it_was_signed():
    written = []

    async def story(server, transport):
        signed = request(
            server,
            "/order?symbol=BTCUSDT&signature=ab%2Bc",
            headers=(("X-MBX-APIKEY", "k1"), ("Content-Type", "text/plain")),
            body=b"a=1&b=%20",
            on_written=lambda: written.append(len(server.requests)),
        )
        await transport.send(signed)
        (method, _, body, head) = server.requests[0]
        assert (method, body) == ("POST", b"a=1&b=%20")
        assert b"/order?symbol=BTCUSDT&signature=ab%2Bc HTTP/1.1" in head
        assert b"X-MBX-APIKEY: k1" in head

    with_server(story)
    assert written == [0], "told once, before the venue had it"


def test_a_get_without_a_body_says_no_length():
    async def story(server, transport):
        await transport.send(request(server, "/ok", method="GET", body=b""))
        assert b"content-length" not in server.requests[0][3].lower()

    with_server(story)


LOST, GARBLED = FaultKind.CONNECTION_LOST, FaultKind.PROTOCOL_ERROR
BROKEN = {
    "/empty": LOST,
    "/garbage": GARBLED,
    "/half-head": LOST,
    "/half-body": LOST,
    "/half-chunk": LOST,
    "/bad-gzip": GARBLED,
    "/endless": GARBLED,
    "/reset": LOST,
    "/reset-after-head": LOST,
    "/hang": FaultKind.READ_TIMEOUT,
    "/stall-in-body": FaultKind.READ_TIMEOUT,
    "/drip": FaultKind.READ_TIMEOUT,
}


@pytest.mark.sockets
@pytest.mark.parametrize("path", BROKEN)
def test_a_broken_answer_is_a_fault_that_may_have_been_sent(path):
    fault = sent_to(path, connect_within_s=0.2)
    assert isinstance(fault, TransportFault)
    assert fault.kind is BROKEN[path]
    assert not fault.kind.nothing_sent
    assert "127.0.0.1" not in fault.detail


def test_a_redirect_is_an_answer_and_not_followed():
    assert sent_to("/moved").status == 307


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: 1\r\n\r\n{}"


def exchange(*pieces):
    """One request over a connection of which the answer comes in these pieces."""

    class Wire(asyncio.Transport):
        def write(self, data):
            pass

        def abort(self):
            pass

    async def story():
        clock = SystemClock()
        connection = Connection(clock)
        connection.connection_made(Wire())
        order = HttpRequest(method="POST", url="http://x/", answer_within_s=SOON_S)
        asked = asyncio.create_task(
            connection.exchange(b"", order, last_at=clock.now() + 5 * SOON_S)
        )
        await asyncio.sleep(0)
        for piece in pieces:
            connection.data_received(piece)
        try:
            answer = await asked
        except Broken as broken:
            return broken.kind, connection.make_ready()
        return (answer.status, answer.headers, answer.body), connection.make_ready()

    return asyncio.run(story())


@pytest.mark.parametrize("head", [b"", b"Connection: close\r\n", b"Connection: Keep-Alive\r\n"])
@pytest.mark.parametrize("status", [b"200 OK", b"400 ", b"503", b"418 I'm a teapot"])
def test_an_answer_is_read_alike_in_one_piece_and_in_many(head, status):
    """In one piece it is read here, in many by h11."""
    data = PLAIN.replace(b"200 OK", status).replace(b"X-One", head + b"X-One")
    whole = exchange(data)
    assert whole == exchange(*(data[at : at + 1] for at in range(len(data))))
    assert whole[0][0] == int(status[:3])
    assert whole[1] is (b"close" not in head)


ODD = {
    "two lengths": PLAIN.replace(b"X-One: 1", b"Content-Length: 3"),
    "two equal lengths": PLAIN.replace(b"X-One: 1", b"Content-Length: 2"),
    "length and chunks": PLAIN.replace(b"X-One: 1", b"Transfer-Encoding: chunked"),
    "no length": PLAIN.replace(b"Content-Length: 2", b"X-Two: 2"),
    "a length that is no number": PLAIN.replace(b": 2", b": +2"),
    "longer than it says": PLAIN + b"x",
    "a second answer": PLAIN + PLAIN,
    "no name": PLAIN.replace(b"X-One", b""),
    "a name with a space": PLAIN.replace(b"X-One", b"X One"),
    "a folded line": PLAIN.replace(b"X-One: 1", b"X-One: 1\r\n 2"),
    "a bare line feed": PLAIN.replace(b"X-One: 1", b"X-One: 1\nX-Two: 2"),
    "a null": PLAIN.replace(b"X-One: 1", b"X-One: \x00"),
    "text that is not ASCII": PLAIN.replace(b"X-One: 1", b"X-One: \xe4"),
    "HTTP/1.0": PLAIN.replace(b"1.1", b"1.0"),
    "no content": PLAIN.replace(b"200 OK", b"204 No Content"),
    "go on": b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_answer_is_left_to_h11(name):
    """What is read here is a part of what h11 reads, and never means something else."""
    assert whole(ODD[name]) is None


def test_an_answer_that_nobody_asked_for_closes_the_connection():
    answer, is_ready = exchange(PLAIN, PLAIN)
    assert answer == (200, {"content-length": "2", "x-one": "1"}, b"{}")
    assert not is_ready


def answered_with(data, **fields):
    """What one request gets from a server that says these bytes and hangs up."""

    async def story():
        async def say(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            writer.close()

        async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await sent_alone(f"http://127.0.0.1:{port}/", **fields)

    return asyncio.run(story())


def test_a_packed_answer_is_unpacked():
    packed = gzip.compress(b'{"symbols":[]}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    assert answered_with(head + packed).body == b'{"symbols":[]}'
    cut = packed[:-9]
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(cut)
    assert answered_with(head + cut).kind is GARBLED


def test_an_answer_without_a_length_ends_with_its_connection():
    assert answered_with(b"HTTP/1.1 200 OK\r\n\r\n{}").body == b"{}"


def test_a_note_before_the_answer_is_not_the_answer():
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    reply = answered_with(early + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert (reply.status, reply.body) == (200, b"{}")


@pytest.mark.parametrize("encoding", ["br", "deflate"])
def test_an_encoding_that_was_not_asked_for_is_not_guessed(encoding):
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: 2\r\n\r\n{{}}"
    assert answered_with(head.encode()).kind is GARBLED


# What proves that nothing was sent.


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_refused_connection_proves_that_nothing_was_sent():
    fault = asyncio.run(sent_alone(f"http://127.0.0.1:{unused_port()}/order"))
    assert fault.kind is FaultKind.CONNECT_FAILED
    assert fault.kind.nothing_sent


def test_no_tls_at_the_other_end_proves_that_nothing_was_sent():
    async def say_hello(_, writer):
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async def story():
        async with await asyncio.start_server(say_hello, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await sent_alone(f"https://127.0.0.1:{port}/order")

    assert asyncio.run(story()).kind is FaultKind.CONNECT_FAILED


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("not a url", ()),
        ("http://", ()),
        ("ftp://127.0.0.1/", ()),
        ("http://exa☃mple\u0000/", ()),
        ("http://127.0.0.1:port/", ()),
        ("http://127.0.0.1/", (("X-MBX-APIKEY", "k\u200bey"),)),
        ("http://127.0.0.1/", (("X-MBX-APIKEY", "key\r\nX: y"),)),
        ("http://127.0.0.1/a key", ()),
    ],
    ids=["no scheme", "no host", "scheme", "host", "port", "not ascii", "line end", "space"],
)
def test_a_request_that_cannot_be_made_is_local_and_not_raised(url, headers):
    fault = asyncio.run(sent_alone(url, headers=headers))
    assert isinstance(fault, TransportFault)
    assert fault.kind is FaultKind.LOCAL
    assert "key" not in fault.detail


def test_a_closed_transport_is_local():
    async def story(server, transport):
        await transport.aclose()
        fault = await transport.send(request(server, "/ok"))
        assert fault.kind is FaultKind.LOCAL
        assert server.requests == []

    with_server(story)


# The pool.


@pytest.mark.sockets
def test_closing_lets_what_is_under_way_end():
    async def story(server, transport):
        sending = asyncio.create_task(transport.send(request(server, "/hang")))
        while not server.requests:
            await asyncio.sleep(0.01)
        await transport.aclose()
        fault = await sending
        assert fault.kind is FaultKind.READ_TIMEOUT

    with_server(story)


def test_a_connection_is_used_again_and_not_after_its_time():
    async def story(server, transport):
        for _ in range(3):
            await transport.send(request(server, "/ok"))
        assert server.open == 1
        transport._keepalive_s = 0.0
        await transport.send(request(server, "/ok"))
        async with asyncio.timeout(5):
            while server.open != 1 or len(server.requests) != 4:
                await asyncio.sleep(0.01)

    with_server(story)


def test_a_connection_that_the_venue_closed_while_idle_is_not_used():
    """The order would be written into a closed connection, and its fate be unknown."""

    async def story():
        served = []

        async def once(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            served.append(1)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(once, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            transport = Http1Transport(SystemClock())
            for _ in range(3):
                reply = await transport.send(HttpRequest(method="POST", url=url))
                assert isinstance(reply, WireReply)
                pool = next(iter(transport._pools.values()))
                async with asyncio.timeout(5):
                    while pool.idle and pool.idle[-1].is_usable:
                        await asyncio.sleep(0)
            await transport.aclose()
        assert len(served) == 3

    asyncio.run(story())


@pytest.mark.sockets
def test_a_pool_without_a_free_connection_is_our_own_limit():
    async def story(server, transport):
        first = asyncio.create_task(transport.send(request(server, "/hang", answer_within_s=1.0)))
        while not server.requests:
            await asyncio.sleep(0.01)
        fault = await transport.send(
            request(server, "/ok", connect_within_s=0.1, answer_within_s=0.1)
        )
        assert fault.kind is FaultKind.POOL_TIMEOUT
        await first
        assert isinstance(await transport.send(request(server, "/ok")), WireReply)
        assert [path for _, path, _, _ in server.requests] == ["/hang", "/ok"]

    with_server(story, connections_max=1)


def test_who_came_first_is_served_first():
    async def story(server, transport):
        paths = [f"/{n}" for n in range(30)]
        await asyncio.gather(*(transport.send(request(server, path)) for path in paths))
        assert [path for _, path, _, _ in server.requests] == paths
        assert server.open == 1

    with_server(story, connections_max=1)


def test_callers_cancelled_anywhere_leave_a_pool_that_serves():
    """Each of 300 requests is cancelled at some step of its life; no slot may be lost by it."""
    seed = 7
    rng = random.Random(seed)

    async def story():
        network = sim.network()
        network.host("venue")

        async def answer(reader, writer):
            try:
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    await asyncio.sleep(rng.random() * 0.05)
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        with network.process("venue"):
            server = await asyncio.start_server(answer, "0.0.0.0", 80)
        transport = Http1Transport(sim.clock(), connections_max=3)
        ask = HttpRequest(method="GET", url="http://venue/", answer_within_s=5.0)

        async def one():
            task = asyncio.create_task(transport.send(ask))
            await asyncio.sleep(rng.random() * 0.2)
            task.cancel()
            await asyncio.wait({task})

        for _ in range(10):
            await asyncio.gather(*(one() for _ in range(30)))
            replies = await asyncio.gather(*(transport.send(ask) for _ in range(9)))
            assert all(isinstance(reply, WireReply) for reply in replies), f"seed {seed}"
            (pool,) = transport._pools.values()
            assert pool.open == len(pool.idle) <= 3, f"seed {seed}"
        await transport.aclose()
        server.close()
        await asyncio.sleep(1)  # virtual: the server's ends hear of it

    sim.run(story, seed=seed)


# Without being waited for.


def begun(*paths, warm=True, **fields):
    """What requests by `begin` come to; a path that could not be begun gives None."""

    async def story():
        async with Server().serving() as server:
            transport = Http1Transport(SystemClock())
            if warm:
                await transport.send(request(server, "/ok"))
            ends = []
            for path in paths:
                end = asyncio.get_running_loop().create_future()
                if transport.begin(request(server, path, **fields), end.set_result):
                    assert not end.done()  # it is heard in a later turn
                    end = await end
                else:
                    end = None
                ends.append(end)
            await transport.aclose()
            return ends

    return asyncio.run(story())


@pytest.mark.sockets
def test_a_request_over_a_free_connection_is_written_at_once_and_told_later():
    first, second = begun("/ok", "/ok")
    assert isinstance(first, WireReply)
    assert isinstance(second, WireReply)


@pytest.mark.sockets
def test_without_a_free_connection_nothing_is_done():
    assert begun("/ok", warm=False) == [None]


@pytest.mark.sockets
@pytest.mark.parametrize("path", BROKEN)
def test_a_broken_answer_is_told_once_and_its_connection_not_used_again(path):
    fault, after = begun(path, "/ok", answer_within_s=0.2)
    assert isinstance(fault, TransportFault)
    assert fault.kind is BROKEN[path]
    assert (after is None) is (path != "/bad-gzip")  # of that one the bytes were all there


@pytest.mark.sockets
def test_what_cannot_be_written_is_left_to_send_which_says_why():
    async def story():
        async with Server().serving() as server:
            transport = Http1Transport(SystemClock())
            await transport.send(request(server, "/ok"))
            bad = replace(request(server, "/ok"), headers=(("X-Key", "k\r\nX-Evil: 1"),))
            assert not transport.begin(bad, lambda _: None)
            fault = await transport.send(bad)
            assert fault.kind is FaultKind.LOCAL
            assert isinstance(await transport.send(request(server, "/ok")), WireReply)
            await transport.aclose()

    asyncio.run(story())
