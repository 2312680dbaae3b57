"""WebSockets by picows (`pip install 'outlast[fast]'`), for whoever wants its parser in C.

A parser in C on the socket of the machine, so it does not run in the simulation. What is said about
`backends.sockets` holds here too.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import Any, Final

from outlast.backends.dialling import dial_fault
from outlast.backends.http import tls_context
from outlast.backends.sockets import (
    GOODBYE_WITHIN_S,
    MESSAGE_BYTES_MAX,
    PING_EVERY_S,
    PONG_WITHIN_S,
    UNSENT_BYTES_MAX,
)
from outlast.errors import ConfigurationError
from outlast.stream_wire import DialFault, OnClosed, OnMessage, Sent, SocketClosed
from outlast.wire import FaultKind

try:
    import picows
except ImportError as error:
    raise ConfigurationError(
        "fast_sockets needs the package picows; install it (pip install 'outlast[fast]'), or leave "
        "Settings.fast_sockets out"
    ) from error

__all__ = ["PicowsTransport"]

_TEXT: Final = picows.WSMsgType.TEXT
_DATA: Final = frozenset(
    {picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION}
)


class PicowsTransport:
    """The `SocketTransport` port. Proxies of the environment are not used."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[_Listener] = weakref.WeakSet()

    async def dial(
        self, url: str, *, on_message: OnMessage, on_closed: OnClosed, open_within_s: float
    ) -> PicowsSocket | DialFault:
        listener = _Listener(on_message, on_closed)
        try:
            async with asyncio.timeout(open_within_s):
                transport, _ = await picows.ws_connect(
                    lambda *_: listener,
                    url,
                    ssl_context=tls_context() if url.startswith("wss:") else None,
                    disconnect_on_exception=True,
                    websocket_handshake_timeout=open_within_s,
                    logger_name="outlast.sockets",
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=PING_EVERY_S,
                    auto_ping_reply_timeout=PONG_WITHIN_S,
                    max_frame_size=MESSAGE_BYTES_MAX,
                    max_redirects=0,
                )
        except TimeoutError:
            return DialFault(kind=FaultKind.CONNECT_TIMEOUT, detail=f"{open_within_s:g} s")
        except picows.WSError as error:
            answer = getattr(error, "response", None)
            status = None if answer is None else int(answer.status)
            return DialFault(
                kind=FaultKind.PROTOCOL_ERROR,
                detail=type(error).__name__,
                http_status=status,
                retry_after_s=_retry_after_s(answer),
            )
        except ValueError as error:
            return DialFault(kind=FaultKind.LOCAL, detail=type(error).__name__)
        except OSError as error:
            return DialFault(kind=dial_fault(error), detail=type(error).__name__)
        self._open.add(listener)
        listener.begin()
        return PicowsSocket(transport)

    async def drain(self) -> None:
        for listener in list(self._open):
            await listener.gone.wait()


class _Listener(picows.WSListener):  # type: ignore[misc]  # picows may not be there
    def __init__(self, on_message: OnMessage, on_closed: OnClosed) -> None:
        self._on_message = on_message
        self._on_closed: OnClosed | None = on_closed
        self._parts: list[bytes] = []
        self._is_begun = False
        self._ended: SocketClosed | None = None
        self.gone = asyncio.Event()

    def begin(self) -> None:
        self._is_begun = True
        if self._ended is not None:
            self._tell(self._ended)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type is _TEXT and frame.fin:
            self._on_message(frame.get_payload_as_bytes())
        elif frame.msg_type in _DATA:
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                whole, self._parts = b"".join(self._parts), []
                self._on_message(whole)
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            code = frame.get_close_code()
            self._over(SocketClosed(int(getattr(code, "value", code)), _reason(frame)))
            transport.send_close(code)
            transport.disconnect()

    def on_ws_disconnected(self, transport: Any) -> None:
        self._over(SocketClosed(None, ""))
        self.gone.set()

    def _over(self, ended: SocketClosed) -> None:
        if self._is_begun:
            self._tell(ended)
        else:
            self._ended = self._ended or ended

    def _tell(self, ended: SocketClosed) -> None:
        if self._on_closed is not None:
            listener, self._on_closed = self._on_closed, None
            listener(ended)


class PicowsSocket:
    """The `Socket` port over one of these connections."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def hand_over(self, data: bytes | str) -> Sent:
        transport = self._transport
        if transport.is_disconnected or transport.is_close_frame_sent:
            return Sent.NOTHING
        below = transport.underlying_transport
        if below.is_closing() or below.get_write_buffer_size() > UNSENT_BYTES_MAX:
            return Sent.NOTHING
        transport.send(_TEXT, data.encode() if isinstance(data, str) else data)
        return Sent.HANDED_OVER

    def close(self) -> None:
        if not self._transport.is_disconnected:
            with contextlib.suppress(OSError):  # it is going anyway
                self._transport.send_close()
            asyncio.get_running_loop().call_later(GOODBYE_WITHIN_S, self.abort)

    def abort(self) -> None:
        self._transport.disconnect(graceful=False)


def _reason(frame: Any) -> str:
    return str(frame.get_close_reason() or "")


def _retry_after_s(answer: Any) -> float | None:
    text = None if answer is None else answer.headers.get("Retry-After")
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:  # a date
        return None
