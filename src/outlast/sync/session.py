"""`outlast.sync.connect`: a session whose methods return instead of being awaited."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from decimal import Decimal
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from outlast.client.connect import connect as connect_async
from outlast.client.connect import connect_from_env as connect_async_from_env
from outlast.client.events import Event
from outlast.client.exits import CloseReport
from outlast.client.orders import CancelReport
from outlast.client.session import Orders, ReconcileReport
from outlast.client.session import Session as AsyncSession
from outlast.errors import ConfigurationError
from outlast.model import Balance, Instrument, Money, Order, OrderRequest, Position, TradingState
from outlast.sync.loop_thread import LoopThread, Steps, refuse_running_loop

__all__ = ["Session", "connect", "connect_from_env"]

V = TypeVar("V")


class Holdings(Mapping[str, V]):
    """Balances or positions, read on the session's own thread."""

    def __init__(self, thread: LoopThread, held: Any) -> None:
        self._thread = thread
        self._held = held

    def __getitem__(self, name: str) -> V:
        """The value as last believed.

        Raises:
            StaleData: what is known may no longer be true; `peek` gives it anyway.
        """
        value: V = self._thread.ask(lambda: self._held[name])
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._thread.ask(lambda: list(self._held)))

    def __len__(self) -> int:
        return int(self._thread.ask(self._held.__len__))

    def peek(self, name: str) -> V:
        """The value with its age, stale or not."""
        value: V = self._thread.ask(lambda: self._held.peek(name))
        return value


class _Orders:
    """`Session.orders`, read on the session's own thread."""

    def __init__(self, thread: LoopThread, orders: Orders) -> None:
        self._thread = thread
        self._orders = orders

    def open(self, symbol: str | None = None) -> list[Order]:
        """Acknowledged and still in the book."""
        return self._thread.ask(lambda: self._orders.open(symbol))

    def unknown(self, symbol: str | None = None) -> list[Order]:
        """Those that may be live without our knowing."""
        return self._thread.ask(lambda: self._orders.unknown(symbol))

    def get(self, client_order_id: str) -> Order | None:
        """One order; None when it is of no journal of ours."""
        return self._thread.ask(lambda: self._orders.get(client_order_id))

    def all(self) -> list[Order]:
        """Every order that the session knows."""
        return self._thread.ask(self._orders.all)


