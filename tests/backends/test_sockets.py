"""Both WebSocket transports against a server of the websockets library, on real sockets."""

from __future__ import annotations

import asyncio
import http
import random
from typing import Any

import pytest
from websockets.asyncio.server import serve
from websockets.frames import Opcode
from websockets.server import ServerProtocol

from outlast.backends.sockets import WebsocketsTransport
from outlast.stream_wire import DialFault, Sent, SocketClosed, SocketTransport
from outlast.wire import FaultKind

pytestmark = pytest.mark.sockets


@pytest.fixture(params=["websockets", "picows"])
def transport(request) -> Any:
    if request.param == "websockets":
        return WebsocketsTransport
    pytest.importorskip("picows", reason="the extra [fast] is not installed")
    from outlast.backends.fast_sockets import PicowsTransport

    return PicowsTransport


class Heard:
    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.ended: list[SocketClosed] = []
        self.news = asyncio.Event()

    def message(self, data: bytes) -> None:
        self.messages.append(data)
        self.news.set()

    def closed(self, how: SocketClosed) -> None:
        self.ended.append(how)
        self.news.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.news.clear()
                await self.news.wait()


def told(transport, script, story, **options) -> None:
    async def main() -> None:
        async with serve(script, "127.0.0.1", 0, **options) as server:
            port = server.sockets[0].getsockname()[1]
            wire: SocketTransport = transport()
            heard = Heard()
            answer = await wire.dial(
                f"ws://127.0.0.1:{port}/ws",
                on_message=heard.message,
                on_closed=heard.closed,
                open_within_s=3,
            )
            await story(answer, heard)
            await wire.drain()

    asyncio.run(main())


async def echo(connection) -> None:
    async for message in connection:
        await connection.send(message)


def test_messages_go_both_ways_and_goodbyes_are_said(transport):
    async def story(socket, heard) -> None:
        assert socket.hand_over("one") is Sent.HANDED_OVER
        assert socket.hand_over(b"two") is Sent.HANDED_OVER
        await heard.until(lambda: len(heard.messages) == 2)
        assert heard.messages == [b"one", b"two"]
        socket.close()
        assert socket.hand_over("late") is Sent.NOTHING
        await heard.until(lambda: heard.ended)
        assert len(heard.ended) == 1

    told(transport, echo, story)


def test_pieces_come_as_one_message(transport):
    async def pieces(connection) -> None:
        await connection.send(iter(["a" * 70_000, "b", "c" * 10]))
        await connection.wait_closed()

    async def story(socket, heard) -> None:
        await heard.until(lambda: heard.messages)
        assert heard.messages == [b"a" * 70_000 + b"b" + b"c" * 10]
        socket.abort()
        await heard.until(lambda: heard.ended)

    told(transport, pieces, story)


def test_the_venue_s_goodbye_is_told_with_its_code(transport):
    async def bye(connection) -> None:
        await connection.close(1012, "restarting")

    async def story(socket, heard) -> None:
        await heard.until(lambda: heard.ended)
        assert heard.ended == [SocketClosed(1012, "restarting")]
        assert socket.hand_over("late") is Sent.NOTHING

    told(transport, bye, story)


def test_a_cut_connection_is_told_without_a_code(transport):
    async def cut(connection) -> None:
        connection.transport.abort()

    async def story(socket, heard) -> None:
        await heard.until(lambda: heard.ended)
        assert heard.ended[0].code is None

    told(transport, cut, story)


def test_an_answer_that_is_no_upgrade_is_a_fault_with_its_status(transport):
    def refuse(connection, request):
        response = connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "slow down\n")
        response.headers["Retry-After"] = "17"
        return response

    async def story(fault, heard) -> None:
        assert isinstance(fault, DialFault)
        assert fault.http_status == 429
        assert fault.retry_after_s == 17
        assert "429" in fault.describe()

    told(transport, echo, story, process_request=refuse)


