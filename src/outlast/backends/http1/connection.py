"""One connection, and the exchange that goes on over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import h11

from outlast.backends.http import BODY_BYTES_MAX
from outlast.backends.http1.messages import HEAD_BYTES_MAX, TOO_LONG, Answer, Broken, whole
from outlast.wire import Clock, FaultKind, HttpRequest

__all__ = ["Connection"]

READ_BYTES: Final = 256 * 1024
"""At a time, for each connection; what is never filled takes no memory."""


class Connection(asyncio.BufferedProtocol):
    """One connection: one exchange at a time."""

    def __init__(self, clock: Clock) -> None:
        self.idle_since = clock.now()
        self._clock = clock
        self._http: h11.Connection | None = None
        """Reads the answer that is coming in, where `whole` cannot."""
        self._method = ""
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._transport: asyncio.Transport | None = None
        self._tell: Callable[[Answer | Broken], None] | None = None
        """Hears how the exchange ends that is going on, once; None between two of them."""
        self._timer: asyncio.TimerHandle | None = None
        """Goes on between exchanges: most find it running, and need none of their own."""
        self._timer_at = 0.0
        self._answer_within_s = 0.0
        self._heard_at = self._last_at = 0.0
        self._response: h11.Response | None = None
        self._body = bytearray()
        self._has_ended = False
        """The other end has said that nothing more comes."""
        self._is_lost = False
        self._is_spoilt = False
        """More came in than was asked for."""

    # For the transport above.

    @property
    def is_usable(self) -> bool:
        """Nothing has come in and nobody has gone since the last answer."""
        return not (self._is_lost or self._is_spoilt or self._has_ended)

    async def exchange(self, head: bytes, request: HttpRequest, *, last_at: float) -> Answer:
        """Write one request and wait for its answer.

        Raises:
            Broken: there is no complete answer. The connection cannot be used again.
        """
        ended: asyncio.Future[Answer | Broken] = asyncio.get_running_loop().create_future()

        def tell(outcome: Answer | Broken) -> None:
            if not ended.done():  # by its caller, who was cancelled in this very turn
                ended.set_result(outcome)

        self.start(head, request, tell, last_at=last_at)
        try:
            outcome = await ended
        finally:
            self._tell = None
        if isinstance(outcome, Broken):
            raise outcome
        return outcome

    def start(
        self,
        head: bytes,
        request: HttpRequest,
        tell: Callable[[Answer | Broken], None],
        *,
        last_at: float,
    ) -> None:
        """Write one request; `tell` hears later, and once, how its exchange ended."""
        assert self._transport is not None
        self._method = request.method
        self._tell = tell
        self._answer_within_s, self._last_at = request.answer_within_s, last_at
        self._heard_at = self._clock.now()
        self._transport.write(head + request.body)
        if request.on_written is not None:
            request.on_written()
        self._watch(self._heard_at + request.answer_within_s)

    def make_ready(self) -> bool:
        """Prepare for the next exchange; False where this was the last one."""
        http, self._http = self._http, None
        if not self.is_usable or (http is not None and http.trailing_data[0]):
            return False
        if http is not None:
            try:
                http.start_next_cycle()
            except h11.LocalProtocolError:  # one side has said that it closes
                return False
        return True

    def close(self) -> None:
        if self._transport is not None and not self._is_lost:
            self._transport.abort()

    # For asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """One buffer for all answers: asyncio would map and unmap 256 KiB for each."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take what came in; by itself where the loop gives bytes, as a simulated one does."""
        if self._tell is None:
            # Nothing was asked: whatever this is (a 408, mostly), it answers no request of ours.
            self._is_spoilt = True
            self.close()
            return
        self._heard_at = self._clock.now()
        if self._heard_at > self._last_at:
            self._break(FaultKind.READ_TIMEOUT, "the answer was still dripping in")
            return
        answer = whole(data) if self._http is None else None
        if answer is not None:
            self._end(answer)
        else:
            self._read_on(data)

    def eof_received(self) -> None:
        self._has_ended = True
        if self._tell is not None:
            self._read_on(b"")

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        if self._tell is not None:
            said = (
                "closed by the other end" if error is None else f"{type(error).__name__}: {error}"
            )
            self._break(FaultKind.CONNECTION_LOST, said)

    # Within.

    def _read_on(self, data: bytes) -> None:
        """Read by h11, from the beginning of an answer or further."""
        if self._http is None:
            self._response, self._body = None, bytearray()
            self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
            # All that the reading of an answer depends on is the method.
            self._http.send(h11.Request(method=self._method, target="/", headers=[("Host", "x")]))
            self._http.send(h11.EndOfMessage())
        self._http.receive_data(data)
        while self._tell is not None:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                cut = self._has_ended
                kind = FaultKind.CONNECTION_LOST if cut else FaultKind.PROTOCOL_ERROR
                self._break(kind, f"{type(error).__name__}: {error}")
                return
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Response):
                self._response = event
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > BODY_BYTES_MAX:
                    self._break(FaultKind.PROTOCOL_ERROR, TOO_LONG)
                    return
            elif isinstance(event, h11.EndOfMessage):
                assert self._response is not None  # h11 gives no end without a beginning
                headers = {
                    name.decode("ascii", "replace"): value.decode("latin-1")
                    for name, value in self._response.headers
                }
                status = self._response.status_code
                self._end(Answer(status, headers, bytes(self._body)))
                return
            elif isinstance(event, h11.ConnectionClosed):
                self._break(FaultKind.CONNECTION_LOST, "closed by the other end")
                return

    def _watch(self, at: float) -> None:
        """See to it that `_look_at_the_clock` is called at `at`, or sooner."""
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        left_s = at - self._clock.now()
        self._timer = asyncio.get_running_loop().call_later(left_s, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        """The read timeout: so long since the last byte, or since the request was written."""
        self._timer = None
        if self._tell is None:
            return
        ends_at = self._heard_at + self._answer_within_s
        if self._clock.now() < ends_at:
            self._watch(ends_at)
            return
        self._break(FaultKind.READ_TIMEOUT, f"nothing came in for {self._answer_within_s:g} s")

    def _break(self, kind: FaultKind, detail: str) -> None:
        self._end(Broken(kind, detail))

    def _end(self, outcome: Answer | Broken) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(outcome)
