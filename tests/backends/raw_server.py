"""An HTTP server of raw bytes by path: each way an answer can be broken, written down as it is."""

import asyncio
import contextlib
import socket
import struct

from outlast.backends.http import BODY_BYTES_MAX
from outlast.wire import HttpRequest

SOON_S = 0.25
"""The read timeout of these tests; the server's pauses are far longer or far shorter."""


class Server:
    """Raw bytes by path, so that each way an answer can be broken is written down as it is."""

    def __init__(self):
        self.requests = []
        self.left = []  # paths whose client went away
        self.hang = True
        self.open = 0

    @contextlib.asynccontextmanager
    async def serving(self):
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    while self.open:  # until it has noticed that its clients are gone
                        await asyncio.sleep(0)

    async def _connection(self, reader, writer):
        self.open += 1
        path = ""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path = head.decode().split(" ")[:2]
                path = path.partition("?")[0]
                length = 0
                for line in head.decode().lower().splitlines():
                    if line.startswith("content-length:"):
                        length = int(line.partition(":")[2])
                body = await reader.readexactly(length)
                self.requests.append((method, path, body, head))
                if not await self._answer(path, reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.append(path)
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, path, reader, writer):
        def say(data):
            writer.write(data)

        def reset():
            option = struct.pack("ii", 1, 0)  # close with RST instead of FIN
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)

        match path:
            case "/hang" if self.hang:
                await reader.read()
                return False
            case "/empty":
                say(b"")
                return False
            case "/garbage":
                say(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
                return False
            case "/half-head":
                say(b"HTTP/1.1 200 OK\r\nContent-Le")
                return False
            case "/half-body":
                say(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{12345")
                return False
            case "/half-chunk":
                say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{123")
                return False
            case "/reset":
                reset()
                return False
            case "/reset-after-head":
                say(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{1")
                await writer.drain()
                reset()
                return False
            case "/stall-in-body":
                say(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{1")
                await reader.read()
                return False
            case "/drip":
                say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                for _ in range(1000):
                    say(b"x")
                    await writer.drain()
                    await asyncio.sleep(SOON_S / 10)
                return False
            case "/bad-gzip":
                say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")
            case "/endless":
                say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
                for _ in range(2 * BODY_BYTES_MAX // 2**20):
                    say(chunk)
                    await writer.drain()
                return False
            case "/moved":
                say(
                    b"HTTP/1.1 307 Moved\r\nLocation: gopher://elsewhere/\r\nContent-Length: 0\r\n"
                    b"\r\n"
                )
            case "/503":
                say(
                    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nX-MBX-USED-WEIGHT-1M: 9"
                    b"\r\nContent-Length: 13\r\n\r\n{'code':-1008"
                )
            case _:
                say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        return True


def request(server, path, method="POST", **fields):
    known = {"connect_within_s": 5.0, "answer_within_s": SOON_S, "body": b"symbol=BTCUSDT"}
    return HttpRequest(method=method, url=f"{server.url}{path}", **(known | fields))
