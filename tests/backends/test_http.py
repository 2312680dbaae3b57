"""One request in, one reply or one fault out, over real sockets on the loopback address."""

import asyncio
import inspect
import random
import socket
import ssl

import httpx
import pytest
import respx
from msgspec.structs import replace
from raw_server import SOON_S, Server, request

from outlast.backends.clock import SystemClock
from outlast.backends.http import (
    HttpxTransport,
    goes_by_proxy,
    kind_of,
    tls_context,
    transport_over,
)
from outlast.backends.journal import MemoryStore
from outlast.client.admission import Admission
from outlast.client.calls import CallDesk, Credentials
from outlast.client.events import EventBus
from outlast.client.guard import Guard
from outlast.client.journal import Journal
from outlast.client.settings import Settings
from outlast.core.limiter import SlotSettings
from outlast.core.server_time import ServerClock
from outlast.errors import ConfigurationError, Failure, Outcome
from outlast.venues import codec
from outlast.wire import FaultKind, HttpRequest, TransportFault, WireReply


def with_server(story):
    """Run `story(server, transport)` in a loop of its own."""

    async def run():
        async with Server().serving() as server:
            transport = HttpxTransport(SystemClock())
            try:
                return await story(server, transport)
            finally:
                await transport.aclose()

    return asyncio.run(run())


def sent_to(path, **fields):
    """One request to `path`, and whether the next one on the same transport is answered."""

    async def story(server, transport):
        answer = await transport.send(request(server, path, **fields))
        after = await transport.send(request(server, "/ok"))
        assert isinstance(after, WireReply)
        return answer

    return with_server(story)


# The closed set.


def exceptions_of(module):
    return [
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, Exception)
    ]


def made(error_type):
    """An instance, whatever its constructor wants."""
    return error_type.__new__(error_type)


HTTPX_ERRORS = exceptions_of(httpx)
BEFORE_THE_FIRST_BYTE = {
    httpx.ConnectTimeout,
    httpx.ConnectError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
}


def test_httpx_has_the_exceptions_that_we_know():
    """A new one must be looked at by a person before it is mapped by its base class."""
    assert len(HTTPX_ERRORS) == 28
    assert set(HTTPX_ERRORS) >= BEFORE_THE_FIRST_BYTE


@pytest.mark.parametrize("error_type", HTTPX_ERRORS, ids=lambda t: t.__name__)
def test_every_exception_of_httpx_is_mapped_and_few_prove_that_nothing_was_sent(error_type):
    kind = kind_of(made(error_type))
    assert isinstance(kind, FaultKind)
    assert kind.nothing_sent == (error_type in BEFORE_THE_FIRST_BYTE)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectTimeout("x"), FaultKind.CONNECT_TIMEOUT),
        (httpx.ConnectError("x"), FaultKind.CONNECT_FAILED),
        (httpx.PoolTimeout("x"), FaultKind.POOL_TIMEOUT),
        (httpx.ReadTimeout("x"), FaultKind.READ_TIMEOUT),
        (httpx.WriteTimeout("x"), FaultKind.WRITE_FAILED),
        (httpx.WriteError("x"), FaultKind.WRITE_FAILED),
        (httpx.ReadError("x"), FaultKind.CONNECTION_LOST),
        (httpx.CloseError("x"), FaultKind.CONNECTION_LOST),
        (httpx.RemoteProtocolError("x"), FaultKind.PROTOCOL_ERROR),
        (httpx.DecodingError("x"), FaultKind.PROTOCOL_ERROR),
        (httpx.InvalidURL("x"), FaultKind.LOCAL),
        (ssl.SSLError("x"), FaultKind.CONNECTION_LOST),
        (ConnectionResetError("x"), FaultKind.CONNECTION_LOST),
    ],
)
def test_the_kinds_that_the_codecs_tell_apart(error, kind):
    assert kind_of(error) is kind


def test_what_is_not_the_networks_doing_is_not_mapped():
    for error in (ValueError("x"), KeyError("x"), RuntimeError("x"), AssertionError("x")):
        assert kind_of(error) is None


