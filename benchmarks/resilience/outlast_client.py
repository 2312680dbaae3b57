"""outlast itself, with every default, and with one of its parts taken out.

The parts are taken out here, from the outside: the product has no switches for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

import outlast
from benchmarks.resilience.rest import Account, entry_price
from benchmarks.resilience.scenarios import VENUE
from benchmarks.resilience.trace import Call, Done, Kind
from outlast.client.assembly import Rooms
from outlast.client.events import BreakerChanged
from outlast.client.session import Session
from outlast.core.budget import RetryBudget
from outlast.core.recovery import RecoverySettings
from outlast.core.settle import SettleSettings
from outlast.errors import (
    Failure,
    NotSent,
    OutcomeUnknown,
    OutlastError,
)
from outlast.model import OrderStatus, Plane
from outlast.wire import Clock, Lane

__all__ = ["PARTS", "OutlastClient", "outlast_client"]

ABSENT: Final = (OrderStatus.NOT_PLACED, OrderStatus.REJECTED, OrderStatus.DENIED)
SYMBOLS: Final = {"binance-um": "BTC/USDT:USDT", "binance-spot": "BTC/USDT"}


def _no_breaker(rooms: Rooms) -> None:
    rooms.guard.shadow()


def _no_budget(rooms: Rooms) -> None:
    calls: Any = rooms.calls
    endless = {"tokens_max": 1e9, "per_success": 0.0, "per_second": 0.0}
    calls._budget = RetryBudget(**endless)  # noqa: SLF001 - here and below: a part is taken out
    calls._safety_budget = RetryBudget(**endless)  # noqa: SLF001


def _no_headroom(rooms: Rooms) -> None:
    admission: Any = rooms.admission
    admission.has_headroom = lambda costs, **_: False


def _no_door(rooms: Rooms) -> None:
    """Each plane is judged by its own calls alone."""
    for breaker in rooms.guard.breakers.values():
        breaker._door = None  # noqa: SLF001


class _Loner:
    """Waits by itself, whoever else asks the same."""

    anybody_waits = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def pause(self, request: Any, seconds: float, *, asked_at: float) -> None:
        await self._clock.sleep(seconds)


def _no_sharing(rooms: Rooms) -> None:
    calls: Any = rooms.calls
    calls._shared = _Loner(calls._clock)  # noqa: SLF001


class _Unjittered(random.Random):
    """Draws the upper end of every range."""

    def uniform(self, a: float, b: float) -> float:
        return b


def _no_jitter(rooms: Rooms) -> None:
    """Back-offs of exactly the ceiling, and all waits of the breakers a quarter above theirs."""
    calls: Any = rooms.calls
    calls._rng = _Unjittered()  # noqa: SLF001
    for breaker in rooms.guard.breakers.values():
        breaker._rng = _Unjittered()  # noqa: SLF001


def _no_limiter(rooms: Rooms) -> None:
    """Nothing costs anything, so that no window is ever full. Slots and lanes stay."""
    calls: Any = rooms.calls
    call, probe = calls.call, calls.probe

    async def for_nothing(request: Any, **terms: Any) -> Any:
        return await call(msgspec.structs.replace(request, costs=()), **terms)

    async def probe_for_nothing(request: Any) -> Any:
        return await probe(msgspec.structs.replace(request, costs=()))

    calls.call, calls.probe = for_nothing, probe_for_nothing


class _DeafBanClock:
    """Hears of every ban and minds none."""

    is_clear = True

    def ban(self, scope: str, **told: Any) -> float:
        return float(told["now"])

    def free_at(self, scope: str, now: float, *, safety: bool = False) -> float | None:
        return None

    def reason(self, scope: str) -> str | None:
        return None


def _no_ban_clock(rooms: Rooms) -> None:
    guard: Any = rooms.guard
    guard._bans = _DeafBanClock()  # noqa: SLF001


def _no_lanes(rooms: Rooms) -> None:
    """Everybody is TRADE: nothing is reserved for cancels, and none passes an open breaker."""
    calls: Any = rooms.calls
    call = calls.call

    async def in_one_lane(request: Any, **terms: Any) -> Any:
        return await call(msgspec.structs.replace(request, lane=Lane.TRADE), **terms)

    calls.call = in_one_lane


PARTS: Final[dict[str, Callable[[Rooms], None]]] = {
    "breaker": _no_breaker,
    "door": _no_door,
    "budget": _no_budget,
    "headroom": _no_headroom,
    "shared answers": _no_sharing,
    "jitter": _no_jitter,
    "limiter": _no_limiter,
    "ban clock": _no_ban_clock,
    "lanes": _no_lanes,
    # Taken out by the settings that the session is made with.
    "recovery": lambda rooms: None,
    "horizon": lambda rooms: None,
}

GULLIBLE: Final = SettleSettings(
    engine_gives_up_s=-5.0,
    stuck_s=-5.0,
    margin_s=0.0,
    rounds=1,
    round_spacing_s=0.0,
    fences_in_trouble=0,
)
"""An order that one look does not show is held for absent, however soon after its sending: what is
left of the horizon is its validity (5 s), and the -5 s take that away."""


class OutlastClient:
    def __init__(self, sessions: Mapping[str, Session]) -> None:
        self._sessions = sessions
        self._resting: deque[str] = deque()
        self._in_doubt: dict[Call, str] = {}
        """Entries that ended in doubt, and the ids by which they are settled."""
        self.left_alone_at: list[float] = []
        """When it began to leave reads of the futures alone, by the clock's `now`."""

    @property
    def may_live(self) -> list[Call]:
        """Entries that have failed, and of which nobody claims that they do not exist."""
        orders = {
            call: self._sessions[call.venue].orders.get(client_order_id)
            for call, client_order_id in self._in_doubt.items()
        }
        return [call for call, o in orders.items() if o is not None and o.status not in ABSENT]

    async def watch(self, venue: str, clock: Any) -> None:
        async for event in self._sessions[venue].events():
            if not isinstance(event, BreakerChanged) or event.state != "open":
                continue
            if event.plane in (Plane.MARKET_DATA, Plane.ACCOUNT):
                self.left_alone_at.append(clock.now())

    async def perform(self, call: Call, now_s: Callable[[], float]) -> Done | None:
        target = None
        if call.kind is Kind.CANCEL:
            if not self._resting:
                return None
            target = self._resting.popleft()
        try:
            await self._once(call, target)
        except OutlastError as error:
            if target is not None:
                self._resting.append(target)
            if isinstance(error, OutcomeUnknown) and call.kind is Kind.ENTRY:
                self._in_doubt[call] = error.client_order_id
                if call.rests:
                    self._resting.append(error.client_order_id)  # it may rest
            return Done(
                call,
                now_s(),
                ok=False,
                held=isinstance(error, NotSent),
                note=type(error).__name__,
            )
        return Done(call, now_s(), ok=True)

    async def _once(self, call: Call, target: str | None) -> None:
        session = self._sessions[call.venue]
        symbol = SYMBOLS[call.venue]
        match call.kind:
            case Kind.PRICE:
                await session.mark_price(symbol)
            case Kind.ACCOUNT:
                await _account(session)
            case Kind.ENTRY:
                lasts = "gtc" if call.rests else "ioc"
                price = entry_price(call)
                order = await session.submit(
                    outlast.limit(symbol, "buy", "0.002", price, time_in_force=lasts)
                )
                if call.rests and call.venue == "binance-um":
                    self._resting.append(order.client_order_id)
            case Kind.CANCEL:
                assert target is not None
                await session.cancel(target)
            case Kind.REDUCE:
                await session.submit(outlast.market(symbol, "sell", "0.002", reduce_only=True))


