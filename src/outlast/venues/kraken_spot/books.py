"""The book channel of WebSocket v2, decoded in one step.

Prices and quantities are JSON numbers, written with the pair's precision. They become floats, or
Decimals for the symbols whose precision needs them; a price that is not above 0, a quantity below 0
or a number without bound is refused here, so that no book ever sees one.

Source: Kraken docs, WebSocket v2 channel book, read 2026-05-27.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from outlast.venues._answers import UNREADABLE, check_amount

__all__ = ["DEPTHS", "BookDecoder", "BookMessage", "UnreadableBook", "book_decoder", "wire_depth"]

DEPTHS: Final = (10, 25, 100, 500, 1000)
"""What can be subscribed."""
_IN_CHECKSUM: Final = 10
_END: Final = 1e15
"""From here on a float does not even keep whole units."""
_Price = Annotated[float, Meta(gt=0, lt=_END)]
_Qty = Annotated[float, Meta(ge=0, lt=_END)]
_Checksum = Annotated[int, Meta(ge=0, lt=2**32)]


def wire_depth(depth: int) -> int:
    """The depth to subscribe so that `depth` levels can be read.

    More than 10, always: the checksum covers ten levels, and a book of ten has none in reserve.

    Raises:
        ValueError: nobody can have so many.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}; it must be at least 1")
    for offered in DEPTHS:
        if offered >= depth and offered > _IN_CHECKSUM:
            return offered
    raise ValueError(f"depth is {depth}; Kraken offers at most {DEPTHS[-1]}")


@dataclass(frozen=True, slots=True)
class UnreadableBook:
    """A message that is about a book and could not be read. What it changed is not known."""

    symbol: str | None
    """None when not even that could be read: then it may be any."""
    detail: str


class BookMessage(msgspec.Struct, gc=False):
    """One symbol's levels, with the checksum of the book after them."""

    symbol: str
    checksum: _Checksum
    bids: Any = ()
    asks: Any = ()
    timestamp: str = ""
    is_snapshot: bool = False
    """Set by the decoder: the whole book, not a change."""

    @property
    def venue_time_s(self) -> float | None:
        """Seconds since the epoch; None where the message has no time, or none that can be read."""
        try:
            return datetime.fromisoformat(self.timestamp).timestamp()
        except ValueError:
            return None


class _FloatLevel(msgspec.Struct, gc=False):
    price: _Price
    qty: _Qty


class _ExactLevel(msgspec.Struct, gc=False):
    price: Decimal
    qty: Decimal


class _FloatMessage(BookMessage, gc=False):
    bids: list[_FloatLevel] = msgspec.field(default_factory=list)
    asks: list[_FloatLevel] = msgspec.field(default_factory=list)


class _ExactMessage(BookMessage, gc=False):
    bids: list[_ExactLevel] = msgspec.field(default_factory=list)
    asks: list[_ExactLevel] = msgspec.field(default_factory=list)


class _FloatUpdate(msgspec.Struct, tag_field="type", tag="update", gc=False):
    channel: Literal["book"]
    data: tuple[_FloatMessage]


class _FloatSnapshot(msgspec.Struct, tag_field="type", tag="snapshot", gc=False):
    channel: Literal["book"]
    data: tuple[_FloatMessage]


class _ExactFrame(msgspec.Struct, gc=False):
    channel: Literal["book"]
    data: tuple[_ExactMessage]


class _Named(msgspec.Struct):
    symbol: str | None = None


class _Head(msgspec.Struct):
    channel: str | None = None
    type: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


_head: Final = msgspec.json.Decoder(_Head)
_named: Final = msgspec.json.Decoder(list[_Named])


class BookDecoder:
    """Decodes the book channel of one socket.

    `exact_symbols` are those whose numbers do not fit floats; with any of them on the socket every
    message is looked at twice.
    """

    __slots__ = ("_decode_exact", "_decode_float", "_exact")

    def __init__(self, exact_symbols: Iterable[str] = ()) -> None:
        self._decode_float: Callable[[bytes], _FloatUpdate | _FloatSnapshot] = msgspec.json.Decoder(
            _FloatUpdate | _FloatSnapshot
        ).decode
        self._decode_exact: Callable[[bytes], _ExactFrame] = msgspec.json.Decoder(
            _ExactFrame
        ).decode
        self._exact = set(exact_symbols)

    def decode_exactly(self, symbol: str) -> None:
        """From the next message on, numbers of this symbol are Decimals."""
        self._exact.add(symbol)

    def decode(self, raw: bytes) -> BookMessage | UnreadableBook | None:
        """The message; None when it is about something else. Never raises."""
        if self._exact:
            return self._decode_slowly(raw)
        try:
            frame = self._decode_float(raw)
        except UNREADABLE:
            return self._decode_slowly(raw)  # about something else, most likely
        message = frame.data[0]
        if type(frame) is not _FloatUpdate:
            message.is_snapshot = True
        return message

    def _decode_slowly(self, raw: bytes) -> BookMessage | UnreadableBook | None:
        try:
            head = _head.decode(raw)
        except UNREADABLE as error:
            is_book = b'"book"' in raw[:60]
            return UnreadableBook(None, f"{error}: {raw[:80]!r}") if is_book else None
        if head.channel != "book":
            return None
        symbol: str | None = None
        try:
            symbols = {each.symbol for each in _named.decode(head.data)}
            if len(symbols) != 1:
                raise ValueError(f"{len(symbols)} books in one message")
            (symbol,) = symbols
            message: BookMessage
            if symbol in self._exact:
                message = self._decode_exact(raw).data[0]
                _check_levels(message)
            else:
                message = self._decode_float(raw).data[0]
            if head.type not in {"snapshot", "update"}:
                raise ValueError(f"a book message of type {head.type!r}")
        except (*UNREADABLE, IndexError) as error:
            return UnreadableBook(symbol, str(error))
        message.is_snapshot = head.type == "snapshot"
        return message


def _check_levels(message: BookMessage) -> None:
    for level in (*message.bids, *message.asks):
        check_amount("price", level.price)
        check_amount("qty", level.qty)
        if level.price <= 0 or level.qty < 0:
            raise ValueError(f"level {level.price} × {level.qty}")


def book_decoder(exact_symbols: Iterable[str] = ()) -> BookDecoder:
    """A decoder for one socket."""
    return BookDecoder(exact_symbols)