def test_only_these_kinds_prove_that_nothing_was_sent():
    proofs = {kind for kind in FaultKind if kind.nothing_sent}
    assert proofs == {
        FaultKind.CONNECT_TIMEOUT,
        FaultKind.CONNECT_FAILED,
        FaultKind.NAME_UNRESOLVED,
        FaultKind.NO_ROUTE,
        FaultKind.POOL_TIMEOUT,
        FaultKind.LOCAL,
    }


def test_building_a_second_transport_costs_no_second_tls_context():
    """It takes 50 ms of CPU, in which a bot does nothing else."""
    assert tls_context() is tls_context()


# Answers and broken answers.


def test_a_complete_answer_is_a_reply_whatever_it_says():
    reply = sent_to("/503")
    assert isinstance(reply, WireReply)
    assert (reply.status, reply.body) == (503, b"{'code':-1008")
    assert reply.headers["retry-after"] == "7"
    assert reply.headers["x-mbx-used-weight-1m"] == "9"
    assert reply.sent_at <= reply.received_at


def test_what_was_asked_arrives_as_it_was_signed():
    async def story(server, transport):
        signed = request(
            server,
            "/order?symbol=BTCUSDT&signature=ab%2Bc",
            headers=(("X-MBX-APIKEY", "k1"), ("Content-Type", "text/plain")),
            body=b"a=1&b=%20",
        )
        await transport.send(signed)
        (method, _, body, head) = server.requests[0]
        assert (method, body) == ("POST", b"a=1&b=%20")
        assert b"/order?symbol=BTCUSDT&signature=ab%2Bc HTTP/1.1" in head
        assert b"X-MBX-APIKEY: k1" in head

    with_server(story)


BROKEN = {
    "/empty": FaultKind.PROTOCOL_ERROR,
    "/garbage": FaultKind.PROTOCOL_ERROR,
    "/half-head": FaultKind.PROTOCOL_ERROR,
    "/half-body": FaultKind.PROTOCOL_ERROR,
    "/half-chunk": FaultKind.PROTOCOL_ERROR,
    "/bad-gzip": FaultKind.PROTOCOL_ERROR,
    "/endless": FaultKind.PROTOCOL_ERROR,
    "/reset": FaultKind.CONNECTION_LOST,
    "/reset-after-head": FaultKind.CONNECTION_LOST,
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
    assert fault.sent_at <= fault.received_at
    assert "127.0.0.1" not in fault.detail


@pytest.mark.sockets
def test_an_answer_that_drips_in_is_cut_and_its_connection_closed():
    async def story(server, transport):
        began = asyncio.get_running_loop().time()
        fault = await transport.send(request(server, "/drip", connect_within_s=0.2))
        took_s = asyncio.get_running_loop().time() - began
        assert "dripping" in fault.detail
        assert (
            0.2 + 2 * SOON_S <= took_s < 20 * SOON_S
        )  # the whole drip would take 100 times SOON_S
        async with asyncio.timeout(5.0):
            while server.left != ["/drip"]:
                await asyncio.sleep(0.01)  # the server notices at its next byte

    with_server(story)


# Before the first byte.


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def sent_alone(url, **fields):
    transport = HttpxTransport(SystemClock())
    try:
        return await transport.send(
            HttpRequest(method="POST", url=url, answer_within_s=SOON_S, **fields)
        )
    finally:
        await transport.aclose()


def test_a_refused_connection_proves_that_nothing_was_sent():
    fault = asyncio.run(sent_alone(f"http://127.0.0.1:{unused_port()}/order"))
    assert fault.kind is FaultKind.CONNECT_FAILED
    assert fault.kind.nothing_sent


def test_no_tls_at_the_other_end_proves_that_nothing_was_sent():
    async def say_hello(_, writer):
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async def story():
        server = await asyncio.start_server(say_hello, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await sent_alone(f"https://127.0.0.1:{port}/order")

    assert asyncio.run(story()).kind is FaultKind.CONNECT_FAILED


@pytest.mark.sockets
def test_a_pool_without_a_free_connection_is_our_own_limit():
    async def story(server, _):
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as client:
            transport = HttpxTransport(SystemClock(), client=client)
            first = asyncio.create_task(
                transport.send(request(server, "/hang", answer_within_s=1.0))
            )
            while not server.requests:
                await asyncio.sleep(0.01)
            fault = await transport.send(
                request(server, "/ok", connect_within_s=0.1, answer_within_s=0.1)
            )
            assert fault.kind is FaultKind.POOL_TIMEOUT
            await first
        assert [path for _, path, _, _ in server.requests] == ["/hang"]

    with_server(story)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("not a url", ()),
        ("http://", ()),
        ("ftp://127.0.0.1/", ()),
        ("http://exa\u2603mple\u0000/", ()),
        ("http://127.0.0.1/", (("X-MBX-APIKEY", "k\u200bey"),)),
    ],
    ids=["no scheme", "no host", "other scheme", "host", "key that is not ascii"],
)
def test_a_request_that_cannot_be_made_is_local_and_not_raised(url, headers):
    fault = asyncio.run(sent_alone(url, headers=headers))
    assert isinstance(fault, TransportFault)
    assert fault.kind is FaultKind.LOCAL
    assert "key" not in fault.detail


