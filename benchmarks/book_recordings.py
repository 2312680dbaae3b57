"""Recorded market data replayed through our books, each message compared with a plain book.

    python -m benchmarks.book_recordings FILE [FILE ...]

Takes recordings of Kraken's book channel (WebSocket v2) and of Binance's diff depth streams with
their REST snapshots and book tickers, spot and USD-M, in any of the forms that `recordings` reads;
several files are merged by time. Other channels are passed over.

The plain book is a dictionary that is sorted after each message. All levels are compared as
numbers, the best ones also as Decimals. What the recording itself lacks is a hole: both books must
see it, and begin anew with the next snapshot.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from benchmarks.recordings import Frame, dump, read
from outlast.core.books import (
    ChecksumBook,
    DiffBook,
    Distrust,
    ExactDigits,
    FloatDigits,
    FuturesDiffBook,
    SpotDiffBook,
)
from outlast.core.books.digits import FLOAT_DIGITS
from outlast.model import Level
from outlast.venues.binance_spot.books import book_decoder as spot_decoder
from outlast.venues.binance_um.books import book_decoder as um_decoder
from outlast.venues.kraken_spot.books import DEPTHS
from outlast.venues.kraken_spot.books import book_decoder as kraken_decoder

__all__ = ["Plain", "replay"]

TOP: Final = 20
"""Levels of a side that are also read as a caller would, in Decimals."""
LIMITS: Final = frozenset({5, 10, 20, 50, 100, 500, 1000, 5000})
"""Depths of REST snapshots: one with so many rows was cut there."""


_OF_TIME: Final = frozenset({Distrust.LATE, Distrust.SILENT})
"""What a recording played at another speed, or with rests in it, says of itself."""


@dataclass
class Plain:
    """The reference: dictionaries that are sorted when asked. Texts as received, by their price."""

    bids: dict[Decimal, tuple[str, str]] = field(default_factory=dict)
    asks: dict[Decimal, tuple[str, str]] = field(default_factory=dict)
    depth: int | None = None
    """Cut to so many after each message; None: never."""
    last_id: int = -1
    is_begun: bool = False
    """A diff has been applied since the snapshot."""
    known_from: tuple[Decimal, Decimal] = (Decimal(0), Decimal("inf"))

    def take(self, bids: Sequence[Any], asks: Sequence[Any]) -> None:
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for row in rows:
                price, qty = _pair(row)
                if Decimal(qty):
                    side[Decimal(price)] = price, qty
                else:
                    side.pop(Decimal(price), None)
        if self.depth is not None:
            for number in sorted(self.bids, reverse=True)[self.depth :]:
                del self.bids[number]
            for number in sorted(self.asks)[self.depth :]:
                del self.asks[number]

    def sorted(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """What is known in full, best first."""
        low, high = self.known_from
        return (
            [self.bids[price] for price in sorted(self.bids, reverse=True) if price >= low],
            [self.asks[price] for price in sorted(self.asks) if price <= high],
        )


def _pair(row: Any) -> tuple[str, str]:
    price, qty = (row["price"], row["qty"]) if isinstance(row, dict) else row[:2]
    return str(price), str(qty)


@dataclass
class _Replayed:
    book: Any
    plain: Plain | None = None
    waiting: list[dict[str, Any]] = field(default_factory=list)
    compared: int = 0
    differed: int = 0
    doubts: list[str] = field(default_factory=list)
    """Where our book did not say what the recording says."""
    holes: list[str] = field(default_factory=list)
    checksums: int = 0
    quotes: int = 0


class _Precision:
    """How many digits the numbers of each symbol have: the most that any of them has."""

    def __init__(self) -> None:
        self._decimals: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._whole: defaultdict[str, list[int]] = defaultdict(lambda: [1, 1])

    def learn(self, symbol: str, rows: Sequence[Any]) -> None:
        for row in rows:
            for number, text in enumerate(_pair(row)):
                whole, _, decimals = f"{Decimal(text):f}".partition(".")
                self._decimals[symbol][number] = max(self._decimals[symbol][number], len(decimals))
                self._whole[symbol][number] = max(self._whole[symbol][number], len(whole))

    def decimals(self, symbol: str) -> tuple[int, int]:
        price, qty = self._decimals[symbol]
        return price, qty

    def digits(self, symbol: str) -> FloatDigits | ExactDigits:
        price, qty = self.decimals(symbol)
        whole = self._whole[symbol]
        fits = max(whole[0] + price, whole[1] + qty) <= FLOAT_DIGITS
        return FloatDigits(price, qty) if fits else ExactDigits(price, qty)


def replay(*paths: Path, say: bool = True) -> bool:
    """True when every message left our book trusted and equal to the plain one."""
    recordings = [read(path) for path in paths]
    frames = sorted((f for each in recordings for f in each.frames), key=lambda frame: frame.at)
    unread = sum(each.unread for each in recordings)
    start = frames[0].at
    kraken, spot, um = _Kraken(start), _Binance(start, is_um=False), _Binance(start, is_um=True)
    for frame in frames:
        document = _body(frame.document)
        if document is None:
            continue
        if "channel" in document or "method" in document:
            kraken.look(frame, document)
        elif document.get("e") == "depthUpdate":
            (um if "pu" in document else spot).look(frame, document)
        elif {"lastUpdateId", "bids", "asks"} <= document.keys():
            (um if "T" in document or "E" in document else spot).look(frame, document)
        elif {"u", "s", "b", "B", "a", "A"} <= document.keys():
            (um if "T" in document else spot).look(frame, document)
    replayed = [*kraken.run().items(), *spot.run().items(), *um.run().items()]
    is_good = bool(replayed)
    for symbol, one in replayed:
        good = one.compared > 0 and not (one.differed or one.doubts or one.holes)
        is_good &= good
        if say:
            _tell(symbol, one, good=good)
    if say:
        if unread:
            print(f"{unread} pieces could not be read and were left out")
        if not replayed:
            print("no book in it")
    return is_good


def _body(document: Any) -> dict[str, Any] | None:
    """The message without the envelope of a combined stream; None: about something else."""
    if not isinstance(document, dict):
        return None
    stream = document.get("stream")
    if isinstance(stream, str) and isinstance(document.get("data"), dict):
        # A partial book (`@depth20`) is cut at each look: it proves nothing about the diffs.
        return (
            None if "@depth" in stream and "lastUpdateId" in document["data"] else document["data"]
        )
    return document


def _tell(symbol: str, one: _Replayed, *, good: bool) -> None:
    levels = one.plain.sorted() if one.plain else ([], [])
    best = " / ".join(side[0][0] for side in levels if side)
    print(
        f"{symbol}: {one.compared} messages compared, {one.differed} differed, "
        f"{one.checksums} checksums, {one.book.resyncs} snapshots, {one.quotes} quotes, "
        f"ends at {best}: {'ok' if good else 'WRONG'}"
    )
    for hole in one.holes[:10]:
        print(f"  hole: {hole}")
    for doubt in one.doubts[:10]:
        print(f"  {doubt}")


def _compare(one: _Replayed, now: float) -> None:
    assert one.plain is not None
    one.compared += 1
    book = one.book
    if book.reason is not None and book.reason not in _OF_TIME:
        one.doubts.append(f"{now:.3f}: {book.reason.value} {book.detail}")
        return
    view = book.view(lambda: now).peek()
    bids, asks = one.plain.sorted()
    kind = Decimal if isinstance(book.bid_side._digits, ExactDigits) else float  # noqa: SLF001
    for rows, side, levels in (
        (bids, book.bid_side, view.bids(TOP)),
        (asks, book.ask_side, view.asks(TOP)),
    ):
        exact = [Level(Decimal(price), Decimal(qty)) for price, qty in rows[:TOP]]
        held = [(kind(price), kind(qty)) for price, qty in rows]
        if exact != levels or held != side.rows(known_only=True):
            one.differed += 1
            return


class _Binance:
    """Diffs wait for the snapshot on both sides; the plain book skips what it contains."""

    def __init__(self, start: float, *, is_um: bool) -> None:
        self._start, self._is_um = start, is_um
        self._frames: list[tuple[Frame, dict[str, Any]]] = []
        self._precision = _Precision()
        self._ids: defaultdict[str, list[int]] = defaultdict(list)
        self._decoder: Any = um_decoder() if is_um else spot_decoder()
        self._replayed: dict[str, _Replayed] = {}

    def look(self, frame: Frame, document: dict[str, Any]) -> None:
        """Take a message for later: what numbers look like has to be known first."""
        self._frames.append((frame, document))
        if "lastUpdateId" not in document and document.get("e") == "depthUpdate":
            self._precision.learn(document["s"], (*document["b"], *document["a"]))
            self._ids[document["s"]].append(document["u"])

    def run(self) -> dict[str, _Replayed]:
        for frame, document in self._frames:
            if "lastUpdateId" in document and (symbol := self._symbol_of(frame, document)):
                self._precision.learn(symbol, (*document["bids"], *document["asks"]))
        for frame, document in self._frames:
            now = frame.at - self._start
            if "lastUpdateId" in document:
                symbol = self._symbol_of(frame, document)
                if symbol is not None:
                    self._snapshot(symbol, dump(document), document, now)
            elif document.get("e") == "depthUpdate":
                self._diff(dump(document), document, now)
            elif document["s"] in self._replayed:
                one = self._replayed[document["s"]]
                one.book.quote(self._decoder.decode(dump(document)), now)
                one.quotes += 1
        return {symbol: one for symbol, one in self._replayed.items() if one.book.resyncs}

    def _symbol_of(self, frame: Frame, document: dict[str, Any]) -> str | None:
        """Whose snapshot it is, by its own word or by the diffs around it."""
        named = frame.symbol or document.get("symbol")
        if named is not None or len(self._ids) == 1:
            return named or next(iter(self._ids))
        last_id = document["lastUpdateId"]
        around = [symbol for symbol, ids in self._ids.items() if ids[0] <= last_id <= ids[-1]]
        return around[0] if len(around) == 1 else None

    def _one(self, symbol: str, now: float) -> _Replayed:
        if symbol not in self._replayed:
            kind: type[DiffBook] = FuturesDiffBook if self._is_um else SpotDiffBook
            digits = self._precision.digits(symbol)
            if isinstance(digits, ExactDigits):
                self._decoder.decode_exactly(symbol)
            book = kind("binance", symbol, digits)
            book.subscribed(now)
            self._replayed[symbol] = _Replayed(book)
        return self._replayed[symbol]

    def _snapshot(self, symbol: str, raw: bytes, document: dict[str, Any], now: float) -> None:
        one = self._one(symbol, now)
        if one.plain is not None:
            return  # the book is whole; a recorder asks now and then
        bids, asks = document["bids"], document["asks"]
        size = max(len(bids), len(asks))
        depth = size if size in LIMITS else size + 1
        one.book.install(self._decoder.snapshot(raw, symbol), now, depth=depth)
        plain = Plain(
            last_id=document["lastUpdateId"],
            known_from=(
                Decimal(bids[-1][0]) if bids and len(bids) >= depth else Decimal(0),
                Decimal(asks[-1][0]) if asks and len(asks) >= depth else Decimal(str(inf)),
            ),
        )
        plain.take(bids, asks)
        waiting = [diff for diff in one.waiting if diff["u"] > plain.last_id]
        first = waiting[0] if waiting else None
        if first is not None and not self._continues(plain, first):
            return  # older than the oldest diff: the next one
        one.plain = plain
        for diff in waiting:
            self._take(one, diff, now)
        if one.book.reason is None or one.book.reason in _OF_TIME:
            _compare(one, now)

    def _diff(self, raw: bytes, document: dict[str, Any], now: float) -> None:
        one = self._one(document["s"], now)
        one.book.apply(self._decoder.decode(raw), now)
        one.book.check(now)
        if one.plain is None:
            one.waiting.append(document)
            return
        if document["u"] > one.plain.last_id and not self._continues(one.plain, document):
            one.holes.append(f"{now:.3f}: after {one.plain.last_id} comes {document['U']}")
            if one.book.reason is None or one.book.reason in _OF_TIME:
                one.doubts.append(f"{now:.3f}: our book has not seen it")
            else:
                one.holes[-1] += f" ({one.book.reason.value})"
            one.plain, one.waiting = None, [document]
            return
        self._take(one, document, now)
        if one.book.reason is not None and not one.plain.is_begun:
            return  # the snapshot is ahead of the diffs
        _compare(one, now)

    def _continues(self, plain: Plain, document: dict[str, Any]) -> bool:
        if self._is_um and plain.is_begun:
            return bool(document["pu"] == plain.last_id)
        if self._is_um:
            return bool(document["pu"] <= plain.last_id)
        return bool(document["U"] <= plain.last_id + 1)

    @staticmethod
    def _take(one: _Replayed, document: dict[str, Any], now: float) -> None:
        plain = one.plain
        assert plain is not None
        if document["u"] > plain.last_id:
            plain.take(document["b"], document["a"])
            plain.last_id, plain.is_begun = document["u"], True


class _Kraken:
    """Snapshots and updates of one channel; a message may hold several books."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._books: list[tuple[float, str, dict[str, Any]]] = []
        self._subscribed: dict[str, int] = {}
        self._precision = _Precision()
        self._decoder: Any = kraken_decoder()
        self._replayed: dict[str, _Replayed] = {}

    def look(self, frame: Frame, document: dict[str, Any]) -> None:
        """Take a message for later: what numbers look like has to be known first."""
        result = document.get("result")
        if document.get("method") == "subscribe" and isinstance(result, dict):
            depth, symbol = result.get("depth"), result.get("symbol")
            if result.get("channel") == "book" and depth in DEPTHS and isinstance(symbol, str):
                self._subscribed[symbol] = depth
        if document.get("channel") != "book" or not isinstance(document.get("data"), list):
            return
        for row in document["data"]:
            self._precision.learn(row["symbol"], (*row.get("bids", ()), *row.get("asks", ())))
            self._books.append((frame.at, document["type"], row))

    def run(self) -> dict[str, _Replayed]:
        for at, kind, row in self._books:
            raw = dump({"channel": "book", "type": kind, "data": [row]})
            self._message(raw, kind, row, at - self._start)
        return self._replayed

    def _message(self, raw: bytes, kind: str, row: dict[str, Any], now: float) -> None:
        symbol = row["symbol"]
        bids, asks = row.get("bids", []), row.get("asks", [])
        if kind == "snapshot":
            one = self._begin(symbol, max(len(bids), len(asks)), now)
            one.book.install(self._decoder.decode(raw), now)
        elif symbol in self._replayed and self._replayed[symbol].plain is not None:
            one = self._replayed[symbol]
            one.book.update(self._decoder.decode(raw), now)
            one.book.check(now)
        else:
            return  # there was no snapshot yet, or it comes after a hole
        assert one.plain is not None
        one.plain.take(bids, asks)
        if self._checksum(one.plain, symbol) == row["checksum"]:
            one.checksums += 1
            _compare(one, now)
            return
        one.holes.append(f"{now:.3f}: the checksum is not that of the levels")
        if one.book.reason is None:
            one.doubts.append(f"{now:.3f}: our book has not seen it")
        one.plain = None

    def _begin(self, symbol: str, levels: int, now: float) -> _Replayed:
        depth = self._subscribed.get(symbol) or next((d for d in DEPTHS if d >= levels), DEPTHS[-1])
        digits = self._precision.digits(symbol)
        if isinstance(digits, ExactDigits):
            self._decoder.decode_exactly(symbol)
        one = self._replayed.get(symbol)
        resyncs = 0 if one is None else one.book.resyncs
        book = ChecksumBook("kraken", symbol, digits, depth=depth)
        book.resyncs = resyncs
        book.subscribed(now)
        one = self._replayed.setdefault(symbol, _Replayed(book))
        one.book, one.plain = book, Plain(depth=depth)
        return one

    def _checksum(self, plain: Plain, symbol: str) -> int:
        price, qty = self._precision.decimals(symbol)
        bids, asks = plain.sorted()
        text = "".join(
            f"{Decimal(text):.{decimals}f}".replace(".", "").lstrip("0")
            for level in (*asks[:10], *bids[:10])
            for text, decimals in zip(level, (price, qty), strict=True)
        )
        return crc32(text.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description="Recorded market data against a plain book.")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    sys.exit(0 if replay(*parser.parse_args().files) else 1)


if __name__ == "__main__":
    main()
