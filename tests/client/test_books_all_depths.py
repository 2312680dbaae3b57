"""Any sequence of snapshots and deltas, from the wire's bytes, against a dictionary and a sort.

All venues, all depths that can be subscribed or fetched, floats and exact numbers.
"""

from __future__ import annotations

from decimal import Decimal
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.books import (
    ChecksumBook,
    ExactDigits,
    FloatDigits,
    FuturesDiffBook,
    SpotDiffBook,
)
from outlast.venues.binance_spot.books import book_decoder as spot_decoder
from outlast.venues.binance_um.books import book_decoder as um_decoder
from outlast.venues.kraken_spot.books import DEPTHS
from outlast.venues.kraken_spot.books import book_decoder as kraken_decoder

TICK, STEP = Decimal("0.1"), Decimal("0.00000001")
FEW = settings(max_examples=5, deadline=None)
Side = dict[Decimal, Decimal]


class Reference:
    """Two dictionaries, sorted when asked, and cut to `depth` where the venue cuts."""

    def __init__(self, depth: int | None) -> None:
        self.bids: Side = {}
        self.asks: Side = {}
        self.depth = depth

    def take(self, bids: Side, asks: Side) -> None:
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            side.update(rows)
            for price in [price for price, qty in side.items() if not qty]:
                del side[price]
        if self.depth is not None:
            bids, asks = self.sorted()
            self.bids, self.asks = dict(bids[: self.depth]), dict(asks[: self.depth])

    def sorted(self) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        return sorted(self.bids.items(), reverse=True), sorted(self.asks.items())


@st.composite
def _moves(draw: st.DrawFn) -> list[tuple[str, int, list[tuple[int, int]]]]:
    """(what, levels, changes): a snapshot of so many levels, or a delta of (ticks off, steps)."""
    changes = st.lists(
        st.tuples(st.integers(-1100, 1100), st.sampled_from([0, 0, 1, 250_000_000, 10**12])),
        min_size=1,
        max_size=60,
    )
    one = st.tuples(st.sampled_from(["delta"] * 5 + ["snapshot"]), st.integers(0, 1100), changes)
    return draw(st.lists(one, min_size=1, max_size=8))


def _whole(levels: int, seed: int) -> tuple[Side, Side]:
    sizes = [STEP * (1 + (seed + 7919 * n) % 10**10) for n in range(levels)]
    mid = Decimal(60000) + TICK * (seed % 50)
    return (
        {mid - TICK * n: qty for n, qty in enumerate(sizes)},
        {mid + TICK * (n + 1): qty for n, qty in enumerate(sizes)},
    )


def _delta(reference: Reference, changes: list[tuple[int, int]]) -> tuple[Side, Side]:
    """Levels below and above the middle of what stands: never crossed."""
    bids, asks = reference.sorted()
    low = bids[0][0] if bids else (asks[0][0] - TICK if asks else Decimal(60000))
    rows: tuple[Side, Side] = ({}, {})
    for off, steps in changes:
        if off <= 0:
            rows[0][low + TICK * off] = STEP * steps
        else:
            rows[1][low + TICK * off] = STEP * steps
    return rows


def _agree(book: object, reference: Reference, depth: int | None = None) -> None:
    view = book.view(lambda: 1.0)  # type: ignore[attr-defined]
    bids, asks = reference.sorted()
    assert [(level.price, level.qty) for level in view.bids(depth)] == bids[:depth]
    assert [(level.price, level.qty) for level in view.asks(depth)] == asks[:depth]


def _kraken_rows(rows: Side, *, descending: bool) -> str:
    return ",".join(
        f'{{"price":{price:.1f},"qty":{qty:.8f}}}'
        for price, qty in sorted(rows.items(), reverse=descending)
    )


def _kraken_frame(kind: str, bids: Side, asks: Side, truth: Reference, number: int) -> bytes:
    best_bids, best_asks = truth.sorted()
    text = "".join(
        f"{price:.1f}".replace(".", "").lstrip("0") + f"{qty:.8f}".replace(".", "").lstrip("0")
        for price, qty in (*best_asks[:10], *best_bids[:10])
    )
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD",'
        f'"bids":[{_kraken_rows(bids, descending=True)}],'
        f'"asks":[{_kraken_rows(asks, descending=False)}],"checksum":{crc32(text.encode())},'
        f'"timestamp":"2026-11-01T00:00:00.{number:06}Z"}}]}}'
    ).encode()


