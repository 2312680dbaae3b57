"""A quick look at a venue without a session: is it there, what does it say, what does its page say.

For people and scripts that want to know before anything is opened. It takes a handful of cheap
public reads, each with its own timeout, and is finished in seconds whatever the venue does.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from outlast.backends.http import HttpxTransport, goes_by_proxy
from outlast.backends.http1 import Http1Transport
from outlast.client.status_pages import StatusPagePoller
from outlast.core.health import PlaneHealth, Verdict, Witness
from outlast.core.server_time import ServerClock, ServerClockSettings
from outlast.core.status_page import Grade, PageReport
from outlast.errors import Failure, Layer
from outlast.model import Health, Plane
from outlast.notices import PlannedMaintenance, SystemStatus, VenueMode
from outlast.venues import codec as find_codec
from outlast.wire import (
    Auth,
    Clock,
    HttpTransport,
    TransportFault,
    VenueCodec,
    WireReply,
    WireRequest,
)

__all__ = ["Answered", "Look", "Looker", "NameLook"]

TRIES: Final = 3
TRY_EVERY_S: Final = 0.3
CLOCK_SAMPLES: Final = 5
NAME_WITHIN_S: Final = 5.0
DIAL_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one question that was asked a few times."""

    tries: int
    answers: int
    best_ms: float | None
    """Of the answers, the quickest; None when there was none."""
    trouble: str = ""
    """Why the last that failed did."""
    is_ours: bool = False
    """Every failure lay on this side: no name service, no route."""


