"""The venues' status page: Statuspage's public API, saying what the script has it say.

It is a house of its own, with its own port: it knows nothing of the venues' health, lags behind it,
and may be down itself. Binance has no such page in reality; here the same one serves for it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, Final

from outlast.mock.clock import VenueClock
from outlast.mock.faults import FaultDesk, RequestFacts
from outlast.mock.http.plans import Answer, Deliver, HttpMessage, Refuse, ReplyPlan
from outlast.mock.raw_replies import RAW_KINDS, delivery_of, raw_answer
from outlast.mock.scenario.model import Reply
from outlast.mock.scenario.script import Script
from outlast.mock.scenario.vocabulary import PRODUCT_OF_VENUE
from outlast.mock.status_document import documents

__all__ = ["StatusPage"]

_HEADERS: Final = (
    ("content-type", "application/json; charset=utf-8"),
    ("access-control-allow-origin", "*"),
    ("cache-control", "max-age=0, private, must-revalidate"),
)


class StatusPage:
    """As a callable, the app of the status page's server."""

    def __init__(self, *, script: Script, clock: VenueClock, desk: FaultDesk) -> None:
        self._script, self._clock, self._desk = script, clock, desk
        self._venues = script.scenario.venues
        self._asked = 0

    def is_unreachable(self) -> bool:
        """True while the script has the page down: then nothing listens on its port."""
        return self._script.status_at(self._clock.elapsed_s).page == "unreachable"

    def documents(self) -> dict[str, dict[str, Any]]:
        """What the page says now, by path."""
        view = self._script.status_at(self._clock.elapsed_s)
        return documents(self._venues, view.entries, t0_ms=self._clock.t0_ms)

    async def __call__(self, message: HttpMessage) -> ReplyPlan:
        """The reply to one request; only rules that name `status.page` can spoil it."""
        self._clock.catch_up()
        if self.is_unreachable():
            return ReplyPlan(delivery=Refuse())
        decision = self._desk.decide(
            RequestFacts(
                endpoint="status.page",
                venue=self._venues[0],
                product=PRODUCT_OF_VENUE[self._venues[0]],
                account=message.peer_ip,
            ),
            self._script.at(self._clock.elapsed_s),
            self._asked,
        )
        self._asked += 1
        plan = self._planned(decision.reply, message)
        return replace(plan, latency_s=self._clock.loop_seconds(decision.latency_s))

    def _planned(self, reply: Reply, message: HttpMessage) -> ReplyPlan:
        delivery = delivery_of(reply, self._clock)
        if reply.is_normal or delivery != Deliver():
            return ReplyPlan(answer=self._answer(message), delivery=delivery)
        if reply.kind not in RAW_KINDS:
            reply = Reply(kind="html", page="cdn-502")  # an alias is a venue's word, not a page's
        answer = raw_answer(reply)
        return ReplyPlan(
            answer=Answer(status=answer.status, headers=answer.headers, body=answer.body)
        )

    def _answer(self, message: HttpMessage) -> Answer:
        known = self.documents()
        if message.method not in ("GET", "HEAD") or message.path not in known:
            return Answer(status=404, headers=_HEADERS, body=b'{"error":"Not found"}')
        body = json.dumps(known[message.path], separators=(",", ":")).encode()
        etag = f'W/"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
        headers = (*_HEADERS, ("etag", etag))
        asked = {tag.strip() for tag in message.header("if-none-match").split(",")}
        # Compared weakly, as RFC 9110 (13.1.2) has it: with or without the `W/`.
        if asked & {etag, etag.removeprefix("W/"), "*"}:
            return Answer(status=304, headers=headers)
        return Answer(headers=headers, body=body)
