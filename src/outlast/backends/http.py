"""HTTP by httpx. One request in, one complete reply or one fault out; nothing is raised.

Nothing in here cancels a request that is under way: a cancelled httpx request can leak its slot in
the connection pool for ever (encode/httpcore issue 1093), in an outage all of them. A request ends
by httpx's own timeouts, or, where an answer drips in byte by byte, by closing the response between
two chunks. Callers who cannot wait stop waiting; they do not cancel.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from outlast.backends.dialling import dial_fault
from outlast.backends.log_secrets import hide_queries
from outlast.backends.pool_watch import PoolWatch
from outlast.errors import ConfigurationError
from outlast.wire import (
    Clock,
    FaultKind,
    HttpRequest,
    HttpTransport,
    TransportFault,
    WireReply,
)

__all__ = ["HttpxTransport", "goes_by_proxy", "kind_of", "transport_over"]

hide_queries(logging.getLogger("httpx"))

BODY_BYTES_MAX: Final = 32 * 2**20
"""USD-M's exchangeInfo is the largest answer that we ask for, about 2 MB."""

CONNECTIONS_MAX: Final = 32
KEEPALIVE_S: Final = 120.0
"""httpx's default of 5 s would make most orders pay for a new TLS connection."""

_KINDS: Final[tuple[tuple[type[Exception], FaultKind], ...]] = (
    # The first class that fits decides, so subclasses come before their bases.
    (httpx.ConnectTimeout, FaultKind.CONNECT_TIMEOUT),
    (httpx.PoolTimeout, FaultKind.POOL_TIMEOUT),
    (httpx.ReadTimeout, FaultKind.READ_TIMEOUT),
    (httpx.WriteTimeout, FaultKind.WRITE_FAILED),
    (httpx.ConnectError, FaultKind.CONNECT_FAILED),
    (httpx.ProxyError, FaultKind.CONNECT_FAILED),  # the proxy refused: the venue saw nothing
    (httpx.WriteError, FaultKind.WRITE_FAILED),
    (httpx.ReadError, FaultKind.CONNECTION_LOST),
    (httpx.CloseError, FaultKind.CONNECTION_LOST),
    (httpx.UnsupportedProtocol, FaultKind.LOCAL),
    (httpx.InvalidURL, FaultKind.LOCAL),
    # What is left may have happened after the first byte was written: never "not sent".
    (httpx.HTTPError, FaultKind.PROTOCOL_ERROR),
    (httpx.StreamError, FaultKind.PROTOCOL_ERROR),
    (httpx.CookieConflict, FaultKind.PROTOCOL_ERROR),
    (OSError, FaultKind.CONNECTION_LOST),
)


def kind_of(error: Exception) -> FaultKind | None:
    """What an exception of the HTTP library means; None for one that is not the network's doing."""
    for error_type, kind in _KINDS:
        if isinstance(error, error_type):
            return kind
    return None


@cache
def tls_context() -> ssl.SSLContext:
    """One for the process: building it takes longer than a request (50 ms of CPU)."""
    return httpx.create_ssl_context()


def goes_by_proxy(url: str) -> bool:
    """True where the environment names a proxy for what is behind `url`.

    HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the system's settings, as Python reads them.
    """
    parts, proxies = urlsplit(url), getproxies()
    is_named = parts.scheme in proxies or "all" in proxies
    return is_named and not proxy_bypass(parts.netloc)


def transport_over(http: httpx.AsyncClient | HttpTransport, clock: Clock) -> HttpTransport:
    """The caller's own client or transport behind our port; it stays theirs to close."""
    return HttpxTransport(clock, client=http) if isinstance(http, httpx.AsyncClient) else http


def _traced(on_written: Callable[[], None] | None) -> dict[str, Any] | None:
    """The extension by which httpcore tells that the request is written."""
    if on_written is None:
        return None

    async def trace(event: str, _: object) -> None:
        if event.endswith("send_request_body.complete"):
            on_written()

    return {"trace": trace}


