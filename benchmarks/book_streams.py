"""Order book streams for the benchmark: made up, but shaped as the venues' are.

A thousand levels and more a side, most changes near the touch: 45 % change a size, 28 % remove a
level, 27 % add one. The truth is kept beside, so that every candidate can be checked against it.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from dataclasses import dataclass
from zlib import crc32

CENTRE = 600_000  # ticks of 0.1
QTY_DECIMALS = 5


@dataclass(frozen=True)
class Stream:
    """What a client receives, and what is then true: (best bid, best ask) after each message."""

    name: str
    snapshot: bytes
    messages: list[bytes]
    truth: list[tuple[float, float]]
    changes: float
    """Level changes per message."""
    depth: int


class _Side:
    """One side in integers: `keys` in order, the best last."""

    def __init__(self, sign: int, levels: int, rng: random.Random) -> None:
        self.sign, self.rng, self.levels = sign, rng, levels
        self.qtys: dict[int, int] = {}
        tick = -1
        while len(self.qtys) < levels:
            tick += rng.choice((1, 1, 2, 3))
            self.qtys[-tick] = rng.randrange(1, 500_000)
        self.keys = sorted(self.qtys)

    def price(self, key: int) -> str:
        ticks = CENTRE + self.sign * key
        return f"{ticks // 10}.{ticks % 10}"

    def change(self, room: int) -> int:
        """One change near the touch; `room` ticks are free in front of the best."""
        rng = self.rng
        near = min(int(rng.expovariate(1 / 12)), len(self.keys) - 2)
        key = self.keys[-1 - near]
        kind = rng.random()
        if kind < 0.45:
            self.qtys[key] = rng.randrange(1, 500_000)
        elif kind < 0.725 and len(self.keys) >= self.levels:
            del self.qtys[key]
            del self.keys[bisect_left(self.keys, key)]
        else:
            best = self.keys[-1]
            key = best + 1 if room > 1 and rng.random() < 0.3 else best
            while key in self.qtys:
                key -= 1 + int(rng.expovariate(1 / 15))
            insort(self.keys, key)
            self.qtys[key] = rng.randrange(1, 500_000)
        return key


class _Book:
    def __init__(self, levels: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.bids, self.asks = _Side(1, levels, self.rng), _Side(-1, levels, self.rng)
        self.offset = 3  # asks begin three ticks above

    def step(self, changes: int) -> tuple[set[int], set[int]]:
        touched: tuple[set[int], set[int]] = (set(), set())
        for _ in range(changes):
            which = self.rng.randrange(2)
            room = self.offset - self.bids.keys[-1] - self.asks.keys[-1]
            touched[which].add((self.bids, self.asks)[which].change(room))
        return touched

    def text(self, side: _Side, key: int) -> str:
        if side is self.bids:
            return side.price(key)
        ticks = CENTRE + self.offset - key
        return f"{ticks // 10}.{ticks % 10}"

    def best(self) -> tuple[float, float]:
        return (
            float(self.text(self.bids, self.bids.keys[-1])),
            float(self.text(self.asks, self.asks.keys[-1])),
        )


def _qty(qty: int) -> str:
    return f"{qty // 10**QTY_DECIMALS}.{qty % 10**QTY_DECIMALS:0{QTY_DECIMALS}d}"


def _changes(rng: random.Random, usual: float) -> int:
    return max(1, round(rng.gauss(usual, usual / 3))) if usual >= 4 else rng.choice((1, 1, 1, 2, 3))


def binance(name: str, *, usual: float, messages: int, levels: int = 1000, seed: int = 1) -> Stream:
    """Spot `@depth@100ms`, without envelope."""
    book = _Book(levels, seed)

    def rows(side: _Side, keys: list[int]) -> str:
        return ",".join(
            f'["{book.text(side, key)}0000000","{_qty(side.qtys.get(key, 0))}000"]' for key in keys
        )

    def whole(side: _Side) -> str:
        return rows(side, side.keys[::-1])

    snapshot = f'{{"lastUpdateId":1000,"bids":[{whole(book.bids)}],"asks":[{whole(book.asks)}]}}'
    update_id, frames, truth, count = 1000, [], [], 0
    for number in range(messages):
        bids, asks = book.step(_changes(book.rng, usual))
        first, update_id = update_id + 1, update_id + len(bids) + len(asks)
        count += len(bids) + len(asks)
        frames.append(
            f'{{"e":"depthUpdate","E":{1_700_000_000_000 + 100 * number},"s":"BTCUSDT",'
            f'"U":{first},"u":{update_id},"b":[{rows(book.bids, sorted(bids))}],'
            f'"a":[{rows(book.asks, sorted(asks))}]}}'.encode()
        )
        truth.append(book.best())
    return Stream(name, snapshot.encode(), frames, truth, count / messages, levels)


def kraken(name: str, *, usual: float, messages: int, depth: int, seed: int = 1) -> Stream:
    """WebSocket v2 `book`, with a checksum in every message."""
    book = _Book(3 * depth, seed)

    def text(side: _Side) -> str:
        return "".join(
            book.text(side, key).replace(".", "") + str(side.qtys[key]) + "000"
            for key in side.keys[:-11:-1]
        )

    def rows(side: _Side, keys: list[int]) -> str:
        return ",".join(
            f'{{"price":{book.text(side, key)},"qty":{_qty(side.qtys.get(key, 0))}000}}'
            for key in keys
        )

    def frame(kind: str, bids: str, asks: str, at: int) -> bytes:
        checksum = crc32((text(book.asks) + text(book.bids)).encode())
        seconds, micros = divmod(at, 1_000_000)
        stamp = f"2026-11-01T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":[{bids}],'
            f'"asks":[{asks}],"checksum":{checksum},"timestamp":"{stamp}.{micros:06}Z"}}]}}'
        ).encode()

    def whole(side: _Side) -> str:
        return rows(side, side.keys[: -depth - 1 : -1])

    snapshot = frame("snapshot", whole(book.bids), whole(book.asks), 0)
    frames, truth, count = [], [], 0
    while len(frames) < messages:
        ends = [side.keys[-depth] for side in (book.bids, book.asks)]
        touched = book.step(_changes(book.rng, usual))
        sent = []
        for side, end, keys in zip((book.bids, book.asks), ends, touched, strict=True):
            now_end = side.keys[-depth]
            entered = side.keys[bisect_left(side.keys, now_end) : bisect_left(side.keys, end)]
            inside = {key for key in keys if key >= min(end, now_end)}
            # What fell out of the depth in the same message is not said.
            sent.append(sorted({key for key in inside if key >= now_end or key not in side.qtys}
                               | set(entered)))  # fmt: skip
        if sum(map(len, sent)):
            count += sum(map(len, sent))
            frames.append(
                frame("update", rows(book.bids, sent[0]), rows(book.asks, sent[1]),
                      20_000 * (len(frames) + 1))
            )  # fmt: skip
            truth.append(book.best())
    return Stream(name, snapshot, frames, truth, count / len(frames), depth)
