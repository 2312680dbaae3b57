"""Puts the guard on an exchange, and takes it off again."""

from __future__ import annotations

import functools
import os
import random
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ccxt.async_support.base.exchange import Exchange as AsyncExchange
from ccxt.base.exchange import Exchange

from outlast.adapters.ccxt import plausible, streams
from outlast.adapters.ccxt.dialects import dialect_of
from outlast.adapters.ccxt.driving import AsyncDriver, Driver, SyncDriver
from outlast.adapters.ccxt.gate import Gate, current
from outlast.adapters.ccxt.keeping import LettingStore
from outlast.adapters.ccxt.orders import WRAPPED, OrderDesk
from outlast.adapters.ccxt.plausible import Plausibility
from outlast.adapters.ccxt.records import OrderRecords
from outlast.adapters.ccxt.returning import WayBack
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.adapters.ccxt.settling import Settler
from outlast.adapters.ccxt.streams import Watches
from outlast.adapters.ccxt.survey import Survey
from outlast.adapters.ccxt.verdict import OrderHeld, RiskHeld, StaleStream
from outlast.backends.journal import MemoryStore
from outlast.client.journal import Journal
from outlast.core.recovery import Stage
from outlast.errors import ConfigurationError
from outlast.model import Order
from outlast.wire import Clock, RecordStore

__all__ = ["Guarded", "OrderHeld", "RiskHeld", "StaleStream", "put_on", "take_off"]

_SHOWN: Final = (
    "fetch_order",
    "fetch_orders",
    "fetch_open_order",
    "fetch_open_orders",
    "fetch_closed_orders",
    "fetch_canceled_orders",
    "fetch_canceled_and_closed_orders",
    "watch_orders",
)
"""What tells a bot of its orders."""


