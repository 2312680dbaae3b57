"""Order book messages of both Binance products, decoded in one step.

Numbers become floats, or Decimals for the symbols whose precision needs them. A price that is not
above 0, a quantity below 0, NaN and infinity are refused here, so that no book ever sees one.

Source: Binance spot docs, web-socket-streams.md, 2026-07; USD-M futures docs, Diff. Book Depth
Streams and Individual Symbol Book Ticker Streams, 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta

from outlast.venues._answers import UNREADABLE, check_amount

__all__ = [
    "BookDecoder",
    "BookTicker",
    "D",
    "DepthDiff",
    "DepthSnapshot",
    "ExactRows",
    "FloatRows",
    "Id",
    "UnreadableBook",
]

_END: Final = 1e15
"""From here on a float does not even keep whole units."""
Price = Annotated[float, Meta(gt=0, lt=_END)]
Qty = Annotated[float, Meta(ge=0, lt=_END)]
Id = Annotated[int, Meta(ge=0)]
FloatRows = list[tuple[Price, Qty]]
ExactRows = list[tuple[Decimal, Decimal]]

D = TypeVar("D", bound="DepthDiff")


@dataclass(frozen=True, slots=True)
class UnreadableBook:
    """A message that is about a book and could not be read. What it changed is not known."""

    symbol: str | None
    """The venue's spelling; None when not even that could be read: then it may be any."""
    detail: str


class DepthDiff(msgspec.Struct, gc=False):
    """What changed between two update ids. A quantity of 0: the level is gone."""

    event_ms: int = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    first_id: Id = msgspec.field(name="U")
    last_id: Id = msgspec.field(name="u")
    bids: Any = msgspec.field(name="b")
    asks: Any = msgspec.field(name="a")

    @property
    def venue_time_s(self) -> float:
        return self.event_ms / 1000


class BookTicker(msgspec.Struct, gc=False):
    """The best bid and ask as of one update id. Numbers as in the symbol's book."""

    symbol: str = msgspec.field(name="s")
    update_id: Id = msgspec.field(name="u")
    bid: Any = msgspec.field(name="b")
    bid_qty: Any = msgspec.field(name="B")
    ask: Any = msgspec.field(name="a")
    ask_qty: Any = msgspec.field(name="A")


class _FloatTicker(BookTicker, gc=False):
    bid: Qty = msgspec.field(name="b")  # 0 when nobody bids
    bid_qty: Qty = msgspec.field(name="B")
    ask: Qty = msgspec.field(name="a")
    ask_qty: Qty = msgspec.field(name="A")


class _ExactTicker(BookTicker, gc=False):
    bid: Decimal = msgspec.field(name="b")
    bid_qty: Decimal = msgspec.field(name="B")
    ask: Decimal = msgspec.field(name="a")
    ask_qty: Decimal = msgspec.field(name="A")


class DepthSnapshot(msgspec.Struct):
    """The answer to `GET /depth`."""

    last_id: Id = msgspec.field(name="lastUpdateId")
    bids: Any = ()
    asks: Any = ()


class _FloatSnapshot(DepthSnapshot):
    bids: FloatRows = msgspec.field()
    asks: FloatRows = msgspec.field()


class _ExactSnapshot(DepthSnapshot):
    bids: ExactRows = msgspec.field()
    asks: ExactRows = msgspec.field()


class _Head(msgspec.Struct):
    """Enough of any message to tell what it is."""

    e: str | None = None
    s: str | None = None
    u: int | None = None
    B: msgspec.Raw = msgspec.Raw()
    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw()


_head: Final = msgspec.json.Decoder(_Head)
_float_ticker: Final = msgspec.json.Decoder(_FloatTicker, strict=False)
_exact_ticker: Final = msgspec.json.Decoder(_ExactTicker)
_float_snapshot: Final = msgspec.json.Decoder(_FloatSnapshot, strict=False)
_exact_snapshot: Final = msgspec.json.Decoder(_ExactSnapshot)

_DEPTH_HEAD: Final = b'{"e":"depthUpdate"'
_TICKER_HEADS: Final = (b'{"u":', b'{"e":"bookTicker"')


class BookDecoder(Generic[D]):
    """Decodes what a market data socket brings about books; use the product's `book_decoder`.

    Takes messages with and without the envelope of combined streams. `exact_symbols` are those (in
    the venue's spelling) whose numbers do not fit floats; with any of them on the socket every
    message is looked at twice.
    """

    __slots__ = ("_decode_exact_diff", "_decode_float_diff", "_exact")

    def __init__(
        self, float_diff: type[D], exact_diff: type[D], exact_symbols: Iterable[str] = ()
    ) -> None:
        self._decode_float_diff: Callable[[bytes], D] = msgspec.json.Decoder(
            float_diff, strict=False
        ).decode
        self._decode_exact_diff: Callable[[bytes], D] = msgspec.json.Decoder(exact_diff).decode
        self._exact = set(exact_symbols)

    def decode_exactly(self, symbol: str) -> None:
        """From the next message on, numbers of this symbol are Decimals."""
        self._exact.add(symbol)

    def decode(self, raw: bytes) -> D | BookTicker | UnreadableBook | None:
        """The message; None when it is about something else. Never raises."""
        if not self._exact:
            # The order of a JSON object's fields promises nothing, so this is a short cut only.
            try:
                if raw.startswith(_DEPTH_HEAD):
                    return self._decode_float_diff(raw)
                if raw.startswith(_TICKER_HEADS):
                    return _float_ticker.decode(raw)
            except UNREADABLE:
                pass  # said below, with the symbol
        return self._decode_slowly(raw)

    def _decode_slowly(self, raw: bytes) -> D | BookTicker | UnreadableBook | None:
        try:
            head = _head.decode(raw)
        except UNREADABLE as error:
            is_diff = b"depthUpdate" in raw[:120]
            return UnreadableBook(None, f"{error}: {raw[:80]!r}") if is_diff else None
        if head.stream is not None:
            return self.decode(bytes(head.data))
        is_diff = head.e == "depthUpdate"
        if not is_diff and not (
            head.e in {None, "bookTicker"} and head.u is not None and bytes(head.B)
        ):
            return None
        try:
            if head.s not in self._exact:
                return self._decode_float_diff(raw) if is_diff else _float_ticker.decode(raw)
            if is_diff:
                diff = self._decode_exact_diff(raw)
                _check_rows(diff.bids)
                _check_rows(diff.asks)
                return diff
            ticker = _exact_ticker.decode(raw)
            for name in ("bid", "bid_qty", "ask", "ask_qty"):
                check_amount(name, getattr(ticker, name))
        except UNREADABLE as error:
            return UnreadableBook(head.s, str(error)) if is_diff else None
        return ticker

    def snapshot(self, body: bytes, symbol: str) -> DepthSnapshot | UnreadableBook:
        """A successful answer to `GET /depth` of this symbol."""
        try:
            if symbol not in self._exact:
                return _float_snapshot.decode(body)
            found = _exact_snapshot.decode(body)
            _check_rows(found.bids)
            _check_rows(found.asks)
        except UNREADABLE as error:
            return UnreadableBook(symbol, str(error))
        return found


def _check_rows(rows: ExactRows) -> None:
    for price, qty in rows:
        check_amount("price", price)
        check_amount("qty", qty)
        if price <= 0 or qty < 0:
            raise ValueError(f"level {price} × {qty}")