def test_a_closed_client_is_local():
    async def story(server, transport):
        await transport.aclose()
        fault = await transport.send(request(server, "/ok"))
        assert fault.kind is FaultKind.LOCAL
        assert "closed" in fault.detail
        assert server.requests == []

    with_server(story)


@pytest.mark.sockets
def test_a_client_that_is_closed_under_a_request_does_not_prove_that_nothing_was_sent():
    async def story(server, transport):
        sending = asyncio.create_task(transport.send(request(server, "/hang", answer_within_s=5)))
        while not server.requests:
            await asyncio.sleep(0.01)
        await transport.aclose()
        fault = await sending
        assert isinstance(fault, TransportFault)
        assert not fault.kind.nothing_sent

    with_server(story)


# The caller's own client.


def test_a_redirect_is_an_answer_even_where_the_callers_client_would_follow_it():
    """Followed, the order would be sent twice, and a bad target would look like "not sent"."""

    async def story(server, _):
        async with httpx.AsyncClient(follow_redirects=True) as client:
            reply = await HttpxTransport(SystemClock(), client=client).send(
                request(server, "/moved")
            )
        assert isinstance(reply, WireReply)
        assert reply.status == 307
        assert len(server.requests) == 1

    with_server(story)


def test_the_callers_client_stays_theirs_to_close():
    async def story():
        async with httpx.AsyncClient() as client:
            transport = transport_over(client, SystemClock())
            assert isinstance(transport, HttpxTransport)
            await transport.aclose()
            assert not client.is_closed
            assert transport_over(transport, SystemClock()) is transport

    asyncio.run(story())


def test_respx_works_over_it():
    async def story():
        with respx.mock(assert_all_called=True) as router:
            router.post("https://fapi.binance.com/fapi/v1/order").mock(
                return_value=httpx.Response(200, json={"orderId": 7})
            )
            router.get("https://fapi.binance.com/fapi/v1/time").mock(
                side_effect=httpx.ReadTimeout("mocked")
            )
            transport = HttpxTransport(SystemClock())
            placed = await transport.send(
                HttpRequest(method="POST", url="https://fapi.binance.com/fapi/v1/order")
            )
            asked = await transport.send(
                HttpRequest(method="GET", url="https://fapi.binance.com/fapi/v1/time")
            )
            await transport.aclose()
        assert isinstance(placed, WireReply)
        assert placed.body == b'{"orderId":7}'
        assert isinstance(asked, TransportFault)
        assert asked.kind is FaultKind.READ_TIMEOUT

    asyncio.run(story())


# The pool.


def call_desk(server, transport, clock):
    venue = codec("binance-um")
    journal = Journal(MemoryStore(), venue="binance-um", clock=clock, rng=random.Random(1))
    server_clock = ServerClock()
    guard = Guard(
        "binance-um",
        clock=clock,
        server_clock=server_clock,
        journal=journal,
        events=EventBus(10),
        rng=random.Random(2),
    )
    return CallDesk(
        venue,
        transport,
        base_url=server.url,
        credentials=Credentials("key", "secret"),
        clock=clock,
        server_clock=server_clock,
        guard=guard,
        admission=Admission(
            venue.limits(),
            clock=clock,
            server_seconds=clock.wall,
            slots=SlotSettings(reads=40),  # what is tried is the pool, not the bulkheads
        ),
        journal=journal,
        settings=Settings(),
        rng=random.Random(3),
    )


