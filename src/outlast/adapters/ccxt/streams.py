"""`watch_*`: a stream that has gone silent, or shows a crossed book, is not handed out as true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from ccxt.base import errors as ccxt

from outlast.adapters.ccxt.driving import Driver
from outlast.adapters.ccxt.gate import Gate
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.adapters.ccxt.verdict import StaleStream, marked
from outlast.client.guard import local_failure

__all__ = ["WRAPPED", "Watches"]

WRAPPED: Final = (
    "watch_order_book",
    "watch_order_book_for_symbols",
    "watch_ticker",
    "watch_tickers",
    "watch_bids_asks",
)
"""Those that speak all the time at a healthy venue. Trades, orders and balances may be silent."""


class Watches:
    """For ccxt.pro. A wait that has taken too long goes on behind, for the next call to pick up."""

    def __init__(self, *, driver: Driver, gate: Gate, settings: GuardSettings) -> None:
        self._driver = driver
        self._gate = gate
        self._settings = settings
        self._waits: dict[tuple[str, str], asyncio.Task[Any]] = {}

    def wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any] | None:
        """What is put in place of the method `name`; None for one that stays as it is."""
        if name not in WRAPPED or not self._driver.is_async:
            return None

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            key = (name, repr((args, sorted(kwargs.items()))))
            wait = self._waits.get(key)
            if wait is None:
                wait = self._waits[key] = asyncio.ensure_future(original(*args, **kwargs))
                wait.add_done_callback(lambda _: self._waits.pop(key, None))
            # The wait itself is not cancelled: ccxt shares what it waits for with others.
            await asyncio.wait({wait}, timeout=self._settings.stale_after_s)
            if not wait.done():
                raise self._stale(f"{name} has said nothing for {self._settings.stale_after_s:g} s")
            shown = wait.result()
            if name.startswith("watch_order_book") and _is_crossed(shown):
                raise self._stale(f"{name} shows a crossed book: bid at or above ask")
            return shown

        return wrapped

    async def close(self) -> None:
        """Let go of what is still being waited for."""
        waits = list(self._waits.values())
        for wait in waits:
            wait.cancel()
        if waits:  # without an event loop there are none, and nothing to gather them on
            await asyncio.gather(*waits, return_exceptions=True)

    def _stale(self, text: str) -> Exception:
        failure = local_failure("stale_data", f"{text}; what it said last may not be true any more")
        error: Exception = marked(StaleStream(failure.message), self._gate.verdict(failure))
        return error


def _is_crossed(book: Any) -> bool:
    try:
        return bool(book["bids"] and book["asks"] and book["bids"][0][0] >= book["asks"][0][0])
    except (KeyError, IndexError, TypeError):
        raise ccxt.BadResponse("the order book has neither bids nor asks") from None
