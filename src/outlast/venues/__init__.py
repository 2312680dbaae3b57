"""The venues' codecs: one package of pure functions each, loaded when first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final, cast

from outlast.wire import VenueCodec

__all__ = ["codec", "venues"]

_MODULES: Final[Mapping[str, str]] = {
    "binance-spot": "outlast.venues.binance_spot",
    "binance-um": "outlast.venues.binance_um",
    "kraken-spot": "outlast.venues.kraken_spot",
}


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
