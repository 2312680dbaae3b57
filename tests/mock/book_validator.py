"""Checks book streams by the venues' own rules: Binance spot, Binance USD-M, Kraken WebSocket v2.

Written from the venues' documentation, apart from the mock and the client, and used on recordings
and on the mock alike. Feed frames in the order of arrival; anything wrong raises `BookFault`.

Sources: Binance spot and USD-M docs, "How to manage a local order book correctly"; Kraken docs,
"Book checksum (v2)".
"""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import Any


class BookFault(AssertionError):
    """A book stream broke a rule."""


class _Sides:
    def __init__(self) -> None:
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def put(self, side: dict[Decimal, Decimal], price: object, qty: object) -> None:
        price, qty = Decimal(str(price)), Decimal(str(qty))
        if price <= 0 or qty < 0:
            raise BookFault(f"impossible level {price} x {qty}")
        if qty == 0:
            side.pop(price, None)
        else:
            side[price] = qty

    def best(self) -> tuple[Decimal, Decimal]:
        return max(self.bids), min(self.asks)

    def check_not_crossed(self) -> None:
        if self.bids and self.asks:
            bid, ask = self.best()
            if bid >= ask:
                raise BookFault(f"crossed: {bid} >= {ask}")


class BinanceBook(_Sides):
    """One symbol's diff stream and its REST snapshot; `futures` chooses the rules.

    Call `event` for each depthUpdate and `snapshot` once, when the REST answer arrives.
    """

    def __init__(self, *, futures: bool) -> None:
        super().__init__()
        self._futures = futures
        self._last: int | None = None  # `u` of the newest event of the stream
        self._buffer: list[dict[str, Any]] = []
        self._snapshot_id: int | None = None
        self.applied = 0

    @property
    def synced(self) -> bool:
        return self.applied > 0

    def event(self, event: dict[str, Any]) -> None:
        if event["e"] != "depthUpdate":
            raise BookFault(f"not a depthUpdate: {event['e']}")
        if not event["b"] and not event["a"]:
            raise BookFault("both sides are empty")
        first, last = event["U"], event["u"]
        if first > last:
            raise BookFault(f"U {first} > u {last}")
        if self._futures and event["pu"] >= first:
            raise BookFault(f"pu {event['pu']} is not before U {first}")
        for rows in (event["b"], event["a"]):
            prices = [Decimal(price) for price, _ in rows]
            if len(set(prices)) != len(prices):
                raise BookFault("a price comes twice in one event")
        if self._last is not None:
            if self._futures and event["pu"] != self._last:
                raise BookFault(f"pu {event['pu']} is not the last u {self._last}")
            if not self._futures and first != self._last + 1:
                raise BookFault(f"U {first} does not follow the last u {self._last}")
        self._last = last
        if self._snapshot_id is None:
            self._buffer.append(event)
        else:
            self._apply(event)

    def snapshot(self, answer: dict[str, Any]) -> None:
        update_id = answer["lastUpdateId"]
        if self._buffer and update_id < self._buffer[0]["U"] - 1:
            raise BookFault(f"snapshot {update_id} is older than the buffer")
        self.bids, self.asks = {}, {}
        for price, qty in answer["bids"]:
            self.put(self.bids, price, qty)
        for price, qty in answer["asks"]:
            self.put(self.asks, price, qty)
        self._check_order(answer)
        self.check_not_crossed()
        self._snapshot_id = update_id
        buffered, self._buffer = self._buffer, []
        for event in buffered:
            self._apply(event)

    def _check_order(self, answer: dict[str, Any]) -> None:
        bids = [Decimal(price) for price, _ in answer["bids"]]
        asks = [Decimal(price) for price, _ in answer["asks"]]
        if bids != sorted(bids, reverse=True) or asks != sorted(asks):
            raise BookFault("a snapshot's levels are not best first")

    def _apply(self, event: dict[str, Any]) -> None:
        assert self._snapshot_id is not None
        first, last, snapshot_id = event["U"], event["u"], self._snapshot_id
        if self.applied == 0:
            if last < snapshot_id if self._futures else last <= snapshot_id:
                return  # older than the snapshot
            start = snapshot_id if self._futures else snapshot_id + 1
            # Futures ids leave gaps between events: what counts there is the chain by `pu`.
            fits = first <= start <= last
            chained = self._futures and event["pu"] <= snapshot_id <= last
            if not fits and not chained:
                raise BookFault(f"snapshot {snapshot_id} is not within {first}..{last}")
        for price, qty in event["b"]:
            self.put(self.bids, price, qty)
        for price, qty in event["a"]:
            self.put(self.asks, price, qty)
        self.check_not_crossed()
        self.applied += 1


class KrakenBook(_Sides):
    """One symbol of the `book` channel at one depth; precisions from the `instrument` channel."""

    def __init__(self, *, depth: int, price_precision: int, qty_precision: int) -> None:
        super().__init__()
        self._depth = depth
        self._places = (price_precision, qty_precision)
        self.applied = 0

    def message(self, message: dict[str, Any]) -> None:
        """Take one message of the channel, decoded with `parse_float=Decimal` or as text."""
        if len(message["data"]) != 1:
            raise BookFault(f"{len(message['data'])} elements in data")
        (data,) = message["data"]
        if message["type"] == "snapshot":
            self.bids, self.asks = {}, {}
            if max(len(data["bids"]), len(data["asks"])) > self._depth:
                raise BookFault("a snapshot deeper than subscribed")
        elif message["type"] != "update":
            raise BookFault(f"type {message['type']}")
        elif not self.bids and not self.asks:
            raise BookFault("an update before the snapshot")
        for level in data["bids"]:
            self.put(self.bids, level["price"], level["qty"])
        for level in data["asks"]:
            self.put(self.asks, level["price"], level["qty"])
        self._truncate()
        self.check_not_crossed()
        if self.checksum() != data["checksum"]:
            raise BookFault(f"checksum {data['checksum']}, the book has {self.checksum()}")
        self.applied += 1

    def checksum(self) -> int:
        asks = sorted(self.asks.items())[:10]
        bids = sorted(self.bids.items(), reverse=True)[:10]
        text = "".join(self._digits(price, 0) + self._digits(qty, 1) for price, qty in asks + bids)
        return zlib.crc32(text.encode())

    def _truncate(self) -> None:
        for price in sorted(self.bids, reverse=True)[self._depth :]:
            del self.bids[price]
        for price in sorted(self.asks)[self._depth :]:
            del self.asks[price]

    def _digits(self, number: Decimal, which: int) -> str:
        return f"{number:.{self._places[which]}f}".replace(".", "").lstrip("0")