async def _account(session: Session) -> None:
    """A private read as the session makes it; its surface gives such reads only in bundles."""
    rooms: Any = session._rooms  # noqa: SLF001
    codec = session._codec  # noqa: SLF001
    query = codec.query_positions if codec.PRODUCT.has_positions else codec.query_balances
    answer = await rooms.calls.call(query())
    if isinstance(answer, Failure):
        raise (
            outlast.ReadFailed(answer.describe())
            if answer.outcome.value != "not_sent"
            else (NotSent(answer.describe()))
        )


@contextlib.asynccontextmanager
async def outlast_client(
    accounts: Mapping[str, Account], *, without: str, seed: int, clock: Any
) -> AsyncIterator[OutlastClient]:
    settings = outlast.Settings(seed=seed)
    if without == "recovery":
        settings = replace(settings, recovery=RecoverySettings(cool_down_s=0.0, steps=()))
    if without == "horizon":
        settings = replace(settings, settle=GULLIBLE)
    async with contextlib.AsyncExitStack() as stack:
        sessions = {}
        for venue, account in accounts.items():
            session = outlast.connect(
                venue,
                key=account.key,
                secret=account.secret,
                journal=None,
                settings=settings,
                endpoints=account.endpoints,
                clock=clock,
            )
            sessions[venue] = await stack.enter_async_context(session)
            if without:
                rooms = session._rooms  # noqa: SLF001
                assert rooms is not None
                PARTS[without](rooms)
        client = OutlastClient(sessions)
        watching = asyncio.create_task(client.watch(VENUE, clock))
        try:
            yield client
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
