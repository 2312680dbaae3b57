"""Spot's market streams: what to say, and what is said. See `_binance_streams` for what is shared.

Source: Binance spot docs, web-socket-streams.md, "General WSS information", 2026-07.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from outlast.model import Instrument
from outlast.stream_wire import Channel, Frame, StreamTraits, Topic
from outlast.venues import _binance_streams as streams
from outlast.venues._binance_streams import MarketDecoder, topic
from outlast.venues.binance_spot.books import SpotDiff, market_decoder
from outlast.venues.binance_spot.limits import DEPTH_MAX

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
    frame_every_s=0.4,  # five messages a second, pings and pongs among them
    has_quotes=True,
    has_snapshots=False,
)


def stream_symbol(instrument: Instrument) -> str:
    return instrument.venue_symbol


def book_topic(instrument: Instrument, *, depth: int) -> Topic:
    """Diffs are of all levels; the depth is the snapshot's."""
    if not 1 <= depth <= DEPTH_MAX:
        raise ValueError(f"depth is {depth}; Binance spot offers 1 to {DEPTH_MAX}")
    return topic(Channel.BOOK, instrument)


def url(root: str, channel: Channel) -> str:
    return f"{root}/ws"


def subscribe(topics: Sequence[Topic], *, first_id: int) -> list[Frame]:
    return streams.frames("SUBSCRIBE", topics, first_id)


def unsubscribe(topics: Sequence[Topic], *, first_id: int) -> list[Frame]:
    return streams.frames("UNSUBSCRIBE", topics, first_id)


def ping() -> bytes:
    """The venue has no ping of its own; the protocol's do."""
    return b'{"method":"LIST_SUBSCRIPTIONS","id":null}'


def decoder() -> MarketDecoder[SpotDiff]:
    """A decoder for one socket."""
    return market_decoder()
