"""A bot that asks only its own errors: after five in a row it pauses for a minute.

The usual circuit breaker around the call that sends an order, with the numbers that such libraries
come with (pybreaker: `fail_max=5`, `reset_timeout=60`). Every exception counts, whatever it says.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import ccxt

from outlast.drill.bots.quoting import TURN_S, CcxtQuotes, Heard

__all__ = ["run"]

ERRORS_MAX: Final = 5
PAUSE_S: Final = 60.0


async def run(exchange: Any, *, heard: Heard) -> None:
    """Quote until cancelled."""
    quotes = CcxtQuotes(exchange)
    await quotes.begin()
    clock = asyncio.get_running_loop()
    errors, paused_until = 0, 0.0
    while True:
        may_enter = clock.time() >= paused_until
        heard(may_enter)
        if may_enter:
            try:
                await quotes.enter()
                errors = 0
            except ccxt.BaseError:  # type: ignore[attr-defined]
                errors += 1
                if errors >= ERRORS_MAX:  # the first try after a pause decides by itself
                    paused_until = clock.time() + PAUSE_S
        await asyncio.sleep(TURN_S)
