"""For bots on httpx: a transport that keeps bans, limits and breakers, and repeats only reads.

client = httpx.AsyncClient(transport=outlast.adapters.httpx.Transport("kraken-spot"))
client = httpx.Client(transport=outlast.adapters.httpx.Transport("kraken-spot"))
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import httpx

from outlast.adapters.ccxt.driving import AsyncDriver, Driver, SyncDriver
from outlast.adapters.crossing import HOLD_MAX_S, Crossing, Passage
from outlast.backends.http import kind_of
from outlast.errors import Failure
from outlast.wire import Clock, FaultKind

__all__ = ["HeldBack", "Transport", "Unreadable"]


class HeldBack(httpx.TransportError):
    """Nothing was sent: a ban, a limit or an open breaker. `failure` says which, and how long."""

    def __init__(self, failure: Failure, request: httpx.Request) -> None:
        super().__init__(f"not sent: {failure.describe()}", request=request)
        self.failure = failure
        self.retry_after_s = failure.retry_after_s


class Unreadable(httpx.TransportError):
    """A read was answered with success and without what was asked for: nothing is known."""

    def __init__(self, failure: Failure, request: httpx.Request) -> None:
        super().__init__(f"no usable answer: {failure.describe()}", request=request)
        self.failure = failure


class Transport(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """Takes the place of httpx's own transport, for `AsyncClient` and `Client` alike.

    The answer to a write is handed on as it came, whatever it is, and a write is sent once. A read
    is repeated up to three times, and raises `Unreadable` where its 200 has nothing in it.
    """

    def __init__(
        self,
        venue: str | None = None,
        *,
        journal: str | os.PathLike[str] | None = None,
        wrapped: httpx.AsyncBaseTransport | httpx.BaseTransport | None = None,
        seed: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`venue`: of `outlast.venues()`; None goes by HTTP alone. `journal` keeps the evidence.

        `wrapped` is the transport that sends; left out, httpx's own. `seed` and `clock` are for
        tests.

        Raises:
            ConfigurationError: no such venue, or the journal cannot be used.
        """
        self._async = AsyncDriver(clock)
        self._sync = SyncDriver(clock)
        self._crossing = Crossing(venue, clock=self._async.clock, journal=journal, seed=seed)
        self._wrapped = wrapped

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._wrapped is None:
            self._wrapped = httpx.AsyncHTTPTransport()
        inner = self._wrapped
        assert isinstance(inner, httpx.AsyncBaseTransport), "the wrapped transport is for Client"

        async def send() -> tuple[httpx.Response, bytes]:
            response = await inner.handle_async_request(request)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            try:
                return response, b"".join([part async for part in response.stream])
            finally:
                await response.stream.aclose()

        return await self._cross(self._async, request, send)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._wrapped is None:
            self._wrapped = httpx.HTTPTransport()
        inner = self._wrapped
        assert isinstance(inner, httpx.BaseTransport), "the wrapped transport is for AsyncClient"

        async def send() -> tuple[httpx.Response, bytes]:
            response = inner.handle_request(request)
            assert isinstance(response.stream, httpx.SyncByteStream)
            try:
                return response, b"".join(response.stream)
            finally:
                response.stream.close()

        answer: httpx.Response = self._sync.expose(self._cross)(self._sync, request, send)
        return answer

    async def aclose(self) -> None:
        self._crossing.close()
        if isinstance(self._wrapped, httpx.AsyncBaseTransport):
            await self._wrapped.aclose()

    def close(self) -> None:
        self._crossing.close()
        if isinstance(self._wrapped, httpx.BaseTransport):
            self._wrapped.close()

    async def _cross(
        self,
        driver: Driver,
        request: httpx.Request,
        send: Callable[[], Awaitable[tuple[httpx.Response, bytes]]],
    ) -> httpx.Response:
        crossing, passage = self._crossing, self._crossing.passage(request.method, str(request.url))
        while True:
            await self._take_leave(driver, passage, request)
            try:
                response, raw = await send()
            except (httpx.HTTPError, httpx.StreamError, OSError) as error:
                kind = kind_of(error) or FaultKind.CONNECTION_LOST
                failure = crossing.failed(passage, kind, type(error).__name__)
                wait_s = crossing.retry_in_s(passage, failure)
                if wait_s is None:
                    raise
            except BaseException:
                crossing.abandoned(passage)
                raise
            else:
                whole = httpx.Response(
                    response.status_code,
                    headers=response.headers,
                    stream=httpx.ByteStream(raw),
                    extensions=response.extensions,
                )
                read = httpx.Response(response.status_code, headers=response.headers, content=raw)
                judged = crossing.answered(
                    passage, response.status_code, dict(response.headers), _content(read)
                )
                wait_s = None if judged is None else crossing.retry_in_s(passage, judged)
                if judged is None or (wait_s is None and not _is_hollow(passage, response)):
                    return whole
                if wait_s is None:
                    raise Unreadable(judged, request)
            await driver.clock.sleep(wait_s)

    async def _take_leave(self, driver: Driver, passage: Passage, request: httpx.Request) -> None:
        give_up_at = driver.clock.now() + HOLD_MAX_S
        while (failure := self._crossing.held(passage)) is not None:
            wait_s = failure.retry_after_s
            if wait_s is None or driver.clock.now() + wait_s > give_up_at:
                raise HeldBack(failure, request)
            await driver.clock.sleep(max(wait_s, 0.001))
        self._crossing.leave(passage)


def _content(response: httpx.Response) -> bytes:
    """The body without its encoding; as it is where that is broken."""
    try:
        return response.content
    except httpx.DecodingError:
        return b""


def _is_hollow(passage: Passage, response: httpx.Response) -> bool:
    return not passage.is_write and 200 <= response.status_code < 300