class Guarded:
    """What the guard knows: `exchange.outlast`."""

    def __init__(
        self,
        exchange: Any,
        *,
        journal: str | os.PathLike[str] | RecordStore | None,
        settings: GuardSettings,
        clock: Clock | None,
    ) -> None:
        is_async = isinstance(exchange, AsyncExchange)
        driver: Driver = AsyncDriver(clock) if is_async else SyncDriver(clock)
        rng = random.Random(settings.seed)  # noqa: S311 - jitter and ids, not secrets
        dialect = dialect_of(exchange.id)
        self._driver = driver
        store = _store(journal)
        try:
            self._journal = Journal(
                store,
                venue=f"ccxt:{exchange.id}",
                clock=driver.clock,
                rng=rng,
                uuid_ids=dialect.ids is not None and dialect.ids.is_uuid,
            )
        except BaseException:
            store.close()
            raise
        self._records = OrderRecords(dialect=dialect, driver=driver, journal=self._journal)
        self._gate = Gate(
            exchange,
            dialect=dialect,
            driver=driver,
            journal=self._journal,
            settings=settings,
            rng=rng,
        )
        settler = Settler(
            exchange,
            dialect=dialect,
            driver=driver,
            records=self._records,
            settings=settings,
            fence_id=self._records.next_id,
        )
        survey = Survey(
            exchange,
            dialect=dialect,
            driver=driver,
            journal=self._journal,
            records=self._records,
        )
        self._gate.on_trouble = survey.trouble
        self._plausibility = Plausibility(
            exchange, driver=driver, gate=self._gate, records=self._records, settings=settings
        )
        survey.on_positions = self._plausibility.note_positions
        self._way = WayBack(
            exchange,
            driver=driver,
            gate=self._gate,
            journal=self._journal,
            settings=settings,
            fence=settler.fence if dialect.is_fenced else None,
            compare=survey.ask_all,
        )
        self._desk = OrderDesk(
            exchange,
            dialect=dialect,
            driver=driver,
            gate=self._gate,
            records=self._records,
            settler=settler,
            survey=survey,
            way=self._way,
            position=self._plausibility.position,
            settings=settings,
            rng=rng,
        )
        self._watches = Watches(driver=driver, gate=self._gate, settings=settings)
        # Whoever just drops the exchange leaves nothing open behind.
        self._release = weakref.finalize(self, store.close)
        self._exchange = exchange
        self._names: list[str] = []
        self._before: dict[str, Any] = {}
        """What the instance had of its own under these names before."""

    def unknown(self) -> list[Order]:
        """Orders that may be live without anybody knowing."""
        return [entry.order for entry in self._records.unknown()]

    def order(self, client_order_id: str) -> Order | None:
        """What is known of one order of this guard."""
        entry = self._records.get(client_order_id)
        return None if entry is None else entry.order

    @property
    def stage(self) -> Stage:
        """How far the way back from an outage has been gone; FREE while there was none."""
        return self._way.stage

    def accept(self, name: str) -> bool:
        """Believe the last report of a currency or a position that fell to zero for no reason."""
        return self._plausibility.accept(name)

    def put_on(self) -> None:
        exchange, expose = self._exchange, self._driver.expose
        wrapped = self._gate.wrappers()
        for name in (*WRAPPED, *plausible.WRAPPED, *streams.WRAPPED):
            original = getattr(exchange, name, None)
            if original is None:
                continue
            for room in (self._desk, self._plausibility, self._watches):
                work = room.wrap(name, original)
                if work is not None:
                    wrapped[name] = _named(expose(work), original)
        for name in _SHOWN:
            original = getattr(exchange, name, None)
            if original is not None:
                wrapped[name] = _named(expose(self._noticing(original)), original)
        if hasattr(exchange, "close"):
            wrapped["close"] = _named(expose(self._closing(exchange.close)), exchange.close)
        for name, work in wrapped.items():
            self._set(name, work)
            camel = _camel(name)
            if camel != name and hasattr(exchange, camel):
                self._set(camel, work)
        exchange.outlast = self

    def take_off(self) -> None:
        """Give the exchange back as it was, and let go of the journal."""
        for name in self._names:
            delattr(self._exchange, name)
        for name, own in self._before.items():
            setattr(self._exchange, name, own)
        del self._exchange.outlast
        self._journal.close()
        self._release.detach()

    def _set(self, name: str, work: Callable[..., Any]) -> None:
        if name in vars(self._exchange):
            self._before[name] = vars(self._exchange)[name]
        setattr(self._exchange, name, work)
        self._names.append(name)

    def _noticing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def noticing(*args: Any, **kwargs: Any) -> Any:
            shown = await self._driver.call(original, *args, **kwargs)
            if current.get() is None:
                self._desk.notice(shown)
                await self._desk.tend()
            return shown

        return noticing

    def _closing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def closing(*args: Any, **kwargs: Any) -> Any:
            await self._driver.close()
            await self._watches.close()
            self._journal.close()
            return await self._driver.call(original, *args, **kwargs)

        return closing


def put_on(
    exchange: Any,
    *,
    journal: str | os.PathLike[str] | RecordStore | None,
    settings: GuardSettings | None,
    clock: Clock | None,
) -> Any:
    if not isinstance(exchange, Exchange | AsyncExchange):
        raise ConfigurationError(
            f"guard was given a {type(exchange).__name__}; it takes an instance of a ccxt "
            "exchange, such as outlast.guard(ccxt.kraken({...}))"
        )
    if isinstance(getattr(exchange, "outlast", None), Guarded):
        raise ConfigurationError(
            f"this {exchange.id} has a guard already; take it off first: outlast.unguard(exchange)"
        )
    Guarded(exchange, journal=journal, settings=settings or GuardSettings(), clock=clock).put_on()
    return exchange


def take_off(exchange: Any) -> Any:
    guarded = getattr(exchange, "outlast", None)
    if isinstance(guarded, Guarded):
        guarded.take_off()
    return exchange


def _store(journal: str | os.PathLike[str] | RecordStore | None) -> RecordStore:
    if journal is None:
        return MemoryStore()
    if isinstance(journal, str | os.PathLike):
        return LettingStore(Path(journal))
    return journal


def _named(work: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """`work` under the name, signature and documentation of what it stands in for."""
    return functools.wraps(original)(work)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
