"""`outlast.guard`: one line that makes an existing ccxt bot outlast an outage.

ccxt itself is imported when the first exchange is guarded, not before.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from outlast.adapters.ccxt.settings import GuardSettings
    from outlast.wire import Clock, RecordStore

__all__ = ["guard", "unguard"]

Exchange = TypeVar("Exchange")


def guard(
    exchange: Exchange,
    *,
    journal: str | os.PathLike[str] | RecordStore | None = "outlast.journal",
    settings: GuardSettings | None = None,
    clock: Clock | None = None,
) -> Exchange:
    """Put a guard on a ccxt exchange, and return the same instance.

    Every order is written down before it is sent, carries an id of its own, is sent once, and is
    looked for through the same exchange when its answer was lost. Bans are kept, planes that fail
    are left alone, cancels and reduce-only orders go first. Errors stay ccxt's own classes; what is
    known about them is in `error.outlast`.

    Args:
        exchange: of `ccxt`, `ccxt.async_support` or `ccxt.pro`, for any venue.
        journal: the file that remembers every intent across crashes. One per process and exchange.
            None keeps it in memory.
        settings: every default can stand.
        clock: for tests and simulation.

    Raises:
        ConfigurationError: it is no ccxt exchange, has a guard already, or the journal cannot be
            used. The message names the remedy.
    """
    from outlast.adapters.ccxt.guarding import put_on  # noqa: PLC0415 - it needs ccxt

    guarded: Exchange = put_on(exchange, journal=journal, settings=settings, clock=clock)
    return guarded


def unguard(exchange: Exchange) -> Exchange:
    """Take the guard off again and let go of its journal; an exchange without one stays as it is.

    Orders in doubt stay so in the journal: the next guard on it goes on with them.
    """
    from outlast.adapters.ccxt.guarding import take_off  # noqa: PLC0415 - it needs ccxt

    plain: Exchange = take_off(exchange)
    return plain
