"""Recorded market data replayed through our books, each message compared with a plain book.

    python -m benchmarks.book --recording FILE [FILE ...]

Takes what public recorders write, plain or `.gz`; several files are merged by time of receipt:

- lines `<nanoseconds of receipt> <frame>`, REST depth snapshots among them (hftbacktest);
- lines `{"recv": s, "frame": {...}}` and `{"recv": s, "url": "...", "body": {...}}` (cryptofeed);
- lines of bare frames, or one document `{"init": {...}, "updates": [...]}` (Kraken).

The plain book is a dictionary that is sorted after each message. All levels are compared as
numbers, the best ones also as Decimals.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any, Final, Self
from zlib import crc32

from outlast.core.books import (
    ChecksumBook,
    DiffBook,
    FloatDigits,
    FuturesDiffBook,
    SpotDiffBook,
)
from outlast.model import Level
from outlast.venues.binance_spot.books import book_decoder as spot_decoder
from outlast.venues.binance_um.books import book_decoder as um_decoder
from outlast.venues.kraken_spot.books import DEPTHS
from outlast.venues.kraken_spot.books import book_decoder as kraken_decoder

TOP: Final = 20
"""Levels of a side that are also read as a caller would, in Decimals."""
STEP_S: Final = 0.02
"""Between messages whose time is not known."""
LIMIT: Final = 1000
"""Depth of the recorded REST snapshots: those with so many rows were cut."""


@dataclass(frozen=True)
class Frame:
    at: float
    raw: bytes
    symbol: str | None = None
    """Of a REST snapshot, where the recording says it."""


def read(path: Path) -> list[Frame]:
    """The frames of one recording, in its order.

    Raises:
        ValueError: a line is in none of the known forms; the message names it.
    """
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if data.lstrip()[:12].split() == [b"{", b'"init":'] or data.startswith(b'{"init"'):
        document = json.loads(data, parse_float=_Text)
        messages = [document["init"], *document["updates"]]
        return _timed([_dump(message) for message in messages])
    lines = [line for line in data.splitlines() if line.strip()]
    found: list[Frame] = []
    bare: list[bytes] = []
    for number, line in enumerate(lines, 1):
        stamp, _, rest = line.partition(b" ")
        if stamp.isdigit() and rest.startswith(b"{"):
            found.append(Frame(int(stamp) / 1e9, rest))
        elif line.startswith(b'{"recv"'):
            row = json.loads(line, parse_float=_Text)
            url = re.search(r"symbol=(\w+)", row.get("url", ""))
            body = row["frame"] if "frame" in row else row["body"]
            found.append(Frame(float(row["recv"]), _dump(body), url[1] if url else None))
        elif line.startswith(b"{"):
            bare.append(line)
        else:
            raise ValueError(f"{path} line {number} is in no known form: {line[:60]!r}")
    return found or _timed(bare)


class _Text(float):
    """A JSON number that keeps its own digits."""

    def __new__(cls, text: str) -> Self:
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str

    def __repr__(self) -> str:
        return self.text


def _dump(message: Any) -> bytes:
    return "".join(_chunks(message)).encode()


def _chunks(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        inner = ",".join(
            f"{json.dumps(key)}:{''.join(_chunks(item))}" for key, item in value.items()
        )
        yield f"{{{inner}}}"
    elif isinstance(value, list):
        yield f"[{','.join(''.join(_chunks(item)) for item in value)}]"
    else:
        yield value.text if isinstance(value, _Text) else json.dumps(value)


def _timed(raws: Sequence[bytes]) -> list[Frame]:
    """By the venue's own time where a message has one, else one step after the message before."""
    frames: list[Frame] = []
    at: float | None = None
    pending: list[bytes] = []
    for raw in raws:
        stamp = re.search(rb'"timestamp":\s*"([^"]+)"', raw)
        if stamp:
            at = datetime.fromisoformat(stamp[1].decode()).timestamp()
        if at is None:
            pending.append(raw)
            continue
        frames += [Frame(at - STEP_S, early) for early in pending]
        pending.clear()
        frames.append(Frame(at, raw))
        if not stamp:
            at += STEP_S
    return frames or [Frame(number * STEP_S, raw) for number, raw in enumerate(pending)]


