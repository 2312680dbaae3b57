"""A venue without sockets: requests are handed to its pipeline, and time moves when told."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from outlast.mock.exchange import dialects
from outlast.mock.http.plans import Deliver, Dribble, HttpMessage, ReplyPlan
from outlast.mock.run import Run
from outlast.mock.scenario.load import loads

VENUE = "binance-um"
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.010"}
RESTING = {**ORDER, "price": "60000", "timeInForce": "GTC"}
T0 = 1_772_460_000_000


def story(phases: str, **top: str) -> str:
    """A scenario document for the phases given in flow style."""
    lines = ["scenario: under-test", "venue: binance-um", "seed: 5"]
    lines += [f"{key}: {value}" for key, value in top.items()]
    return "\n".join([*lines, "phases:", *(f"  - {line}" for line in phases.strip().splitlines())])


@dataclass
class Reply:
    """What the server would have been told to do, and the body's JSON where there is one."""

    plan: ReplyPlan

    @property
    def status(self) -> int:
        return self.plan.answer.status

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.plan.answer.headers}

    @property
    def json(self):
        return json.loads(self.plan.answer.body)

    @property
    def code(self):
        return self.json.get("code")


class Desk:
    """One run, paused at its start; `advance` moves it."""

    def __init__(self, document: str) -> None:
        self.changes = 0
        self.run = Run(
            loads(document), dialects={VENUE: dialects()[VENUE]}, speed=1.0, on_change=self._changed
        )
        self.venue = self.run.venues[VENUE]
        self.stage = self.venue.stage
        self.engine = self.stage.engine
        self.truth = self.run.truth
        self.account = self.run.default_account(VENUE)

    def _changed(self) -> None:
        self.changes += 1

    async def __aenter__(self) -> Self:
        self.run.start()
        self.run.clock.pause()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.run.close()

    async def advance(self, seconds: float) -> None:
        await self.run.clock.advance_to(self.run.clock.elapsed_s + seconds)
        await asyncio.sleep(0)

    def message(self, method: str, path: str, params=None, *, account=None, ip="127.0.0.1"):
        account = account or self.account
        signed = not path.startswith(("/fapi/v1/time", "/fapi/v1/ping", "/fapi/v1/depth"))
        values = dict(params or {})
        headers = {}
        if signed:
            values = {"timestamp": self.stage.shown_ms, **values}
            query = urlencode(values)
            signature = hmac.new(account.secret.encode(), query.encode(), hashlib.sha256)
            query += f"&signature={signature.hexdigest()}"
            headers["x-mbx-apikey"] = [account.key]
        else:
            query = urlencode(values)
        return HttpMessage(
            method=method,
            target=f"{path}?{query}",
            path=path,
            query=query.encode(),
            headers=headers,
            peer_ip=ip,
        )

    async def ask(self, method: str, path: str, params=None, **more) -> Reply:
        """Send and receive, the client staying to the end."""
        reply = Reply(await self.venue(self.message(method, path, params, **more)))
        self.finish(reply)
        return reply

    async def send(self, method: str, path: str, params=None, **more) -> asyncio.Task[ReplyPlan]:
        """Send, and leave the waiting to somebody else."""
        sent = asyncio.create_task(self.venue(self.message(method, path, params, **more)))
        await asyncio.sleep(0)  # it has arrived
        return sent

    def finish(self, reply: Reply, *, client_stays: bool = True) -> None:
        """What the server reports when it has done what the plan says."""
        delivery = reply.plan.delivery
        whole = isinstance(delivery, Deliver) or (
            isinstance(delivery, Dribble) and not delivery.cut
        )
        assert reply.plan.delivered is not None
        reply.plan.delivered(whole and client_stays)

    async def place(self, client_order_id: str = "", **changes: str) -> Reply:
        order = {key: value for key, value in {**RESTING, **changes}.items() if value}
        if client_order_id:
            order["newClientOrderId"] = client_order_id
        return await self.ask("POST", "/fapi/v1/order", order)

    def orders(self, account: str = "main"):
        return self.engine.orders(account)

    @property
    def records(self):
        return self.truth.traffic.kept()


def play(document: str, tell) -> None:
    """Run `tell(desk)` on a scenario, from its first instant."""

    async def main() -> None:
        async with asyncio.timeout(30), Desk(document) as desk:
            await tell(desk)

    asyncio.run(main())