@pytest.mark.parametrize("digits", [FloatDigits(1, 8), ExactDigits(1, 8)], ids=["float", "exact"])
@pytest.mark.parametrize("depth", DEPTHS)
@FEW
@given(moves=_moves())
def test_kraken_at_any_depth(depth: int, digits: FloatDigits | ExactDigits, moves) -> None:
    decoder = kraken_decoder()
    if isinstance(digits, ExactDigits):
        decoder.decode_exactly("BTC/USD")
    book = ChecksumBook("kraken-spot", "BTC/USD", digits, depth=depth)
    reference = Reference(depth)
    for number, (what, levels, changes) in enumerate([("snapshot", 30, [(0, 1)]), *moves]):
        if what == "snapshot":
            bids, asks = _whole(min(levels, depth), levels)
            reference = Reference(depth)
            reference.take(bids, asks)
            book.subscribed(0.0)
            frame = _kraken_frame("snapshot", bids, asks, reference, number)
            book.install(decoder.decode(frame), 0.1)
        else:
            bids, asks = _delta(reference, changes)
            reference.take(bids, asks)
            frame = _kraken_frame("update", bids, asks, reference, number)
            book.update(decoder.decode(frame), 0.2)
        assert book.is_trusted, (book.reason, book.detail)
        _agree(book, reference)


def _binance_rows(rows: Side) -> str:
    return ",".join(f'["{price:.1f}","{qty:.8f}"]' for price, qty in rows.items())


@pytest.mark.parametrize("digits", [FloatDigits(1, 8), ExactDigits(1, 8)], ids=["float", "exact"])
@pytest.mark.parametrize("depth", [5, 10, 20, 50, 100, 500, 1000, 5000])
@pytest.mark.parametrize("venue", ["binance-spot", "binance-um"])
@FEW
@given(moves=_moves())
def test_binance_at_any_depth(
    venue: str, depth: int, digits: FloatDigits | ExactDigits, moves
) -> None:
    decoder = spot_decoder() if venue == "binance-spot" else um_decoder()
    if isinstance(digits, ExactDigits):
        decoder.decode_exactly("BTCUSDT")
    kind = SpotDiffBook if venue == "binance-spot" else FuturesDiffBook
    book = kind(venue, "BTC/USDT", digits)
    book.subscribed(0.0)
    last_id, reference = 100, Reference(None)
    known_from = (Decimal("-Infinity"), Decimal("Infinity"))

    def diff(bids: Side, asks: Side) -> None:
        nonlocal last_id
        before, last_id = last_id, last_id + 3
        frame = (
            f'{{"e":"depthUpdate","E":1700000000000,"T":1700000000000,"s":"BTCUSDT",'
            f'"U":{before + 1},'
            f'"u":{last_id},"pu":{before},"b":[{_binance_rows(bids)}],"a":[{_binance_rows(asks)}]}}'
        )
        book.apply(decoder.decode(frame.encode()), 0.1)
        reference.take(bids, asks)

    for what, levels, changes in [("snapshot", 1100, [(0, 1)]), *moves]:
        if what == "snapshot":
            # Lost, and begun anew: the venue has another book now, the snapshot shows its top.
            book.unreadable("a test", 0.1)
            reference = Reference(None)
            reference.take(*_whole(levels, levels))
            bids, asks = (rows[:depth] for rows in reference.sorted())
            body = (
                f'{{"lastUpdateId":{last_id},"bids":[{_binance_rows(dict(bids))}],'
                f'"asks":[{_binance_rows(dict(asks))}]}}'
            )
            diff({}, {})
            book.install(decoder.snapshot(body.encode(), "BTCUSDT"), 0.1, depth=depth)
            known_from = (
                bids[-1][0] if len(bids) == depth else Decimal("-Infinity"),
                asks[-1][0] if len(asks) == depth else Decimal("Infinity"),
            )
        else:
            diff(*_delta(reference, changes))
        assert book.is_trusted, (book.reason, book.detail)
        bids, asks = reference.sorted()
        known = Reference(None)
        known.take(
            {price: qty for price, qty in bids if price >= known_from[0]},
            {price: qty for price, qty in asks if price <= known_from[1]},
        )
        for side, rows in ((book.bid_side, known.bids), (book.ask_side, known.asks)):
            assert {level.price: level.qty for level in side.levels()} == rows
        if known.bids and known.asks:
            _agree(book, known)
