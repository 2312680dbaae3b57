"""For bots on aiohttp: a middleware that keeps bans, limits and breakers, and repeats only reads.

    guard = outlast.adapters.aiohttp.middleware("binance-um")
    session = aiohttp.ClientSession(middlewares=(guard,))

ccxt takes such a session as `session`; python-binance takes
`session_params={"middlewares": (guard,)}`.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import aiohttp

from outlast.adapters.ccxt.driving import AsyncDriver
from outlast.adapters.crossing import HOLD_MAX_S, Crossing, Passage
from outlast.adapters.faults import fault_kind
from outlast.errors import ConfigurationError, Failure
from outlast.wire import Clock

__all__ = ["HeldBack", "Middleware", "Unreadable", "middleware"]

Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


class HeldBack(aiohttp.ClientConnectionError):
    """Nothing was sent: a ban, a limit or an open breaker. `failure` says which, and how long."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"not sent: {failure.describe()}")
        self.failure = failure
        self.retry_after_s = failure.retry_after_s


class Unreadable(aiohttp.ClientPayloadError):
    """A read was answered with success and without what was asked for: nothing is known."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"no usable answer: {failure.describe()}")
        self.failure = failure


class Middleware:
    """Made by `middleware`; aiohttp calls it with each request."""

    def __init__(self, crossing: Crossing, clock: Clock) -> None:
        self._crossing = crossing
        self._clock = clock

    def close(self) -> None:
        """Let go of the journal; the session closes by itself."""
        self._crossing.close()

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: Handler
    ) -> aiohttp.ClientResponse:
        """Send one request, a read again where that helps.

        Raises:
            HeldBack: nothing was sent.
            Unreadable: a read got a 200 with nothing in it, three times.
            aiohttp.ClientError: as without the middleware.
        """
        crossing = self._crossing
        passage = crossing.passage(request.method, str(request.url))
        while True:
            await self._take_leave(passage)
            try:
                response = await handler(request)
                body = await response.read()
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                failure = crossing.failed(passage, fault_kind(error), type(error).__name__)
                wait_s = crossing.retry_in_s(passage, failure)
                if wait_s is None:
                    raise
            except BaseException:
                crossing.abandoned(passage)
                raise
            else:
                judged = crossing.answered(passage, response.status, response.headers, body)
                wait_s = None if judged is None else crossing.retry_in_s(passage, judged)
                is_hollow = not passage.is_write and 200 <= response.status < 300
                if judged is None or (wait_s is None and not is_hollow):
                    return response
                if wait_s is None:
                    raise Unreadable(judged)
            await self._clock.sleep(wait_s)

    async def _take_leave(self, passage: Passage) -> None:
        give_up_at = self._clock.now() + HOLD_MAX_S
        while (failure := self._crossing.held(passage)) is not None:
            wait_s = failure.retry_after_s
            if wait_s is None or self._clock.now() + wait_s > give_up_at:
                raise HeldBack(failure)
            await self._clock.sleep(max(wait_s, 0.001))
        self._crossing.leave(passage)


def middleware(
    venue: str | None = None,
    *,
    journal: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    clock: Clock | None = None,
) -> Middleware:
    """A middleware for `aiohttp.ClientSession(middlewares=(...,))`.

    Args:
        venue: of `outlast.venues()`; None goes by HTTP alone.
        journal: a file for the evidence; None keeps none.
        seed, clock: for tests.

    Raises:
        ConfigurationError: no such venue, the journal cannot be used, or aiohttp is too old.
    """
    if not hasattr(aiohttp, "ClientHandlerType"):
        raise ConfigurationError(
            f"aiohttp is {aiohttp.__version__}, which has no middlewares; install 3.12 or newer"
        )
    own = AsyncDriver(clock).clock
    return Middleware(Crossing(venue, clock=own, journal=journal, seed=seed), own)
