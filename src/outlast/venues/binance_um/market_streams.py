"""USD-M's market streams: what to say, and what is said. See `_binance_streams` for what is shared.

Since 2026-04-23 each kind of stream has its own route. On the wrong one it is confirmed and stays
silent. Source: Binance USD-M futures docs, WebSocket Market Streams, "Connect", 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from outlast.model import Instrument
from outlast.stream_wire import Channel, Frame, StreamTraits, Topic
from outlast.venues import _binance_streams as streams
from outlast.venues._binance_streams import MarketDecoder, topic
from outlast.venues.binance_um.books import FuturesDiff, market_decoder
from outlast.venues.binance_um.limits import DEPTH_COSTS

__all__ = [
    "TRAITS",
    "book_topic",
    "decoder",
    "ping",
    "stream_symbol",
    "subscribe",
    "topic",
    "unsubscribe",
    "url",
]

TRAITS: Final = StreamTraits(
    topics_max=400,  # of 1024: a book is two, and one socket less is one load less to lose
    frame_every_s=0.25,  # ten messages a second
    has_quotes=True,
    has_snapshots=False,
)
_ROUTES: Final = {Channel.BOOK: "public", Channel.QUOTE: "public"}


def stream_symbol(instrument: Instrument) -> str:
    return instrument.venue_symbol


def book_topic(instrument: Instrument, *, depth: int) -> Topic:
    """Diffs are of all levels; the depth is the snapshot's."""
    if not 1 <= depth <= max(DEPTH_COSTS):
        raise ValueError(f"depth is {depth}; Binance USD-M offers 1 to {max(DEPTH_COSTS)}")
    return topic(Channel.BOOK, instrument)


def url(root: str, channel: Channel) -> str:
    """Books and quotes are public, trades, tickers and candles are market."""
    return f"{root}/{_ROUTES.get(channel, 'market')}/ws"


def subscribe(topics: Sequence[Topic], *, first_id: int) -> list[Frame]:
    return streams.frames("SUBSCRIBE", topics, first_id)


def unsubscribe(topics: Sequence[Topic], *, first_id: int) -> list[Frame]:
    return streams.frames("UNSUBSCRIBE", topics, first_id)


def ping() -> bytes:
    """The venue has no ping of its own; the protocol's do."""
    return b'{"method":"LIST_SUBSCRIPTIONS","id":null}'


def decoder() -> MarketDecoder[FuturesDiff]:
    """A decoder for one socket."""
    return market_decoder()
