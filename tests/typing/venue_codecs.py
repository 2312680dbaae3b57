"""Checked by mypy, never run: each venue's module offers the whole of `VenueCodec`."""

from outlast.venues import binance_um
from outlast.wire import VenueCodec

BINANCE_UM: VenueCodec = binance_um
