"""WebSockets by the `websockets` library; each message is handed on in the call that brings it.

The library's own queue and its waiting reader are passed by: what has arrived together is worked
off together, and a listener that is slow is felt where it should be, in the buffers of the network.

Whole text messages in one frame, which is all that the venues' streams send but for pings, are read
here, in a few lines; every other frame goes to the library, whole. That more than halves the cost.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import weakref
from typing import Any, Final, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Event

from outlast.backends.dialling import dial_fault
from outlast.backends.http import tls_context
from outlast.backends.log_secrets import hide_debug
from outlast.stream_wire import DialFault, OnClosed, OnMessage, Sent, SocketClosed
from outlast.wire import FaultKind

__all__ = ["WebsocketsSocket", "WebsocketsTransport"]

_logger: Final = logging.getLogger("outlast.sockets")
"""The library's words go where ours go: nowhere until the application configures logging."""
hide_debug(_logger)

MESSAGE_BYTES_MAX: Final = 16 * 2**20
"""Kraken's first message about all instruments is the largest we know of, below 2 MB."""
UNSENT_BYTES_MAX: Final = 256 * 1024
"""Hundreds of orders: who is that far behind should not be given another."""
PING_EVERY_S: Final = 10.0
PONG_WITHIN_S: Final = 8.0
"""A half-open connection is found within 18 s. Binance counts pings: 0.1 of its 5 a second."""
GOODBYE_WITHIN_S: Final = 2.0
_HEAD_END: Final = b"\r\n\r\n"
_WHOLE_TEXT: Final = 0x81
"""The first byte of a frame that is the first and the last of a text message."""


class WebsocketsTransport:
    """The `SocketTransport` port. A proxy that the environment names is used."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()

    async def drain(self) -> None:
        for connection in list(self._open):
            await connection.wait_closed()

    async def dial(
        self, url: str, *, on_message: OnMessage, on_closed: OnClosed, open_within_s: float
    ) -> WebsocketsSocket | DialFault:
        options: dict[str, Any] = {}
        try:
            if url.startswith("wss:"):
                options["ssl"] = tls_context()
            dialling = _Connect(
                url,
                create_connection=cast(
                    "type[ClientConnection]",
                    functools.partial(_Connection, on_message=on_message, on_closed=on_closed),
                ),
                compression=None,  # inflating costs more than the bytes that it saves
                open_timeout=open_within_s,
                ping_interval=PING_EVERY_S,
                ping_timeout=PONG_WITHIN_S,
                close_timeout=GOODBYE_WITHIN_S,
                max_size=MESSAGE_BYTES_MAX,
                logger=_logger,
                **options,
            )
            connection = cast("_Connection", await dialling)
        except InvalidStatus as error:
            return DialFault(
                kind=FaultKind.PROTOCOL_ERROR,
                detail=f"HTTP {error.response.status_code}",
                http_status=error.response.status_code,
                retry_after_s=_retry_after_s(error),
            )
        except TimeoutError:
            return DialFault(kind=FaultKind.CONNECT_TIMEOUT, detail=f"{open_within_s:g} s")
        except InvalidURI as error:
            return DialFault(kind=FaultKind.LOCAL, detail=type(error).__name__)
        except InvalidHandshake as error:  # TLS and upgrade went wrong half-way
            return DialFault(kind=FaultKind.PROTOCOL_ERROR, detail=type(error).__name__)
        except (OSError, EOFError, WebSocketException) as error:
            return DialFault(kind=dial_fault(error), detail=type(error).__name__)
        self._open.add(connection)
        connection.begin()
        return WebsocketsSocket(connection)


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Never followed: what was asked of one address is not for another."""
        return exc