@dataclass
class Plain:
    """The reference: dictionaries that are sorted when asked. Texts as received, by their price."""

    bids: dict[float, tuple[str, str]] = field(default_factory=dict)
    asks: dict[float, tuple[str, str]] = field(default_factory=dict)
    depth: int | None = None
    """Cut to so many after each message; None: never."""
    last_id: int | None = None
    known_from: tuple[float, float] = (0.0, inf)

    def take(self, bids: Sequence[Any], asks: Sequence[Any]) -> None:
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for row in rows:
                price, qty = map(str, (row["price"], row["qty"]) if isinstance(row, dict) else row)
                if float(qty):
                    side[float(price)] = price, qty
                else:
                    side.pop(float(price), None)
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


@dataclass
class _Replayed:
    book: Any
    plain: Plain | None = None
    waiting: list[dict[str, Any]] = field(default_factory=list)
    snapshot: dict[str, Any] | None = None
    compared: int = 0
    differed: int = 0
    doubts: list[str] = field(default_factory=list)
    checksums: int = 0


def replay(*paths: Path, say: bool = True) -> bool:
    """True when every message left our book trusted and equal to the plain one."""
    frames = sorted((frame for path in paths for frame in read(path)), key=lambda frame: frame.at)
    is_kraken = any(b'"channel"' in frame.raw for frame in frames)
    replayed = (_Kraken if is_kraken else _Binance)(frames).run()
    is_good = bool(replayed)
    for symbol, one in replayed.items():
        good = one.compared > 0 and not one.differed and not one.doubts
        is_good &= good
        if say:
            levels = one.plain.sorted() if one.plain else ([], [])
            best = " / ".join(side[0][0] for side in levels if side)
            print(
                f"{symbol}: {one.compared} messages compared, {one.differed} differed, "
                f"{one.checksums} checksums, {one.book.resyncs} snapshots, ends at {best}: "
                f"{'ok' if good else 'WRONG'}"
            )
            for doubt in one.doubts[:10]:
                print(f"  {doubt}")
    if say and not replayed:
        print("no book in it")
    return is_good


def _compare(one: _Replayed, now: float) -> None:
    assert one.plain is not None
    one.compared += 1
    book = one.book
    if book.reason is not None:
        one.doubts.append(f"{now:.3f}: {book.reason.value} {book.detail}")
        return
    view = book.view(lambda: now)
    bids, asks = one.plain.sorted()
    for rows, side, levels in (
        (bids, book.bid_side, view.bids(TOP)),
        (asks, book.ask_side, view.asks(TOP)),
    ):
        exact = [Level(Decimal(price), Decimal(qty)) for price, qty in rows[:TOP]]
        held = [(float(price), float(qty)) for price, qty in rows]
        if exact != levels or held != side.rows(known_only=True):
            one.differed += 1
            return