class HttpxTransport:
    """The `HttpTransport` port over an `httpx.AsyncClient`, ours or the caller's own.

    A pool that lets nobody in any more is reported to `on_stuck`. One of ours is replaced. The
    caller's own is not: it may lead through their proxy, by their address. What would only wait for
    it in vain fails at once then, and was not sent.
    """

    def __init__(self, clock: Clock, *, client: httpx.AsyncClient | None = None) -> None:
        self._clock = clock
        self._owned = client is None
        self._client = client if client is not None else self._new_client()
        self._replaced: list[httpx.AsyncClient] = []
        self._watch = PoolWatch()
        self.on_stuck: Callable[[str], None] = lambda _: None
        """Hears, in one sentence, of a pool that is stuck."""

    @staticmethod
    def _new_client() -> httpx.AsyncClient:
        limits = httpx.Limits(
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=CONNECTIONS_MAX,
            keepalive_expiry=KEEPALIVE_S,
        )
        try:
            # By itself it takes the proxies that the environment names, and repeats nothing.
            return httpx.AsyncClient(verify=tls_context(), limits=limits, follow_redirects=False)
        except (ImportError, ValueError) as error:  # SOCKS takes a package more
            raise ConfigurationError(
                f"the proxy that the environment names cannot be used ({error}); "
                "set NO_PROXY for the venue's host, or pass http=… to outlast.connect"
            ) from error

    async def send(self, request: HttpRequest) -> WireReply | TransportFault:
        sent_at = self._clock.now()
        timeout = httpx.Timeout(
            connect=request.connect_within_s,
            read=request.answer_within_s,
            write=request.answer_within_s,
            # Longest, so that a full pool never looks like a venue that does not answer.
            pool=request.connect_within_s + request.answer_within_s,
        )
        last_at = sent_at + request.connect_within_s + 2 * request.answer_within_s
        if self._is_closed():
            return self._cut(FaultKind.LOCAL, "the HTTP client is closed", sent_at, sent_at)
        self._watch.began(holds_s=last_at - sent_at)
        if not self._watch.may_try(sent_at):
            return self._cut(FaultKind.POOL_TIMEOUT, self._why_stuck(sent_at), sent_at, sent_at)
        try:
            message = self._client.build_request(
                request.method,
                request.url,
                headers=list(request.headers),
                content=request.body,
                timeout=timeout,
                extensions=_traced(request.on_written),
            )
        except (httpx.InvalidURL, ValueError) as error:  # such as a key that is not ASCII
            return self._fault(error, sent_at, FaultKind.LOCAL)
        try:
            # Never after a redirect: a signed order would be sent twice, and what goes wrong at the
            # second address would look as if nothing had been sent to the first.
            response = await self._client.send(message, stream=True, follow_redirects=False)
            self._watch.let_in()
            try:
                return await self._read(response, sent_at=sent_at, last_at=last_at)
            finally:
                await response.aclose()
        except httpx.PoolTimeout as error:
            self._turned_away(sent_at)
            return self._fault(error, sent_at)
        except (httpx.HTTPError, httpx.StreamError, httpx.CookieConflict, OSError) as error:
            self._watch.let_in()
            return self._fault(error, sent_at)
        except RuntimeError as error:
            if not self._is_closed():
                raise
            # Closed by its owner while the request was under way.
            return self._fault(error, sent_at, FaultKind.CONNECTION_LOST)

    def _is_closed(self) -> bool:
        return self._client.is_closed

    async def aclose(self) -> None:
        if self._owned:
            for client in (self._client, *self._replaced):
                await client.aclose()

    def _turned_away(self, sent_at: float) -> None:
        now = self._clock.now()
        if not self._watch.turned_away(waited_since=sent_at, now=now):
            return
        self.on_stuck(self._why_stuck(now))
        if self._owned:
            # What is still under way on the old one ends there, by its own timeouts.
            self._replaced.append(self._client)
            self._client = self._new_client()
            self._watch = PoolWatch()

    def _why_stuck(self, now: float) -> str:
        remedy = "it was replaced" if self._owned else "make a new client and session"
        return (
            f"no connection of the HTTP client has become free for {self._watch.blocked_s(now):.0f}"
            f" s; cancelled requests may have lost its slots (httpcore issue 1093): {remedy}"
        )

    async def _read(
        self, response: httpx.Response, *, sent_at: float, last_at: float
    ) -> WireReply | TransportFault:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            now = self._clock.now()
            if now > last_at:
                detail = f"the answer was still dripping in after {now - sent_at:.0f} s"
                return self._cut(FaultKind.READ_TIMEOUT, detail, sent_at, now)
            if len(body) > BODY_BYTES_MAX:
                detail = f"the answer is longer than {BODY_BYTES_MAX} bytes"
                return self._cut(FaultKind.PROTOCOL_ERROR, detail, sent_at, now)
        return WireReply(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=bytes(body),
            sent_at=sent_at,
            received_at=self._clock.now(),
        )

    def _fault(
        self, error: Exception, sent_at: float, kind: FaultKind | None = None
    ) -> TransportFault:
        found = kind if kind is not None else kind_of(error)
        assert found is not None
        if found is FaultKind.CONNECT_FAILED:
            found = dial_fault(error)
        return TransportFault(
            kind=found,
            detail=f"{type(error).__name__}: {error}"[:200],
            sent_at=sent_at,
            received_at=self._clock.now(),
        )

    @staticmethod
    def _cut(kind: FaultKind, detail: str, sent_at: float, now: float) -> TransportFault:
        return TransportFault(kind=kind, detail=detail, sent_at=sent_at, received_at=now)
