"""Checked by mypy, never run: each venue's module offers the whole of `VenueCodec`."""

from outlast.venues import binance_spot, binance_um, kraken_spot
from outlast.wire import VenueCodec

BINANCE_SPOT: VenueCodec = binance_spot
BINANCE_UM: VenueCodec = binance_um
KRAKEN_SPOT: VenueCodec = kraken_spot