class Session:
    """`outlast.Session` for synchronous code; made by `outlast.sync.connect`, opened by `with`.

    All threads may use it. Methods that are not named here are those of `outlast.Session`, which
    says what they do: a coroutine returns its result, an asynchronous iterator is a plain one.
    """

    def __init__(self, make: Callable[[], AsyncSession]) -> None:
        self._make = make
        self._thread: LoopThread | None = None
        self._async: AsyncSession | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Open the session.

        Raises:
            ConfigurationError: an event loop runs here, or the session is open already.
            OutlastError: as for `outlast.Session`.
        """
        refuse_running_loop()
        if self._thread is not None:
            raise ConfigurationError("the session is open already; make another with connect")
        thread = self._thread = LoopThread("outlast")
        with contextlib.ExitStack() as stack:
            stack.callback(self._forget)
            stack.callback(thread.stop)
            self._async = thread.ask(self._make)
            stack.enter_context(thread.held(self._async))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the session. Orders that stand, stand."""
        self._stack.__exit__(kind, error, traceback)

    def _forget(self) -> None:
        self._thread = self._async = None

    @property
    def _open(self) -> tuple[LoopThread, AsyncSession]:
        if self._thread is None or self._async is None:
            raise ConfigurationError("the session is not open; use it inside `with connect(...)`")
        return self._thread, self._async

    # Orders.

    def submit(self, order: OrderRequest, *, deadline_s: float | None = None) -> Order:
        """The order once its outcome is known. Ctrl-C ends the waiting; settling goes on."""
        thread, session = self._open
        return thread.result(session.submit(order, deadline_s=deadline_s))

    def settle(self, client_order_id: str, *, timeout_s: float | None = None) -> Order:
        """Wait until an unknown order is known."""
        thread, session = self._open
        return thread.result(session.settle(client_order_id, timeout_s=timeout_s))

    def cancel(self, client_order_id: str) -> Order:
        """Cancel one order."""
        thread, session = self._open
        return thread.result(session.cancel(client_order_id))

    def cancel_all(self, symbol: str | None = None) -> CancelReport:
        """Cancel all open orders, of one symbol or of all."""
        thread, session = self._open
        return thread.result(session.cancel_all(symbol))

    def cancel_many(self, client_order_ids: Iterable[str]) -> CancelReport:
        """Cancel these orders, in as few requests as the venue takes."""
        thread, session = self._open
        return thread.result(session.cancel_many(client_order_ids))

    def amend(
        self,
        client_order_id: str,
        *,
        price: Money | None = None,
        qty: Money | None = None,
        deadline_s: float | None = None,
    ) -> Order:
        """Give a live order another price, another quantity, or both; it keeps its ids."""
        thread, session = self._open
        return thread.result(
            session.amend(client_order_id, price=price, qty=qty, deadline_s=deadline_s)
        )

    def close_position(
        self,
        symbol: str,
        *,
        max_slippage: Decimal | str | None = None,
        deadline_s: float | None = None,
    ) -> CloseReport:
        """Keep trying, changing shape, until flat."""
        thread, session = self._open
        return thread.result(
            session.close_position(symbol, max_slippage=max_slippage, deadline_s=deadline_s)
        )

    def reconcile(self) -> ReconcileReport:
        """Bring everything in line with the venue."""
        thread, session = self._open
        return thread.result(session.reconcile())

    def dead_mans_switch(
        self,
        timeout_s: float = 60,
        *,
        during_maintenance: Literal["disarm", "keep"] = "disarm",
    ) -> AbstractContextManager[Any]:
        """While inside: the venue cancels everything when we fall silent for `timeout_s`."""
        thread, session = self._open
        switch: Any = thread.ask(
            lambda: session.dead_mans_switch(timeout_s, during_maintenance=during_maintenance)
        )
        return thread.held(switch)

    # What is known.

    @property
    def orders(self) -> _Orders:
        """Orders from the cache."""
        thread, session = self._open
        return _Orders(thread, session.orders)

    @property
    def balances(self) -> Holdings[Balance]:
        """Balances by currency."""
        thread, session = self._open
        return Holdings(thread, session.balances)

    @property
    def positions(self) -> Holdings[Position]:
        """Positions by symbol."""
        thread, session = self._open
        return Holdings(thread, session.positions)

    def instrument(self, symbol: str) -> Instrument:
        """Tick, lot and minimums of one symbol."""
        thread, session = self._open
        return thread.ask(lambda: session.instrument(symbol))

    def quantize(self, order: OrderRequest) -> OrderRequest:
        """The order on the venue's grid of prices and quantities."""
        thread, session = self._open
        return thread.result(session.quantize(order))

    def trading_state(self, symbol: str) -> TradingState:
        """What may be done on one symbol now."""
        thread, session = self._open
        return thread.ask(lambda: session.trading_state(symbol))

    def wait_until(self, state: TradingState, symbol: str) -> None:
        """Wait until one symbol may be traded so."""
        thread, session = self._open
        thread.result(session.wait_until(state, symbol))

    def events(self) -> Steps[Event]:
        """Everything that happens, as an iterator that waits for the next event."""
        thread, session = self._open
        return Steps(thread, thread.ask(session.events))

    def __getattr__(self, name: str) -> Any:
        """Whatever else `outlast.Session` has, by the same rules."""
        if name.startswith("_") or (
            not hasattr(AsyncSession, name) and self.__dict__.get("_async") is None
        ):
            raise AttributeError(f"a session has no {name!r}")
        thread, session = self._open
        value = thread.ask(lambda: getattr(session, name))
        return _plain(thread, value) if callable(value) else value


def _plain(thread: LoopThread, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        async def do() -> Any:
            made = function(*args, **kwargs)
            return await made if inspect.isawaitable(made) else made

        made = thread.result(do())
        return Steps(thread, made) if hasattr(made, "__anext__") else made

    return call


def connect(venue: str, **wiring: Any) -> Session:
    """As `outlast.connect`, with the same arguments; open it with `with`.

    Raises:
        ConfigurationError: something is missing or malformed, or an event loop is running here.
    """
    return _made(functools.partial(connect_async, venue, **wiring))


def connect_from_env(venue: str, **wiring: Any) -> Session:
    """As `outlast.connect_from_env`, with the same arguments; open it with `with`.

    Raises:
        ConfigurationError: no key in the environment, or an event loop is running here.
    """
    return _made(functools.partial(connect_async_from_env, venue, **wiring))


def _made(make: Callable[[], AsyncSession]) -> Session:
    refuse_running_loop()
    make()  # what is wired wrong shows here; the session that is used is made on its own thread
    return Session(make)
