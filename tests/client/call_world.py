"""One `CallDesk` of binance-um over a scripted wire, in virtual time.

The wire answers each request as the story says and remembers when it was sent. Nothing else is
replaced: codec, limiter, bans, breakers and retries are the real ones.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from outlast import sim
from outlast.backends.journal import MemoryStore
from outlast.client.admission import Admission
from outlast.client.calls import CallDesk, Credentials
from outlast.client.events import EventBus
from outlast.client.guard import Guard
from outlast.client.journal import Journal
from outlast.client.settings import Settings
from outlast.core.limiter import SlotSettings
from outlast.core.server_time import ServerClock
from outlast.model import Instrument, Product, limit, market
from outlast.venues import codec
from outlast.wire import FaultKind, HttpRequest, TransportFault, WireReply, WireRequest

UM = codec("binance-um")
NOON = 1_760_011_200.0
BTC = Instrument(
    venue="binance-um",
    symbol="BTC/USDT:USDT",
    venue_symbol="BTCUSDT",
    product=Product.USDM_FUTURES,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=Decimal("0.1"),
    qty_step=Decimal("0.001"),
    qty_min=Decimal("0.001"),
    qty_max=Decimal(1000),
    market_qty_min=Decimal("0.001"),
    market_qty_max=Decimal(120),
    notional_min=Decimal(5),
    price_min=Decimal(1),
    price_max=Decimal(10**7),
)

READ = UM.query_mark_price(BTC)
QUERY = UM.query_positions()
CANCEL = UM.cancel_order(BTC, "ol-c")


def entry(name: str = "ol-e") -> WireRequest:
    order = limit(BTC.symbol, "buy", "0.01", "60000")
    return UM.place_order(order, BTC, name, now_ms=round(NOON * 1000))


def exit_(name: str = "ol-x") -> WireRequest:
    order = market(BTC.symbol, "sell", "0.01", reduce_only=True)
    return UM.place_order(order, BTC, name, now_ms=round(NOON * 1000))


# What the wire can say.


@dataclass(frozen=True, slots=True)
class Says:
    """An answer (`status` and `body`) or a fault, after `after_s`."""

    status: int = 200
    body: bytes | None = None
    """None: what the venue says when all is well."""
    headers: tuple[tuple[str, str], ...] = ()
    fault: FaultKind | None = None
    after_s: float = 0.05


_USUAL = {
    "/fapi/v1/order": b'{"orderId":1}',
    "/fapi/v1/premiumIndex": b'{"markPrice":"68000"}',
    "/fapi/v3/positionRisk": b"[]",
    "/fapi/v1/time": b'{"serverTime":1760011200000}',
}
OK = Says()
OVERLOADED = Says(
    503, b'{"code":-1008,"msg":"Server is currently overloaded with other requests."}'
)
REFUSED = Says(fault=FaultKind.CONNECT_FAILED)
TIMES_OUT = Says(fault=FaultKind.READ_TIMEOUT, after_s=10.0)
NO_NAME = Says(fault=FaultKind.NAME_UNRESOLVED, after_s=0.01)


def too_many(retry_after_s: int) -> Says:
    body = b'{"code":-1003,"msg":"Too many requests"}'
    return Says(429, body, (("retry-after", str(retry_after_s)),))


@dataclass(frozen=True, slots=True)
class Sent:
    at: float
    method: str
    path: str
    host: str = "venue"

    @property
    def is_order(self) -> bool:
        return self.method == "POST" and self.path == "/fapi/v1/order"

    @property
    def is_cancel(self) -> bool:
        return self.method == "DELETE"


class Wire:
    """The `HttpTransport` of these stories."""

    def __init__(self, clock: sim.SimClock) -> None:
        self._clock = clock
        self.sent: list[Sent] = []
        self.open = self.open_max = 0
        self.answer: Callable[[Sent], Says] = lambda _: OK

    async def send(self, request: HttpRequest) -> WireReply | TransportFault:
        url = urlsplit(request.url)
        path = url.path
        sent = Sent(self._clock.now(), request.method, path, url.netloc)
        self.sent.append(sent)
        says = self.answer(sent)
        self.open += 1
        self.open_max = max(self.open_max, self.open)
        try:
            await asyncio.sleep(says.after_s)
        finally:
            self.open -= 1
        received_at = self._clock.now()
        if says.fault is not None:
            return TransportFault(
                kind=says.fault, detail="scripted", sent_at=sent.at, received_at=received_at
            )
        return WireReply(
            status=says.status,
            headers=dict(says.headers),
            body=_USUAL[path] if says.body is None else says.body,
            sent_at=sent.at,
            received_at=received_at,
        )

    async def aclose(self) -> None:
        """Nothing is open."""


class CallWorld:
    def __init__(self, seed: int, slots: SlotSettings | None = None) -> None:
        self.clock = sim.clock()
        self.wire = Wire(self.clock)
        self.store = MemoryStore()
        rng = random.Random(seed)
        journal = Journal(self.store, venue="binance-um", clock=self.clock, rng=rng)
        self.server_clock = ServerClock()
        self.events = EventBus(100)
        self.guard = Guard(
            "binance-um",
            clock=self.clock,
            server_clock=self.server_clock,
            journal=journal,
            events=self.events,
            rng=rng,
            counters=UM.limits(),
        )
        self.admission = Admission(
            UM.limits(), clock=self.clock, server_seconds=self.clock.wall, slots=slots
        )
        self.desk = CallDesk(
            UM,
            self.wire,
            base_url="http://venue",
            credentials=Credentials("key", "secret"),
            clock=self.clock,
            server_clock=self.server_clock,
            guard=self.guard,
            admission=self.admission,
            journal=journal,
            settings=Settings(),
            rng=rng,
        )

    def use_up(self, units: int) -> None:
        """Another process on this address has spent so much of the minute."""
        self.admission.observe({"weight_1m": units})

    def kinds(self) -> list[str]:
        """What the journal has noted, by kind."""
        return [record.kind for record in self.store.records()]

    def assert_idle(self) -> None:
        """Nothing is held by anybody: no slot, no place in the queue, no permit."""
        assert self.admission.under_way == 0
        assert self.admission.waiting == 0
        assert self.desk.in_flight == 0
        assert all(breaker.in_flight == 0 for breaker in self.guard.breakers.values())


def play(
    story: Callable[[CallWorld], Awaitable[None]],
    *,
    seed: int = 1,
    into_minute_s: float = 30.0,
    slots: SlotSettings | None = None,
) -> None:
    """Tell one story, from so far into a minute of the venue's clock."""

    async def main() -> None:
        await story(CallWorld(seed, slots))

    sim.run(main, seed=seed, t0=NOON + into_minute_s, time_limit_s=7_200)


class CancelAt:
    """Awaits `work`, and has its task cancelled at the `step`-th suspension (from 1).

    `late` False: while it is suspended. True: in the very round in which what it waits for has
    come, before it runs again: `await` raises although the future has a result.
    """

    def __init__(self, work: Awaitable[Any], step: int, *, late: bool) -> None:
        self._work = work
        self._step = step
        self._late = late
        self.steps = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        inner = self._work.__await__()
        thrown: BaseException | None = None
        while True:
            try:
                future = inner.send(None) if thrown is None else inner.throw(thrown)
            except StopIteration as stop:
                return stop.value
            thrown = None
            self.steps += 1
            if self.steps == self._step:
                if self._late and future is not None:
                    # The task's own callback comes after this one.
                    future.add_done_callback(lambda _: task.cancel())
                    future._asyncio_future_blocking = True
                else:
                    asyncio.get_running_loop().call_soon(task.cancel)
            try:
                yield future
            except BaseException as error:  # noqa: BLE001 - goes into `inner` as it is
                thrown = error
