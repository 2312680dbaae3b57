"""Reads a status page now and then, from its own host, by its own connections.

It never goes through the venue's limits, breakers or bans, and nothing that trades waits for it. A
page that does not answer means "no information": neither up nor down.

Source: the API documentation that every Statuspage publishes under `/api` (no number is published
for polling; 420 and 429 with Retry-After are asked to be heeded; ETag).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final

from outlast.client.logs import logger
from outlast.core.breaker import Breaker, BreakerSettings, Result
from outlast.core.status_page import PageReport, read_page
from outlast.notices import PageMap
from outlast.wire import Clock, HttpRequest, HttpTransport, TransportFault

__all__ = ["PageState", "StatusPagePoller"]

SUSPECTED_S: Final = 20.0
"""While something is wrong, or was a moment ago. Statuspage asks for no less than 10."""
USUAL_S: Final = 60.0
CALM_S: Final = 120.0
"""When all has been well for `CALM_AFTER_S`."""
CALM_AFTER_S: Final = 1800.0
JITTER: Final = 0.2
"""Ours are many, and a page is most asked when a venue is down."""
CONNECT_WITHIN_S: Final = 5.0
ANSWER_WITHIN_S: Final = 5.0
ODDITIES_MAX: Final = 100
"""Remembered, so that each is told once."""
RETRY_AFTER_MAX_S: Final = 3600.0
"""A page that asks for more is asked once an hour all the same: it is no venue, and bans nobody."""

PAGE_BREAKER: Final = BreakerSettings(
    # Three failures in a row; then 30 s to 5 min between two tries.
    open_at=1.9,
    ramp_reopen_at=1.9,
    open_s=30.0,
    open_s_max=300.0,
    open_s_longest=300.0,
    probe_timeout_s=CONNECT_WITHIN_S + ANSWER_WITHIN_S,
    close_after=1,
    ramp_step_s=0.1,
)

_NOT_MODIFIED: Final = 304
_OK: Final = 200
_SLOW_DOWN: Final = (420, 429)


@dataclass(frozen=True, slots=True)
class PageState:
    """What is known of the page itself."""

    url: str
    read_at: float | None = None
    """When it last gave a usable answer, monotonic; one that says "not modified" counts."""
    asked_at: float | None = None
    trouble: str = ""
    """Why the last try gave none; empty when it did."""
    report: PageReport | None = None
    """The last that could be read."""


class StatusPagePoller:
    """One page, for one product."""

    def __init__(
        self,
        url: str,
        page: PageMap,
        transport: HttpTransport,
        *,
        clock: Clock,
        rng: random.Random,
        venue: str,
        on_report: Callable[[PageReport], None],
        is_suspected: Callable[[], bool],
    ) -> None:
        """`on_report` hears every good answer, a repeated one too; `is_suspected` says whether to
        ask more often."""
        self.state = PageState(url)
        self._page = page
        self.transport = transport
        self._clock = clock
        self._rng = rng
        self._on_report = on_report
        self._is_suspected = is_suspected
        self._log = logger(venue=venue)
        self._breaker = Breaker(PAGE_BREAKER, rng)
        self._etag: str | None = None
        self._well_since = clock.now()
        self._oddities: frozenset[str] = frozenset()
        self.wanted = asyncio.Event()
        """Set when something has just gone wrong: the next look comes soon."""

    async def poll_for_ever(self) -> None:
        while True:
            wait_s = await self.poll()
            if self._is_suspected():
                self._well_since = self._clock.now()
            self.wanted.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self.wanted.wait()
            except TimeoutError:
                continue
            # A fleet sees the same outage in the same second.
            await self._clock.sleep(self._rng.uniform(0, SUSPECTED_S / 2))

    async def poll(self) -> float:
        """Ask once, unless the page is being left alone; how long to wait for the next time."""
        now = self._clock.now()
        permit = self._breaker.admit(now)
        is_probe = permit is None and self._breaker.probe_due(now)
        if permit is None and not is_probe:
            next_at = self._breaker.next_probe_at()
            return SUSPECTED_S if next_at is None else max(1.0, next_at - now)
        told_s = await self._ask()
        now, is_well = self._clock.now(), not self.state.trouble
        if permit is not None:
            self._breaker.record(permit, Result.OK if is_well else Result.FAILED, now)
        else:
            self._breaker.probe_result(is_well, now)
        return max(told_s, self._interval_s(now) * self._rng.uniform(1 - JITTER, 1 + JITTER))

    def _interval_s(self, now: float) -> float:
        if self._is_suspected():
            return SUSPECTED_S
        return CALM_S if now - self._well_since >= CALM_AFTER_S else USUAL_S

    async def _ask(self) -> float:
        """Ask once and take the answer in; how long the page asks to be left alone."""
        headers = [("accept", "application/json"), ("user-agent", "outlast")]
        if self._etag is not None:
            headers.append(("if-none-match", self._etag))
        answer = await self.transport.send(
            HttpRequest(
                method="GET",
                url=f"{self.state.url}/api/v2/summary.json",
                headers=tuple(headers),
                connect_within_s=CONNECT_WITHIN_S,
                answer_within_s=ANSWER_WITHIN_S,
            )
        )
        now = self._clock.now()
        if isinstance(answer, TransportFault):
            self._failed(f"no answer ({answer.kind.value})", now)
            return 0.0
        if answer.status == _NOT_MODIFIED and self.state.report is not None:
            self._read(self.state.report, now)
            return 0.0
        if answer.status != _OK:
            self._failed(f"HTTP {answer.status}", now)
            is_told = answer.status in _SLOW_DOWN
            return _seconds(answer.headers.get("retry-after", "")) if is_told else 0.0
        report = read_page(answer.body, self._page)
        if isinstance(report, str):
            self._failed(report, now)
            return 0.0
        if self._page.page_id is None and report.page_id:
            # The first page that answers is the one: another later is a redirect or a portal.
            self._page = replace(self._page, page_id=report.page_id)
        self._etag = answer.headers.get("etag")
        self._read(report, now)
        return 0.0

    def _read(self, report: PageReport, now: float) -> None:
        self.state = PageState(self.state.url, now, now, "", report)
        new = frozenset(report.oddities) - self._oddities
        for oddity in sorted(new):
            self._log.info("outlast.status_page_odd", detail=oddity)
        if len(self._oddities) < ODDITIES_MAX:
            self._oddities |= new
        self._on_report(report)

    def _failed(self, trouble: str, now: float) -> None:
        if trouble != self.state.trouble:
            self._log.info("outlast.status_page_unread", url=self.state.url, reason=trouble)
        self.state = replace(self.state, asked_at=now, trouble=trouble)


def _seconds(text: str) -> float:
    """A Retry-After in seconds; 0 for a date or anything else."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return min(RETRY_AFTER_MAX_S, seconds) if isfinite(seconds) and seconds > 0 else 0.0
