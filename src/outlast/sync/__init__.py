"""The whole session for synchronous code: one background thread with one event loop.

    with outlast.sync.connect("kraken-spot", key=..., secret=...) as venue:
        order = venue.submit(outlast.limit("BTC/USD", "buy", qty="0.01", price="60000"))

The names are those of `outlast.Session`; what is awaited there returns here.
"""

from outlast.sync.session import Session, connect, connect_from_env

__all__ = ["Session", "connect", "connect_from_env"]
