"""One WebSocket connection, after its handshake: frames by `websockets`' protocol without I/O.

The HTTP server reads the upgrade request and hands the transport over (`HttpConnection`). Nothing
waits here: what arrives is told to a listener at once, what is sent is handed to the transport, and
who sends watches `unsent_bytes`.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from outlast.mock.http.plans import HttpMessage

__all__ = ["LinkListener", "WebSocketLink"]

_CLOSING_S: Final = 10.0
"""The peer has this long to answer a close frame; then the connection is cut."""
_PONG: Final = 0x80 | Opcode.PONG
"""First byte of a whole pong frame."""


class LinkListener(Protocol):
    """Who is told what arrives on a link."""

    def text_received(self, text: str) -> None: ...

    def ping_received(self) -> None: ...

    def pong_received(self, payload: bytes) -> None: ...

    def link_lost(self) -> None:
        """The connection is gone, whoever ended it; told once."""


class WebSocketLink:
    """Speaks WebSocket on a transport that an HTTP connection has given away.

    `answers_pings` False leaves the peer's pings unanswered.
    """

    def __init__(
        self, transport: asyncio.Transport, message: HttpMessage, *, message_bytes_max: int
    ) -> None:
        """Answer the handshake; `is_open` says whether it was one."""
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._listener: LinkListener | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._parts: list[bytes] | None = None  # of a message that comes in fragments
        self.answers_pings = True
        handshake = ServerProtocol()
        response = handshake.accept(_request(message))
        handshake.send_response(response)
        transport.write(b"".join(handshake.data_to_send()))
        self._accepted = response.status_code == 101
        # The request has been read by the HTTP server: this one begins behind it.
        self._frames = ServerProtocol(state=State.OPEN, max_size=message_bytes_max)
        if not self._accepted:
            transport.close()

    @property
    def is_open(self) -> bool:
        return (
            self._accepted and self._frames.state is State.OPEN and not self._transport.is_closing()
        )

    @property
    def unsent_bytes(self) -> int:
        """What the peer has not taken yet."""
        return self._transport.get_write_buffer_size()

    def listen(self, listener: LinkListener, trailing: bytes) -> None:
        """Tell `listener` what arrives; `trailing` came together with the handshake."""
        self._listener = listener
        if trailing:
            self.data_received(trailing)

    # -- out --------------------------------------------------------------------------------------

    def send_text(self, text: str) -> bool:
        """Send one message; False when the connection does not take any more."""
        if not self.is_open:
            return False
        self._frames.send_text(text.encode("utf-8", "surrogatepass"))
        self._flush()
        return True

    def ping(self, payload: bytes) -> None:
        if self.is_open:
            self._frames.send_ping(payload)
            self._flush()

    def close(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake; 1006 is no code to send: the connection is just cut."""
        if code == CloseCode.ABNORMAL_CLOSURE:
            self.cut()
        elif self.is_open:
            if code == CloseCode.NO_STATUS_RCVD:
                self._frames.send_close()
            else:
                self._frames.send_close(code, reason)
            self._flush()

    def cut(self) -> None:
        """End the connection without a close frame; what was sent before still leaves."""
        self._transport.close()

    def abort(self) -> None:
        """End the connection now; what has not left is dropped."""
        self._transport.abort()

    # -- in, from the HTTP connection -------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not self._accepted or self._transport.is_closing():
            return
        self._frames.receive_data(data)
        self._flush()
        for event in self._frames.events_received():
            assert isinstance(event, Frame)
            self._take(event)

    def connection_lost(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.link_lost()

    def _take(self, frame: Frame) -> None:
        listener = self._listener
        if listener is None or not self.is_open:
            return
        if frame.opcode is Opcode.PING:
            listener.ping_received()
        elif frame.opcode is Opcode.PONG:
            listener.pong_received(bytes(frame.data))
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if self._parts is None:
                self._parts = []
            self._parts.append(bytes(frame.data))
            if frame.fin:
                whole, self._parts = b"".join(self._parts), None
                self._take_message(listener, whole)

    def _take_message(self, listener: LinkListener, whole: bytes) -> None:
        try:
            text = whole.decode()
        except UnicodeDecodeError:
            self.close(CloseCode.INVALID_DATA, "not UTF-8")
            return
        listener.text_received(text)

    def _flush(self) -> None:
        """Hand to the transport what the protocol has written, frame by frame."""
        for piece in self._frames.data_to_send():
            if not piece:  # the protocol is done: end of stream
                self._transport.close()
            elif piece[0] != _PONG or self.answers_pings:
                self._transport.write(piece)
        if self._closing is None and self._frames.state is not State.OPEN:
            self._closing = self._loop.call_later(_CLOSING_S, self._transport.abort)


def _request(message: HttpMessage) -> Request:
    headers = Headers()
    for name, values in message.headers.items():
        for value in values:
            headers[name] = value
    return Request(message.target, headers)