def test_nobody_there_is_a_fault(transport):
    async def main() -> None:
        heard = Heard()
        fault = await transport().dial(
            "ws://127.0.0.1:1/ws",
            on_message=heard.message,
            on_closed=heard.closed,
            open_within_s=2,
        )
        assert isinstance(fault, DialFault)
        assert fault.kind is FaultKind.CONNECT_FAILED
        assert fault.http_status is None

    asyncio.run(main())


def test_a_redirect_is_not_followed(transport):
    def refuse(connection, request):
        response = connection.respond(http.HTTPStatus.FOUND, "")
        response.headers["Location"] = "ws://127.0.0.1:1/elsewhere"
        return response

    async def story(fault, heard) -> None:
        assert isinstance(fault, DialFault)
        assert fault.http_status == 302

    told(transport, echo, story, process_request=refuse)


class Dribbling:
    """Speaks through the library's own protocol, in pieces that end anywhere."""

    def __init__(self, seed: int, most: int) -> None:
        self.rng = random.Random(seed)
        self.most = most
        self.said: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol()
        protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        (request,) = protocol.events_received()
        protocol.send_response(protocol.accept(request))
        for number in range(150):
            size = self.rng.choice((0, 1, 125, 126, 127, 300, 65_535, 65_536, 70_000))
            text = bytes([97 + number % 26]) * size
            match self.rng.randrange(6):
                case 0:
                    protocol.send_text(text, fin=False)
                    protocol.send_ping(b"in between")
                    protocol.send_continuation(b"rest", fin=True)
                    self.said.append(text + b"rest")
                case 1:
                    protocol.send_ping(b"are you there")
                case 2:
                    protocol.send_binary(text)
                    self.said.append(text)
                case _:
                    protocol.send_text(text)
                    self.said.append(text)
        protocol.send_text(b"last")
        self.said.append(b"last")
        data = b"".join(protocol.data_to_send())
        at = 0
        while at < len(data):
            step = self.rng.choice((1, 2, 3, 7, self.rng.randrange(1, self.most)))
            writer.write(data[at : at + step])
            at += step
            if self.rng.random() < 0.3:
                await writer.drain()
                await asyncio.sleep(0)
        await writer.drain()
        await reader.read()
        writer.close()


@pytest.mark.parametrize("seed", range(6))
def test_frames_that_are_cut_anywhere_are_whole_messages(seed: int):
    async def main() -> None:
        venue = Dribbling(seed, 40_000 if seed % 2 else 400_000)
        server = await asyncio.start_server(venue.talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        wire, heard = WebsocketsTransport(), Heard()
        socket = await wire.dial(
            f"ws://127.0.0.1:{port}/ws",
            on_message=heard.message,
            on_closed=heard.closed,
            open_within_s=3,
        )
        assert not isinstance(socket, DialFault)
        await heard.until(lambda: b"last" in heard.messages)
        assert heard.messages == venue.said, f"seed {seed}"
        socket.abort()
        await wire.drain()
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [b"\x81\x85abcdabcde", b"\xf1\x01a", b"\x80\x01a"])
def test_frames_that_break_the_protocol_end_the_connection(wrong: bytes):
    async def main() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            protocol = ServerProtocol()
            protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
            (request,) = protocol.events_received()
            protocol.send_response(protocol.accept(request))
            protocol.send_text(b"fine")
            writer.write(b"".join(protocol.data_to_send()) + wrong)
            await reader.read()
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        wire, heard = WebsocketsTransport(), Heard()
        socket = await wire.dial(
            f"ws://127.0.0.1:{port}/ws",
            on_message=heard.message,
            on_closed=heard.closed,
            open_within_s=3,
        )
        assert not isinstance(socket, DialFault)
        await heard.until(lambda: heard.ended)
        assert heard.messages == [b"fine"]
        await wire.drain()
        server.close()

    asyncio.run(main())


def test_the_opcode_that_is_read_here_is_the_library_s():
    assert Opcode.TEXT | 0x80 == 0x81