class _Binance:
    """Diffs wait for the snapshot on both sides; the plain book skips what it contains."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.frames = frames
        self.is_um = any(b'"pu":' in frame.raw for frame in frames)
        self.decoder: Any = um_decoder() if self.is_um else spot_decoder()
        self.replayed: dict[str, _Replayed] = {}

    def run(self) -> dict[str, _Replayed]:
        start = self.frames[0].at if self.frames else 0.0
        for frame in self.frames:
            now = frame.at - start
            document = json.loads(frame.raw)
            document = document.get("data", document)
            if "lastUpdateId" in document:
                symbol = frame.symbol or next(iter(self.replayed), None)
                if symbol is not None:
                    self._snapshot(symbol, frame.raw, document, now)
            elif document.get("e") == "depthUpdate":
                self._diff(frame.raw, document, now)
            elif "B" in document and document["s"] in self.replayed:
                message = self.decoder.decode(frame.raw)
                self.replayed[document["s"]].book.quote(message, now)
        return {symbol: one for symbol, one in self.replayed.items() if one.snapshot}

    def _one(self, symbol: str, now: float) -> _Replayed:
        if symbol not in self.replayed:
            kind: type[DiffBook] = FuturesDiffBook if self.is_um else SpotDiffBook
            book = kind("binance", symbol, FloatDigits(8 - 3 * self.is_um, 5))
            book.subscribed(now)
            self.replayed[symbol] = _Replayed(book)
        return self.replayed[symbol]

    def _snapshot(self, symbol: str, raw: bytes, document: dict[str, Any], now: float) -> None:
        one = self._one(symbol, now)
        if one.snapshot is not None:
            return  # the first one is enough
        one.snapshot = document
        one.book.install(self.decoder.snapshot(raw, symbol), now)
        bids, asks = document["bids"], document["asks"]
        one.plain = Plain(
            last_id=document["lastUpdateId"],
            known_from=(
                float(bids[-1][0]) if len(bids) >= LIMIT else 0.0,
                float(asks[-1][0]) if len(asks) >= LIMIT else inf,
            ),
        )
        one.plain.take(bids, asks)
        for waiting in one.waiting:
            self._take(one.plain, waiting)

    def _diff(self, raw: bytes, document: dict[str, Any], now: float) -> None:
        one = self._one(document["s"], now)
        one.book.apply(self.decoder.decode(raw), now)
        one.book.check(now)
        if one.plain is None:
            one.waiting.append(document)
            return
        self._take(one.plain, document)
        if one.book.reason is not None and not one.book.resyncs:
            return  # the snapshot is ahead of the diffs
        _compare(one, now)

    @staticmethod
    def _take(plain: Plain, document: dict[str, Any]) -> None:
        assert plain.last_id is not None
        if document["u"] > plain.last_id:
            plain.take(document["b"], document["a"])


class _Kraken:
    def __init__(self, frames: Sequence[Frame]) -> None:
        self.frames = frames
        self.decoder = kraken_decoder()
        self.replayed: dict[str, _Replayed] = {}
        self.decimals: dict[str, tuple[int, int]] = {}

    def run(self) -> dict[str, _Replayed]:
        parsed = [
            (frame, json.loads(frame.raw, parse_float=Decimal, parse_int=Decimal))
            for frame in self.frames
        ]
        parsed = [(frame, found) for frame, found in parsed if found.get("channel") == "book"]
        for _, document in parsed:
            self._learn_decimals(document["data"][0])
        start = parsed[0][0].at if parsed else 0.0
        for frame, document in parsed:
            self._message(frame, document, frame.at - start)
        return self.replayed

    def _learn_decimals(self, data: dict[str, Any]) -> None:
        """The most that any number has: recordings that went through floats lost their zeros."""
        price, qty = self.decimals.get(data["symbol"], (0, 0))
        for row in (*data.get("bids", ()), *data.get("asks", ())):
            price = max(price, -row["price"].as_tuple().exponent)
            qty = max(qty, -row["qty"].as_tuple().exponent)
        self.decimals[data["symbol"]] = price, qty

    def _message(self, frame: Frame, document: dict[str, Any], now: float) -> None:
        data = document["data"][0]
        symbol = data["symbol"]
        bids, asks = data.get("bids", []), data.get("asks", [])
        message: Any = self.decoder.decode(frame.raw)
        if document["type"] == "snapshot":
            depth = next((d for d in DEPTHS if d >= max(len(bids), len(asks))), DEPTHS[-1])
            book = ChecksumBook("kraken", symbol, FloatDigits(*self.decimals[symbol]), depth=depth)
            book.subscribed(now)
            book.install(message, now)
            one = self.replayed.setdefault(symbol, _Replayed(book))
            one.book, one.plain = book, Plain(depth=depth)
        else:
            if symbol not in self.replayed:
                return
            one = self.replayed[symbol]
            one.book.update(message, now)
            one.book.check(now)
        assert one.plain is not None
        one.plain.take(bids, asks)
        one.checksums += self._checksum(one.plain, symbol) == data["checksum"]
        _compare(one, now)

    def _checksum(self, plain: Plain, symbol: str) -> int:
        price, qty = self.decimals[symbol]
        bids, asks = plain.sorted()
        text = "".join(
            f"{Decimal(text):.{decimals}f}".replace(".", "").lstrip("0")
            for level in (*asks[:10], *bids[:10])
            for text, decimals in zip(level, (price, qty), strict=True)
        )
        return crc32(text.encode())