class _Connection(ClientConnection):
    """The library's connection, with a listener where its queue was."""

    def __init__(
        self, *args: Any, on_message: OnMessage, on_closed: OnClosed, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._on_message = on_message
        self._on_closed: OnClosed | None = on_closed
        self._parts: list[bytes] = []
        self._unread = bytearray()
        """The beginning of a frame whose rest has not come."""
        self._frames_by_library = False
        """Where a frame begins is not known here any more."""
        self._cutting: asyncio.TimerHandle | None = None
        self._is_begun = False
        self._ended: SocketClosed | None = None

    def begin(self) -> None:
        """The handshake is done: from here on its end is told to the listener."""
        self._is_begun = True
        if self._ended is not None:
            self._tell(self._ended)

    # The library calls these.

    def process_event(self, event: Event) -> None:
        if self.response is not None and isinstance(event, Frame):
            opcode = event.opcode
            if opcode is Opcode.TEXT or opcode is Opcode.BINARY or opcode is Opcode.CONT:
                if event.fin and not self._parts:
                    self._on_message(bytes(event.data))
                else:
                    self._parts.append(bytes(event.data))
                    if event.fin:
                        whole, self._parts = b"".join(self._parts), []
                        self._on_message(whole)
                return
        super().process_event(event)

    def data_received(self, data: bytes) -> None:
        if self._frames_by_library:
            self._give_to_library(data)
        elif self.response is not None:
            self._read_frames(data)
        else:
            # The answer to the handshake ends with an empty line; frames may follow at once.
            head, end, rest = data.partition(_HEAD_END)
            self._give_to_library(head + end)
            if not end or not self._is_open():
                self._frames_by_library = self._is_open() or bool(rest)
                if rest:
                    self._give_to_library(rest)
            elif rest:
                self._read_frames(rest)

    def _read_frames(self, data: bytes) -> None:
        """Hand on whole messages of one frame each; give every other frame to the library.

        Source: RFC 6455, 5.2. The venue's frames are not masked.
        """
        if self._unread:
            self._unread += data
            data = bytes(self._unread)
            self._unread.clear()
        at, end = 0, len(data)
        while end - at >= 2:
            size, begin = data[at + 1], at + 2
            if size > 125:
                wide = 2 if size == 126 else 8
                begin += wide
                if size > 127 or begin > end:  # masked, which is wrong; or not all of the size
                    break
                size = int.from_bytes(data[at + 2 : begin], "big")
            stop = begin + size
            if stop > end and size <= MESSAGE_BYTES_MAX:
                break
            if data[at] == _WHOLE_TEXT and stop <= end and not self._parts and self._is_open():
                self._on_message(data[begin:stop])
            else:
                self._give_to_library(data[at:stop])  # too large a one too: it ends the connection
                if stop > end:
                    self._frames_by_library = True
                    return
            at = stop
        if at < end:
            if data[at + 1 : at + 2] >= b"\x80":
                self._frames_by_library = True
                self._give_to_library(data[at:])
            else:
                self._unread += data[at:]

    def _is_open(self) -> bool:
        return self.protocol.state is OPEN

    def _give_to_library(self, data: bytes) -> None:
        super().data_received(data)
        if self._cutting is None and self.protocol.close_expected():
            # The venue said goodbye. Nobody waits in `recv` here, so this waits for it to hang up.
            self._cut_later()
            if self.response is not None:
                self._over("")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._cutting is not None:
            self._cutting.cancel()
        self._over("" if exc is None else f"{type(exc).__name__}: {exc}")

    # The socket calls these.

    def hand_over(self, data: bytes | str) -> Sent:
        if self.protocol.state is not OPEN or self.transport.is_closing():
            return Sent.NOTHING
        if self.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            return Sent.NOTHING
        self.protocol.send_text(data.encode() if isinstance(data, str) else data)
        self.send_data()
        return Sent.HANDED_OVER

    def say_goodbye(self) -> None:
        if self.protocol.state is OPEN:
            self.protocol.send_close(1000)
            self.send_data()
        self._cut_later()

    def cut(self) -> None:
        self.transport.abort()

    # Inside.

    def _cut_later(self) -> None:
        if self._cutting is None:
            self._cutting = self.loop.call_later(GOODBYE_WITHIN_S, self.transport.abort)

    def _over(self, detail: str) -> None:
        goodbye = self.protocol.close_rcvd
        if goodbye is None:
            ended = SocketClosed(None, detail)
        else:
            ended = SocketClosed(goodbye.code, goodbye.reason)
        if self._is_begun:
            self._tell(ended)
        else:
            self._ended = self._ended or ended

    def _tell(self, ended: SocketClosed) -> None:
        if self._on_closed is not None:
            listener, self._on_closed = self._on_closed, None
            listener(ended)


class WebsocketsSocket:
    """The `Socket` port over one of these connections."""

    __slots__ = ("_connection", "hand_over")

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self.hand_over = connection.hand_over

    def close(self) -> None:
        self._connection.say_goodbye()

    def abort(self) -> None:
        self._connection.cut()


def _retry_after_s(error: InvalidStatus) -> float | None:
    text = error.response.headers.get("Retry-After")
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:  # a date: rare, and the ban's default is long
        return None