class Hanging(Server):
    """Answers nothing until it is told to."""

    async def _answer(self, path, reader, writer):
        return await super()._answer("/hang" if self.hang else "/ok", reader, writer)


@pytest.mark.sockets
@pytest.mark.parametrize("how", ["deadline", "cancelled"])
def test_callers_who_give_up_leave_a_client_that_answers_at_once(how):
    """encode/httpcore issue 1093: a cancelled request can keep its slot in the pool for ever.

    Twenty calls to a venue that hangs, over a pool of ten; their callers leave after a moment, by
    their deadline or by being cancelled. The requests run on to their own timeouts, and then the
    venue is back: ten calls at once must be answered at once.
    """

    async def story():
        async with Hanging().serving() as server:
            limits = httpx.Limits(max_connections=10)
            async with httpx.AsyncClient(limits=limits) as client:
                clock = SystemClock()
                desk = call_desk(server, HttpxTransport(clock, client=client), clock)
                ask = codec("binance-um").query_time()
                await give_up(desk, ask, clock)
                assert len(desk._in_flight) == 20
                assert server.left == []  # nobody hung up on the venue because a caller left
                server.hang = False
                await desk.drain()
                pool = client._transport._pool
                assert not pool._requests
                began = clock.now()
                replies = await asyncio.gather(*(desk.call(ask) for _ in range(10)))
                assert clock.now() - began < 5.0
                # The breaker may still be closed to some: those were not sent. None may hang.
                assert all(isinstance(r, WireReply) or not_sent(r) for r in replies)
                transport = HttpxTransport(clock, client=client)
                for _ in range(3):
                    now = [transport.send(request(server, "/ok")) for _ in range(10)]
                    assert all(isinstance(r, WireReply) for r in await asyncio.gather(*now))

    async def give_up(desk, ask, clock):
        quick = type(ask)(**{f: getattr(ask, f) for f in ask.__slots__} | {"answer_within_s": 0.5})
        if how == "deadline":
            calls = [desk.call(quick, deadline=clock.now() + 0.15) for _ in range(20)]
            for result in await asyncio.gather(*calls):
                assert isinstance(result, Failure)
                assert result.outcome is Outcome.UNKNOWN
        else:
            tasks = [asyncio.create_task(desk.call(quick)) for _ in range(20)]
            await asyncio.sleep(0.15)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert all(task.cancelled() for task in tasks)

    def not_sent(result):
        return result.outcome is Outcome.NOT_SENT

    asyncio.run(story())


def test_the_sender_hears_when_a_request_is_written_and_before_it_is_answered():
    async def story(server, transport):
        heard = []
        asked = request(server, "/ok", method="POST", body=b"nonce=1")
        asked = replace(asked, on_written=lambda: heard.append("written"))
        answer = await transport.send(asked)
        heard.append("answered")
        assert isinstance(answer, WireReply)
        return heard

    assert with_server(story) == ["written", "answered"]


@pytest.mark.parametrize(
    ("environment", "url", "goes"),
    [
        ({}, "https://fapi.binance.com", False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https://fapi.binance.com", True),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://127.0.0.1:8901", False),
        ({"ALL_PROXY": "http://proxy:3128"}, "http://127.0.0.1:8901", True),
        (
            {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "binance.com"},
            "https://fapi.binance.com",
            False,
        ),
    ],
)
def test_a_proxy_is_used_where_the_environment_names_one(monkeypatch, environment, url, goes):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert goes_by_proxy(url) is goes


def test_a_proxy_that_cannot_be_used_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "gopher://proxy:70")
    with pytest.raises(ConfigurationError, match="set NO_PROXY for the venue's host"):
        HttpxTransport(SystemClock())


def test_requests_pass_through_the_proxy_of_the_environment(monkeypatch):
    async def story(server, _):
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        transport = HttpxTransport(SystemClock())
        await transport.send(HttpRequest(method="GET", url="http://venue.example/ok"))
        await transport.aclose()
        assert server.requests[0][1] == "http://venue.example/ok"

    with_server(story)
