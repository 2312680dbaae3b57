"""Sends the answers of one connection as planned: whole, cut, dripping, or not at all.

h11 writes the heads and keeps the protocol's state; which bytes leave, and when, is decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from http import HTTPStatus

import h11

from outlast.mock.http.plans import (
    Answer,
    Deliver,
    Dribble,
    Hang,
    Refuse,
    ReplyPlan,
    Reset,
    ResetAt,
    Truncate,
)

__all__ = ["Sender"]

_CHUNK_BYTES = 64 * 1024
_DRIBBLE_STEPS_MAX = 1000


class Sender:
    """The writing half of a connection. `write_s`: a client that does not read so long is dropped.

    When the client is gone, or is dropped, whatever is being sent ends by `CancelledError`.
    """

    def __init__(
        self, transport: asyncio.Transport, http: h11.Connection, *, write_s: float
    ) -> None:
        self._transport = transport
        self._http = http
        self._write_s = write_s
        self._loop = asyncio.get_running_loop()
        self._writable: asyncio.Future[None] | None = None  # set while the client reads too slowly

    # -- what the transport tells -----------------------------------------------------------------

    def pause(self) -> None:
        """The transport holds enough: wait before writing more."""
        self._writable = self._loop.create_future()

    def resume(self) -> None:
        """The transport can take more."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # -- answers ----------------------------------------------------------------------------------

    async def carry_out(self, plan: ReplyPlan, *, head_only: bool) -> bool:
        """Do what the plan says; True when the whole answer has left."""
        if plan.latency_s > 0:
            await asyncio.sleep(plan.latency_s)
        delivery = plan.delivery
        if isinstance(delivery, Deliver):
            return await self.send(plan.answer, head_only=head_only, close=plan.close)
        if isinstance(delivery, Dribble):
            return await self._dribble(plan.answer, delivery, head_only=head_only)
        if isinstance(delivery, Hang):
            await asyncio.sleep(delivery.after_s)
            self.close()
        elif isinstance(delivery, Refuse):
            self.reset()
        elif isinstance(delivery, Reset):
            await self._send_and_reset(plan.answer, delivery.at)
        else:
            assert isinstance(delivery, Truncate)
            body = plan.answer.body
            await self._write(self._head(plan.answer) + body[: int(len(body) * delivery.share)])
            self.close()
        return False

    async def send(self, answer: Answer, *, head_only: bool = False, close: bool = False) -> bool:
        """Send a whole answer at once; False when it is one that cannot be whole."""
        bodiless = head_only or answer.status in (204, 304)
        if answer.status < 200 or (not bodiless and not _is_framed(answer)):
            # Wrong on purpose: h11 would not send it.
            await self._write(_head_as_it_stands(answer) + answer.body)
            self.close()
            return False
        head = self._head(answer, (("connection", "close"),) if close else ())
        body = b"" if bodiless else answer.body
        await self._write(head + (self._http.send(h11.Data(data=body)) or b""))
        await self._write(self._http.send(h11.EndOfMessage()) or b"")
        return True

    async def _send_and_reset(self, answer: Answer, at: ResetAt) -> None:
        if at is ResetAt.HEADERS:
            head = self._head(answer)
            await self._write(head[: len(head) // 2])
        elif at is ResetAt.BODY:
            await self._write(self._head(answer) + answer.body[: len(answer.body) // 2])
        self.reset()

    async def _dribble(self, answer: Answer, how: Dribble, *, head_only: bool) -> bool:
        bodiless = head_only or answer.status in (204, 304)
        body = b"" if bodiless else answer.body
        await self._write(self._head(answer))
        part = body[: len(body) // 2] if how.cut else body
        steps = max(1, min(len(part), _DRIBBLE_STEPS_MAX))
        began = self._loop.time()
        for step in range(steps):
            due = began + how.over_s * (step + 1) / steps
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            start, end = (len(part) * n // steps for n in (step, step + 1))
            await self._write(part[start:end])
        if how.cut or not _is_framed(answer):
            self.close()
            return False
        # The bytes have left; h11 is told, so that the connection can be kept.
        self._http.send(h11.Data(data=body))
        self._http.send(h11.EndOfMessage())
        return True

    # -- bytes ------------------------------------------------------------------------------------

    def _head(self, answer: Answer, extra: tuple[tuple[str, str], ...] = ()) -> bytes:
        headers = [*answer.headers, *extra]
        if _declared_length(answer) is None and answer.status not in (204, 304):
            headers.append(("content-length", str(len(answer.body))))
        response = h11.Response(
            status_code=answer.status, headers=headers, reason=_reason(answer.status)
        )
        return self._http.send(response) or b""

    async def _write(self, data: bytes) -> None:
        """Hand `data` to the network in pieces, waiting for a client that reads slowly."""
        view = memoryview(data)
        for start in range(0, len(view), _CHUNK_BYTES):
            if self._transport.is_closing():
                raise asyncio.CancelledError
            self._transport.write(view[start : start + _CHUNK_BYTES])
            if self._writable is None:
                continue
            try:
                async with asyncio.timeout(self._write_s):
                    await asyncio.shield(self._writable)
            except TimeoutError:
                self._transport.abort()
                raise asyncio.CancelledError from None

    # -- ending -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End the connection when what was written has left."""
        self._transport.close()

    def reset(self) -> None:
        """End the connection with RST instead of FIN, where there is a socket to do it with."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):  # the client was faster
                linger = struct.pack("ii", 1, 0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()


def _declared_length(answer: Answer) -> str | None:
    """The content-length that the answer itself names, whatever it is worth."""
    return next((value for name, value in answer.headers if name.lower() == "content-length"), None)


def _is_framed(answer: Answer) -> bool:
    """True unless the answer names a content-length that is not that of its body."""
    return _declared_length(answer) in (None, str(len(answer.body)))


def _reason(status: int) -> bytes:
    """The standard phrase, which some clients put into their errors; a CDN's own has none."""
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def _head_as_it_stands(answer: Answer) -> bytes:
    reason = _reason(answer.status).decode()
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{n}: {v}" for n, v in answer.headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