@dataclass(frozen=True, slots=True)
class NameLook:
    """One of the venue's hosts."""

    name: str
    host: str
    addresses: int
    dial_ms: float | None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look has shown of one product."""

    venue: str
    probe: Answered
    front_door: Answered
    mode: VenueMode | None
    """None where the venue does not say."""
    said: SystemStatus | None
    said_trouble: str
    page: PageReport | None
    page_trouble: str
    page_url: str
    verdict: Verdict
    planned: tuple[PlannedMaintenance, ...] = ()
    own_network: str = ""
    """What is wrong on this side; then the look says nothing of the venue."""
    incidents: tuple[str, ...] = field(default_factory=tuple)


class Looker:
    """Asks one venue, past no breaker and into no limit worth mentioning."""

    def __init__(self, venue: str, urls: Mapping[str, str], clock: Clock) -> None:
        """`urls`: see `outlast.client.connect.urls_of`."""
        self.venue = venue
        self.codec: VenueCodec = find_codec(venue)
        self._urls = urls
        self._clock = clock
        self._transport = _transport(urls["rest"], clock)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def look(self) -> Look:
        """Ask everything once; all at the same time."""
        probe, front_door, said, page = await asyncio.gather(
            self._ask(self.codec.probe()),
            self._ask(self.codec.query_time()),
            self._system_status(),
            self._page(),
        )
        status, said_trouble = said
        report, page_trouble, page_url = page
        own = probe.trouble if probe.is_ours else ""
        planned = [*(status.planned if status else ()), *(report.planned if report else ())]
        incidents = [*(status.incidents if status else ())]
        incidents += [f"{i.name} ({i.status})" for i in (report.incidents if report else ())]
        return Look(
            venue=self.venue,
            probe=probe,
            front_door=front_door,
            mode=None if status is None else status.mode,
            said=status,
            said_trouble=said_trouble,
            page=report,
            page_trouble=page_trouble,
            page_url=page_url,
            verdict=self._weigh(probe, front_door, status, report),
            planned=tuple(p for p in planned if p.planes),
            own_network=own,
            incidents=tuple(incidents),
        )

    async def measure_clock(self) -> tuple[float, float] | str:
        """How far this machine's clock is ahead of the venue's, and the doubt about it (ms)."""
        clock = ServerClock(ServerClockSettings())
        trouble = "no answer"
        for _ in range(CLOCK_SAMPLES):
            request = self.codec.query_time()
            answer = await self._send(request)
            if isinstance(answer, Failure):
                trouble = answer.describe()
                continue
            server_ms = self.codec.read_time(request, answer)
            if isinstance(server_ms, Failure):
                trouble = server_ms.describe()
                continue
            clock.add_sample(
                sent_at=answer.sent_at,
                received_at=answer.received_at,
                server_ms=server_ms,
                wall_ms=self._clock.wall() * 1000,
                resolution_ms=self.codec.TRAITS.time_step_ms,
            )
        now, wall_ms = self._clock.now(), self._clock.wall() * 1000
        doubt_ms = clock.uncertainty_ms(now)
        if doubt_ms == float("inf"):
            return trouble
        return wall_ms - clock.server_ms(wall_ms), doubt_ms

    async def names(self) -> list[NameLook]:
        """Every host of the venue: whether its name resolves and its port is dialled."""
        return list(
            await asyncio.gather(*(_dial(name, url) for name, url in self._urls.items() if url))
        )

    async def signed(
        self, request: WireRequest, key: str, secret: str, *, timestamp_ms: int
    ) -> WireReply | Failure:
        """Ask one signed question."""
        answer = await self._transport.send(
            self.codec.sign(
                request,
                base_url=self._urls["rest"],
                key=key,
                secret=secret,
                timestamp_ms=timestamp_ms,
                valid_for_ms=5_000,
                nonce=timestamp_ms * 1_000_000 if self.codec.TRAITS.uses_nonce else None,
            )
        )
        return self._classified(request, answer)

    # Inside.

    async def _ask(self, request: WireRequest) -> Answered:
        answers, best_ms, trouble, ours = 0, None, "", 0
        for number in range(TRIES):
            if number:
                await self._clock.sleep(TRY_EVERY_S)
            answer = await self._send(request)
            if isinstance(answer, Failure):
                trouble = _short(answer)
                ours += not answer.infrastructure
                if answer.kind == "maintenance":
                    # An answer, if not one to rejoice at.
                    answers += 1
                continue
            answers += 1
            took_ms = (answer.received_at - answer.sent_at) * 1000
            best_ms = took_ms if best_ms is None else min(best_ms, took_ms)
        return Answered(TRIES, answers, best_ms, trouble, is_ours=ours == TRIES)

    async def _send(self, request: WireRequest) -> WireReply | Failure:
        assert request.auth is Auth.NONE
        answer = await self._transport.send(
            self.codec.sign(
                request,
                base_url=self._urls["rest"],
                key=None,
                secret=None,
                timestamp_ms=round(self._clock.wall() * 1000),
                valid_for_ms=5_000,
            )
        )
        return self._classified(request, answer)

    def _classified(
        self, request: WireRequest, answer: WireReply | TransportFault
    ) -> WireReply | Failure:
        if isinstance(answer, TransportFault):
            return self.codec.classify_fault(request, answer)
        return self.codec.classify(request, answer) or answer

    async def _system_status(self) -> tuple[SystemStatus | None, str]:
        request = self.codec.query_system_status()
        if request is None:
            return None, ""
        said = self.codec.read_system_status(request, await self._send(request))
        return (None, _short(said)) if isinstance(said, Failure) else (said, "")

    async def _page(self) -> tuple[PageReport | None, str, str]:
        page = self.codec.STATUS_PAGE
        url = self._urls.get("status_page", page.url)
        if not url:
            return None, "", ""
        transport = _transport(url, self._clock)
        heard: list[PageReport] = []
        poller = StatusPagePoller(
            url,
            page,
            transport,
            clock=self._clock,
            rng=random.Random(),  # noqa: S311 - no wait is drawn for one look
            venue=self.venue,
            on_report=heard.append,
            is_suspected=lambda: False,
        )
        try:
            await poller.poll()
        finally:
            await transport.aclose()
        return (heard[-1] if heard else None), poller.state.trouble, url

    def _weigh(
        self,
        probe: Answered,
        front_door: Answered,
        said: SystemStatus | None,
        page: PageReport | None,
    ) -> Verdict:
        plane = PlaneHealth()
        for answered in (probe, front_door):
            if answered.is_ours:
                continue  # it says nothing of the venue
            if answered.answers == 0:
                detail = f"none of {answered.tries} reads answered: {answered.trouble}"
                plane.note(Witness.CALLS, Health.DOWN, now=0.0, detail=detail)
            elif answered.answers < answered.tries:
                detail = f"{answered.answers} of {answered.tries} reads answered"
                detail += f"; last: {answered.trouble}"
                plane.note(Witness.CALLS, Health.DEGRADED, now=0.0, detail=detail)
        if said is not None and said.mode not in (VenueMode.ONLINE, VenueMode.UNKNOWN):
            is_off = said.mode is VenueMode.MAINTENANCE
            says = Health.MAINTENANCE if is_off else Health.DEGRADED
            detail = f"the venue is in {said.mode.value} mode"
            plane.note(Witness.VENUE, says, now=0.0, detail=detail)
        worst = None if page is None else page.worst(Plane.TRADING)
        if worst is not None and worst.grade > Grade.UNKNOWN:
            detail = f"{worst.name} is shown as {worst.word}"
            plane.note(Witness.PAGE, Health.DEGRADED, now=0.0, detail=detail)
        return plane.verdict(0.0)


def _short(failure: Failure) -> str:
    """As a person wants it: the kind, and the venue's words where there are any."""
    kind = failure.kind.replace("_", " ")
    if failure.layer is Layer.LOCAL or failure.layer is Layer.TRANSPORT:
        return kind
    status = "" if failure.http_status is None else f" (HTTP {failure.http_status})"
    return f"{kind}{status}: {failure.message}" if failure.message else f"{kind}{status}"


def _transport(url: str, clock: Clock) -> HttpTransport:
    if goes_by_proxy(url):
        return HttpxTransport(clock)
    return Http1Transport(clock, connections_max=4)


async def _dial(name: str, url: str) -> NameLook:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(NAME_WITHIN_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as error:
        return NameLook(name, host, 0, None, f"the name does not resolve: {error or 'too slow'}")
    began = loop.time()
    try:
        async with asyncio.timeout(DIAL_WITHIN_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        return NameLook(name, host, len(found), None, f"no connection: {error or 'too slow'}")
    took_ms = (loop.time() - began) * 1000
    writer.close()
    return NameLook(name, host, len(found), took_ms)
