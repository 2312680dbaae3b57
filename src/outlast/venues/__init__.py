"""The venues' codecs: one package of pure functions each, loaded when first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final, cast

from outlast.private_wire import FlowsCodec, PrivateStreamCodec, TradeSocketCodec
from outlast.stream_wire import MarketStreamCodec, PublicDataCodec
from outlast.wire import VenueCodec

__all__ = [
    "codec",
    "flows",
    "market_streams",
    "private_stream",
    "public_data",
    "trade_socket",
    "venues",
]

_MODULES: Final[Mapping[str, str]] = {
    "binance-spot": "outlast.venues.binance_spot",
    "binance-um": "outlast.venues.binance_um",
    "kraken-spot": "outlast.venues.kraken_spot",
}

_LIST_FLOWS: Final = frozenset({"binance-um"})


def venues() -> tuple[str, ...]:
    """The ids of the venues that can be connected to."""
    return tuple(_MODULES)


def codec(venue_id: str) -> VenueCodec:
    """The codec of one venue.

    Raises:
        ValueError: there is none of that id; the message lists those that there are.
    """
    name = _MODULES.get(venue_id)
    if name is None:
        raise ValueError(f"venue {venue_id!r} is unknown; available: {', '.join(venues())}")
    # That each module is a VenueCodec is checked by mypy in tests/typing.
    return cast("VenueCodec", importlib.import_module(name))


def market_streams(venue_id: str) -> MarketStreamCodec:
    """How a venue of `venues()` streams books, trades, tickers and candles."""
    module = importlib.import_module(f"{_MODULES[venue_id]}.market_streams")
    return cast("MarketStreamCodec", module)


def public_data(venue_id: str) -> PublicDataCodec:
    """How a venue of `venues()` gives trades, tickers and candles over REST."""
    return cast("PublicDataCodec", importlib.import_module(f"{_MODULES[venue_id]}.public_data"))


def private_stream(venue_id: str) -> PrivateStreamCodec:
    """How a venue of `venues()` tells of an account."""
    module = importlib.import_module(f"{_MODULES[venue_id]}.private_stream")
    return cast("PrivateStreamCodec", module)


def flows(venue_id: str) -> FlowsCodec | None:
    """How a venue of `venues()` lists transfers and funding; None where only its stream tells."""
    if venue_id not in _LIST_FLOWS:
        return None
    return cast("FlowsCodec", importlib.import_module(f"{_MODULES[venue_id]}.flows"))


def trade_socket(venue_id: str) -> TradeSocketCodec:
    """How a venue of `venues()` takes orders over a socket."""
    return cast("TradeSocketCodec", importlib.import_module(f"{_MODULES[venue_id]}.trade_socket"))
