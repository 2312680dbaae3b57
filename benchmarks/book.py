"""Local order books: from raw bytes to the updated book with best bid and ask readable.

    python -m benchmarks.book
    python -m benchmarks.book --recording FILE

Ours with everything on: sequence or checksum of every message, crossed book, pause and lateness,
trust. The peers do what they do; those that are not installed are left out and named:
`pip install ccxt cryptofeed order-book sortedcontainers python-kraken-sdk orjson`. Every candidate
is checked against the truth before anything is timed. Bars, as ratios of CPU per message in the
same run: Binance ~18 changes ≥ 4 × ccxt.pro and ≥ 12 × cryptofeed, ~1.5 changes ≥ 5 × ccxt.pro;
Kraken with every checksum ~1.7 changes ≥ 3.5 × ccxt.pro (which verifies none) and ≥ 15 ×
python-kraken-sdk, ~20 changes at depth 1000 ≥ 3 × ccxt.pro; reading best bid and ask as Decimals
below 3 µs.

With `--recording` it replays a recorded stream instead, and compares every message with a plain
book: see `benchmarks.book_recordings` for the formats.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import book_streams
from benchmarks.book_peers import Candidate, binance_candidates, kraken_candidates, missing
from benchmarks.book_recordings import replay
from benchmarks.book_streams import Stream
from benchmarks.side_by_side import Measured, ratio
from outlast.core.books import FloatDigits, SpotDiffBook
from outlast.venues.binance_spot.books import book_decoder as spot_decoder

BARS: Final[Mapping[tuple[str, str], float]] = {
    ("binance ~18", "ccxt.pro"): 4,
    ("binance ~18", "cryptofeed"): 12,
    ("binance ~1.5", "ccxt.pro"): 5,
    ("kraken ~1.7, depth 100", "ccxt.pro"): 3.5,
    ("kraken ~1.7, depth 100", "python-kraken-sdk"): 15,
    ("kraken ~20, depth 1000", "ccxt.pro"): 3,
}
SLOW: Final = frozenset({"python-kraken-sdk"})
"""Takes its turn with a twentieth of the messages."""


def checked(candidates: Mapping[str, Candidate], stream: Stream, messages: int) -> list[str]:
    """The candidates whose best prices are the truth's after each of the first messages."""
    good = []
    for name, made in candidates.items():
        try:
            feed = made(stream)
            count = messages // 20 if name in SLOW else messages
            for number, raw in enumerate(stream.messages[:count]):
                found = tuple(float(price) for price in feed(raw))
                if found != stream.truth[number]:
                    raise AssertionError(f"message {number}: {found}, not {stream.truth[number]}")
        except Exception as error:  # a peer may fail in any way; it is named, and out
            print(f"  {name} is left out: {type(error).__name__}: {error}")
            if name.startswith("outlast"):
                raise
        else:
            good.append(name)
    return good


def timed(
    candidates: Mapping[str, Candidate], stream: Stream, *, rounds: int, seed: int
) -> dict[str, Measured]:
    """Every candidate takes the same part of the stream in each round, in shuffled order."""
    results = {name: Measured() for name in candidates}
    feeds = {name: made(stream) for name, made in candidates.items()}
    rng = random.Random(seed)
    part = len(stream.messages) // rounds
    done = dict.fromkeys(candidates, 0)
    gc.collect()
    gc.freeze()  # the streams are many objects, and none of the candidates'
    for number in range(rounds):
        names = list(candidates)
        rng.shuffle(names)
        for name in names:
            count = max(5, part // 20) if name in SLOW else part
            begin = done[name] if name in SLOW else number * part
            messages = stream.messages[begin : begin + count]
            done[name] = begin + count
            feed = feeds[name]
            began = time.process_time()
            for raw in messages:
                feed(raw)
            spent = time.process_time() - began
            results[name].cpu_us.append(spent / count * 1e6)
    gc.unfreeze()
    return results


def reading_us(stream: Stream, rounds: int = 15) -> tuple[float, float]:
    """µs of CPU for best bid and ask as Decimals: after each message, and when nothing changed."""
    part = len(stream.messages) // rounds
    with_reading = binance_candidates()["outlast, BookView and Decimals"](stream)
    without = binance_candidates()["outlast"](stream)
    moved = []
    for number in range(rounds):
        messages = stream.messages[number * part : (number + 1) * part]
        spent = []
        for feed in (with_reading, without):
            began = time.process_time()
            for raw in messages:
                feed(raw)
            spent.append(time.process_time() - began)
        moved.append((spent[0] - spent[1]) / part * 1e6)
    decoder = spot_decoder()
    book = SpotDiffBook("binance-spot", "BTC/USDT", FloatDigits(1, 5))
    book.subscribed(0.0)
    for raw in (b"1", b"2"):
        head = b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":' + raw + b',"u":' + raw
        diff: Any = decoder.decode(head + b',"b":[["1.5","2"]],"a":[["1.7","3"]]}')
        book.apply(diff, 0.0)
    snapshot: Any = decoder.snapshot(b'{"lastUpdateId":1,"bids":[],"asks":[]}', "BTCUSDT")
    book.install(snapshot, 0.0)
    view = book.view(lambda: 0.0)
    began = time.process_time()
    for _ in range(20_000):
        view.best_bid, view.best_ask  # noqa: B018
    return statistics.median(moved), (time.process_time() - began) / 20_000 * 1e6


def show(stream: Stream, results: Mapping[str, Measured]) -> None:
    ours = results["outlast"]
    print(f"\n{stream.name}: {stream.changes:.1f} changes a message")
    print(f"  {'candidate':34} {'CPU us':>9} {'x ours':>8}  bar")
    for name, measured in results.items():
        times = ratio(measured, ours)
        bar = BARS.get((stream.name, name))
        verdict = "" if bar is None else f">= {bar:g}: {'ok' if times >= bar else 'MISSED'}"
        print(f"  {name:34} {statistics.median(measured.cpu_us):9.2f} {times:8.2f}  {verdict}")


async def main() -> None:  # a loop runs, because some peers ask for one
    parser = argparse.ArgumentParser(description="Order books beside their peers.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--recording", type=Path, nargs="+", metavar="FILE", help="replay and compare"
    )
    given = parser.parse_args()
    if given.recording is not None:
        sys.exit(0 if replay(*given.recording) else 1)
    left_out = ", ".join(missing())
    print(f"seed {given.seed}; not installed: {left_out or 'none'}")
    count, seed = given.messages, given.seed
    binance, kraken = book_streams.binance, book_streams.kraken
    for stream, candidates in (
        (binance("binance ~18", usual=19, messages=count, seed=seed), binance_candidates()),
        (binance("binance ~1.5", usual=1.5, messages=4 * count, seed=seed), binance_candidates()),
        (
            kraken("kraken ~1.7, depth 100", usual=1.7, messages=4 * count, depth=100, seed=seed),
            kraken_candidates(),
        ),
        (
            kraken("kraken ~20, depth 1000", usual=20, messages=count, depth=1000, seed=seed),
            kraken_candidates(),
        ),
    ):
        good = checked(candidates, stream, 2000)
        show(
            stream,
            timed(
                {name: candidates[name] for name in good}, stream, rounds=given.rounds, seed=seed
            ),
        )
    moved, unchanged = reading_us(binance("reading", usual=1.5, messages=4 * count, seed=seed))
    print(
        f"\nreading best bid and ask as Decimals: {moved:.2f} us a message with a new view each, "
        f"{unchanged:.2f} us again from the same view (bar: 3)"
    )


if __name__ == "__main__":
    asyncio.run(main())
