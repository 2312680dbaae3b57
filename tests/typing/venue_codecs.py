"""Checked by mypy, never run: each venue's modules offer the whole of their protocols."""

from outlast.private_wire import FlowsCodec, PrivateStreamCodec, TradeSocketCodec
from outlast.stream_wire import MarketStreamCodec, PublicDataCodec
from outlast.venues import binance_spot, binance_um, kraken_spot
from outlast.venues.binance_spot import market_streams as spot_market
from outlast.venues.binance_spot import private_stream as spot_stream
from outlast.venues.binance_spot import public_data as spot_data
from outlast.venues.binance_spot import trade_socket as spot_socket
from outlast.venues.binance_um import flows as um_flows
from outlast.venues.binance_um import market_streams as um_market
from outlast.venues.binance_um import private_stream as um_stream
from outlast.venues.binance_um import public_data as um_data
from outlast.venues.binance_um import trade_socket as um_socket
from outlast.venues.kraken_spot import market_streams as kraken_market
from outlast.venues.kraken_spot import private_stream as kraken_stream
from outlast.venues.kraken_spot import public_data as kraken_data
from outlast.venues.kraken_spot import trade_socket as kraken_socket
from outlast.wire import VenueCodec

BINANCE_SPOT: VenueCodec = binance_spot
BINANCE_UM: VenueCodec = binance_um
KRAKEN_SPOT: VenueCodec = kraken_spot

STREAMS: tuple[PrivateStreamCodec, ...] = (spot_stream, um_stream, kraken_stream)
FLOWS: tuple[FlowsCodec, ...] = (um_flows,)
SOCKETS: tuple[TradeSocketCodec, ...] = (spot_socket, um_socket, kraken_socket)
MARKETS: tuple[MarketStreamCodec, ...] = (spot_market, um_market, kraken_market)
DATA: tuple[PublicDataCodec, ...] = (spot_data, um_data, kraken_data)
