"""What the journal adds to an order, beside the plainest ways to keep the same bytes.

    python -m benchmarks.journal

An order writes three records: what became of the one before (its attempt and its change) and its
own intent, all in one transaction, before its first byte leaves. Bar (docs/decisions/0007): at
most 200 µs at the 99th percentile, and never a wait for the disk. Checkpoints run in a thread
meanwhile, as a session does them, so their shadow on the loop is in the figures.

With `durability="power"` each order waits for the disk, and the event loop must not: of the second
row `loop_p50_us` and `loop_p99_us` are how late a timer of the loop was while orders waited, and
`four` what each of four orders waits that are sent at once and share the disk's one answer.

Rows are JSON, wall time in microseconds; "x" is the median over that of append and fdatasync. On a
machine that others use, the 99th percentile of the wall time is theirs: `cpu_p99_us` leaves out
what was waited for, be it a processor or a disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final

from outlast.backends.clock import SystemClock
from outlast.backends.journal import FileStore
from outlast.client.durability import DiskWait
from outlast.client.journal import Journal
from outlast.core.journal import encode_fields
from outlast.model import Order, OrderStatus, OrderType, Side

WRITES: Final = 600
"""Of each candidate, a round: the orders of a minute, at ten a second. A minute is also what lies
between two checkpoints of a session."""

POWER_ORDERS: Final = 40
"""A round, each of which waits for the disk."""
TICK_S: Final = 0.001

Write = Callable[[], object]
Times = dict[str, list[float]]

INTENT = {
    "order": Order(
        client_order_id="olabcdef-q81x0001",
        symbol="BTC/USDT:USDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=Decimal("0.010"),
        price=Decimal("60000.0"),
        status=OrderStatus.INITIALIZED,
        created_at=1763800000.0,
        as_of=1763800000.0,
    )
}
CHANGED = INTENT | {"because": "report"}
ATTEMPT: dict[str, object] = {
    "request": "order.place",
    "method": "POST",
    "path": "/fapi/v1/order",
    "params": {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.010", "price": "60000.0"},
    "plane": "trading",
    "lane": "trade",
    "costs": {"orders_10s": 1, "orders_1m": 1},
    "client_order_id": "olabcdef-q81x0001",
    "timestamp_ms": 1763800000000,
    "asked_at": 1000.25,
    "sent_at": 1000.26,
    "deadline_at": 1010.25,
    "took_ms": 3,
    "http_status": 200,
    "failure": None,
}
RECORDS = b"".join(encode_fields(fields) + b"\n" for fields in (ATTEMPT, CHANGED, INTENT))


def ours(folder: Path) -> tuple[Write, Callable[[], None]]:
    """One order's records as a session writes them, and its housekeeping."""
    store = FileStore(folder / "bench.journal")
    journal = Journal(store, venue="binance-um", clock=SystemClock(), rng=random.Random(1))

    def order() -> None:
        journal.note("attempt", **ATTEMPT)
        journal.note("order.changed", **CHANGED)
        journal.append("order.intent", INTENT)

    return order, journal.checkpoint


async def with_power(rounds: int, folder: Path) -> dict[str, list[float]]:
    """What orders wait that must survive a loss of power, one by one and four at once."""
    store = FileStore(folder / "power.journal")
    journal = Journal(store, venue="binance-um", clock=SystemClock(), rng=random.Random(1))
    on_disk = DiskWait(store.sync)
    took: dict[str, list[float]] = {"alone": [], "four": [], "turn": []}
    is_over = False

    async def order(name: str) -> None:
        began = time.perf_counter()
        journal.note("attempt", **ATTEMPT)
        journal.note("order.changed", **CHANGED)
        journal.append("order.intent", INTENT)
        await on_disk.reached()
        took[name].append((time.perf_counter() - began) * 1e6)

    async def turns() -> None:
        while not is_over:
            began = time.perf_counter()
            await asyncio.sleep(TICK_S)
            took["turn"].append((time.perf_counter() - began - TICK_S) * 1e6)

    turning = asyncio.create_task(turns())
    for _ in range(rounds * POWER_ORDERS):
        await order("alone")
    for _ in range(rounds * POWER_ORDERS // 4):
        await asyncio.gather(*(order("four") for _ in range(4)))
    is_over = True
    await turning
    journal.close()
    return took


def plain_append(folder: Path, *, is_synced: bool) -> Write:
    file = (folder / f"plain-{is_synced}").open("ab", buffering=0)

    def write() -> None:
        file.write(RECORDS)
        if is_synced:
            os.fdatasync(file.fileno())

    return write


async def measure(rounds: int, folder: Path) -> tuple[Times, Times]:
    """Wall time and CPU of each write, the candidates taking turns in shuffled order."""
    order, checkpoint = ours(folder)
    candidates: dict[str, Write] = {
        "outlast, default durability": order,
        "append": plain_append(folder, is_synced=False),
        "append and fdatasync": plain_append(folder, is_synced=True),
    }
    took: Times = {name: [] for name in candidates}
    cpu: Times = {name: [] for name in candidates}
    rng = random.Random(1)
    for _ in range(rounds):
        tidying = asyncio.create_task(asyncio.to_thread(checkpoint))
        names = list(candidates)
        rng.shuffle(names)
        for name in names:
            for _ in range(WRITES):
                began, cpu_began = time.perf_counter(), time.thread_time()
                candidates[name]()
                cpu[name].append((time.thread_time() - cpu_began) * 1e6)
                took[name].append((time.perf_counter() - began) * 1e6)
                await asyncio.sleep(0)  # the next turn of the loop, as between two orders
        await tidying
    return took, cpu


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def power_row(power: dict[str, list[float]], synced: float) -> dict[str, object]:
    return {
        "journal": "outlast, durability power",
        "p50_us": round(percentile(power["alone"], 0.5), 1),
        "p99_us": round(percentile(power["alone"], 0.99), 1),
        "four": {
            "p50_us": round(percentile(power["four"], 0.5), 1),
            "p99_us": round(percentile(power["four"], 0.99), 1),
        },
        "loop_p50_us": round(percentile(power["turn"], 0.5), 1),
        "loop_p99_us": round(percentile(power["turn"], 0.99), 1),
        "x": round(statistics.median(power["alone"]) / synced, 3),
    }


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        took, cpu = await measure(rounds, Path(folder))
        power = await with_power(rounds, Path(folder))
    synced = statistics.median(took["append and fdatasync"])
    for name, values in took.items():
        row = {
            "journal": name,
            "p50_us": round(percentile(values, 0.5), 1),
            "p99_us": round(percentile(values, 0.99), 1),
            "cpu_p99_us": round(percentile(cpu[name], 0.99), 1),
            "x": round(statistics.median(values) / synced, 3),
        }
        print(json.dumps(row))
        if name.startswith("outlast"):
            print(json.dumps(power_row(power, synced)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    asyncio.run(main(parser.parse_args().rounds))
