"""Many clients at once on a mock that misbehaves: does it hold, and does it stay small?

    python -m benchmarks.mock_load --minutes 5

50 connections, shared out over the three venues, send 10,000 requests a minute over real sockets,
reads and orders mixed, to `outlast mock` in a process of its own, whose scenario answers a fifth of
them badly. A stream of each venue's book is read besides. Reported are the mock's own errors
(anything on its stderr, answers 5xx that no rule made, dials that failed) and its memory. Then the
same clients run twice in the simulation, with one seed: the two truths have to be equal.

Exit code 0 if it all holds: no error of the mock's own, memory flat and under 300 MB, one truth.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import itertools
import json
import random
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from benchmarks.mock_load_wires import STREAMS, Ask, Tongue, tongue_of
from outlast import sim
from outlast.mock import MockExchange
from outlast.mock.scenario.load import loads

OUTLAST: Final = Path(sys.executable).parent / "outlast"
VENUES: Final = tuple(STREAMS)
PATIENCE_S: Final = 5.0
RSS_MB_MAX: Final = 300
SAMPLE_S: Final = 30.0
SETTLED_S: Final = 300.0
FLAT_S: Final = 120.0
GROWTH_MB_MAX: Final = 2.0
"""How much the mock may grow in the last two minutes, at whatever rate it is asked: after five
minutes it has come to what it keeps (`docs/mock.md`, Memory). Shorter runs are not judged by it."""
SIMULATED_S: Final = 20.0

SCENARIO: Final = """
scenario: load
title: a fifth of everything goes wrong
fidelity: synthetic
venue: [binance-um, binance-spot, kraken-spot]
seed: {seed}
limits: {{enforce: true, factor: 1000}}
phases:
  - name: busy
    for: rest
    faults:
      - {{match: orders.create, p: 0.05, reply: unknown, effect: {{apply: 0.5}}}}
      - {{match: orders.create, p: 0.05, reply: {{reset: request}}, effect: {{apply_after: 2s}}}}
      - {{match: "orders.*", p: 0.05, reply: overload}}
      - {{match: "orders.*", p: 0.02, reply: {{hang: 3s}}, effect: {{apply: 0.5}}}}
      - {{match: market.read, p: 0.05, reply: {{html: cdn-502}}}}
      - {{match: market.read, p: 0.05, reply: {{truncate: 0.5}}}}
      - {{match: "account.*", p: 0.05, reply: {{dribble: {{over: 1s, then: cut}}}}}}
      - {{match: "*", p: 0.05, reply: unavailable}}
      - {{match: "*", p: 0.2, latency: {{p50: 20ms, p99: 400ms}}}}
      - {{match: ws.market.stream, p: 0.5, stream: {{gap: 0.01}}}}
"""
BAD_STATUS: Final = frozenset({502, 503, 520})
"""The only 5xx that the scenario's rules make."""


@dataclass
class Tally:
    """What all clients saw."""

    seconds: float = 0.0
    """How long it took: longer than was meant where the machine is too slow for the rate."""
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    """Connections that ended without an answer, as resets, cuts and hangs do."""
    refused: int = 0
    """Dials that failed; no rule of the scenario makes that."""
    frames: int = 0
    """Messages of the streams."""
    strange: list[str] = field(default_factory=list)
    """Answers 5xx that no rule of the scenario makes."""


@dataclass(frozen=True)
class Door:
    """One venue and one account of it: where to knock, and as whom."""

    venue: str
    rest: str
    stream: str
    key: str
    secret: str


# -- the clients ----------------------------------------------------------------------------------


class Wire:
    """One connection that is kept, and made anew when the mock has ended it."""

    def __init__(self, root: str, tally: Tally) -> None:
        host, port = root.removeprefix("http://").split(":")
        self._host, self._port = host, int(port)
        self._tally = tally
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, ask: Ask) -> tuple[int, bytes] | None:
        """Status and body; None when there was no whole answer."""
        self._tally.requests += 1
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._host, self._port)
        except OSError:
            self._tally.refused += 1
            return None
        reader, writer = self._streams
        writer.write(self._written(ask))
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, body, closes = await _answer(reader)
        except (OSError, EOFError, TimeoutError):
            self._tally.broken += 1
            self.close()
            return None
        if closes:
            self.close()
        self._tally.statuses[status] += 1
        if status >= 500 and status not in BAD_STATUS:
            self._tally.strange.append(f"{ask.method} {ask.path}: {status} {body[:200]!r}")
        return status, body

    def _written(self, ask: Ask) -> bytes:
        lines = [f"{ask.method} {ask.path} HTTP/1.1", f"host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in ask.headers]
        lines += [f"content-length: {len(ask.body)}", "", ask.body]
        return "\r\n".join(lines).encode()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    top, *lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(top.split()[1]), body, headers.get("connection") == "close"


class Client:
    """One bot: reads much, orders some, cancels what it placed, again until it is sure."""

    def __init__(self, number: int, door: Door, tally: Tally, *, ahead_ms: int, seed: int) -> None:
        """`ahead_ms`: the difference of the venue's clock to the loop's."""
        self._number, self._ahead_ms = number, ahead_ms
        self._tongue: Tongue = tongue_of(door.venue, door.key, door.secret)
        self._wire = Wire(door.rest, tally)
        self._random = random.Random(f"{seed}/{number}")
        self._placed: list[str] = []
        self._cancelled = ""
        """The order that the newest request is to cancel; empty when it is another one."""
        self._made = 0

    async def run(self, *, every_s: float, until_s: float) -> None:
        """Ask every `every_s`, from a start of its own, until the loop's clock shows `until_s`."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + every_s * self._random.random()
        try:
            while due_s < until_s:
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                ask = self._next(round(loop.time() * 1000) + self._ahead_ms)
                reply = await self._wire.send(ask)
                if self._cancelled and (reply is None or self._tongue.is_unsure(*reply)):
                    self._placed.append(self._cancelled)
                due_s += every_s  # what a hanging answer has delayed is made up for
        finally:
            self._wire.close()

    def _next(self, now_ms: int) -> Ask:
        chance = self._random.random()
        self._cancelled = ""
        if chance < 0.45:
            return self._tongue.book()
        if chance < 0.55:
            return self._tongue.time()
        if chance < 0.65:
            return self._tongue.balances(now_ms)
        if chance < 0.70:
            return self._tongue.open_orders(now_ms)
        if chance < 0.85 and self._placed:
            self._cancelled = self._placed.pop(0)
            return self._tongue.cancel(self._cancelled, now_ms)
        self._made += 1
        name = f"c{self._number}-{self._made}"
        if self._random.random() < 0.3:
            return self._tongue.market(name, self._random.choice(("buy", "sell")), now_ms)
        self._placed.append(name)
        return self._tongue.limit(name, str(self._random.randrange(60_000, 66_000)), now_ms)


async def read_stream(door: Door, tally: Tally) -> None:
    """Follow a venue's book, and connect again when the mock has ended it, until cancelled."""
    path, first = STREAMS[door.venue]
    while True:
        with contextlib.suppress(WebSocketException):
            async with connect(door.stream + path) as socket:
                if first:
                    await socket.send(first)
                async for _ in socket:
                    tally.frames += 1
        await asyncio.sleep(1.0)


async def drive(doors: list[Door], *, per_minute: int, seconds: float, seed: int) -> Tally:
    """A client for each of `doors`, for `seconds` of the loop's clock, and a stream a venue."""
    loop, tally = asyncio.get_running_loop(), Tally()
    began_s = loop.time()
    ahead_ms = await _server_time(doors) - round(loop.time() * 1000)
    until_s, every_s = loop.time() + seconds, 60 * len(doors) / per_minute
    first_of_each = {door.venue: door for door in reversed(doors)}.values()
    readers = [asyncio.create_task(read_stream(door, tally)) for door in first_of_each]
    async with asyncio.TaskGroup() as clients:
        for number, door in enumerate(doors):
            client = Client(number, door, tally, ahead_ms=ahead_ms, seed=seed)
            clients.create_task(client.run(every_s=every_s, until_s=until_s))
    tally.seconds = loop.time() - began_s
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    return tally


async def _server_time(doors: list[Door]) -> int:
    """The venues' clock: they have one."""
    door = next(door for door in doors if door.venue == "binance-um")
    wire, reply = Wire(door.rest, Tally()), None
    while reply is None or reply[0] != 200:  # this question is also answered badly at times
        reply = await wire.send(tongue_of(door.venue, "", "").time())
    wire.close()
    return int(json.loads(reply[1])["serverTime"])


# -- the mock in a process ------------------------------------------------------------------------


@contextlib.contextmanager
def served(seed: int, errors: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """`outlast mock` with the scenario, and its first line."""
    with tempfile.TemporaryDirectory() as folder, errors.open("w") as stderr:
        scenario = Path(folder) / "load.yaml"
        scenario.write_text(SCENARIO.format(seed=seed))
        process = subprocess.Popen(
            [OUTLAST, "mock", "--scenario", scenario],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(30)


def rss_mb(pid: int) -> float:
    """What the process holds in memory now."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True)
    return int(shown.stdout) / 1024


def ask_control(root: str, path: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(f"{root}/_outlast/{path}", body)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


async def load(
    first: dict[str, Any], pid: int, *, connections: int, per_minute: int, seconds: float, seed: int
) -> tuple[Tally, list[float]]:
    """The load, and the mock's memory at its start, every half minute and at its end."""
    doors = []
    for venue in itertools.islice(itertools.cycle(VENUES), connections):
        opened = await asyncio.to_thread(ask_control, first["control"], "accounts", b"{}")
        doors.append(door_of(venue, opened["venues"][venue]))
    memory: list[float] = []

    async def watch() -> None:
        while True:
            memory.append(await asyncio.to_thread(rss_mb, pid))
            await asyncio.sleep(SAMPLE_S)

    watching = asyncio.create_task(watch())
    tally = await drive(doors, per_minute=per_minute, seconds=seconds, seed=seed)
    watching.cancel()
    memory.append(rss_mb(pid))
    return tally, memory


def door_of(venue: str, described: dict[str, Any]) -> Door:
    """From what the mock says of a venue and an account of it."""
    roots = described["endpoints"]
    return Door(venue, roots["rest"], roots["stream"], described["key"], described["secret"])


# -- the same in the simulation -------------------------------------------------------------------


def truth_of(*, connections: int, per_minute: int, seed: int) -> str:
    """A hash of the truth and of every request, after a while in virtual time."""

    async def run() -> str:
        async with MockExchange(loads(SCENARIO.format(seed=seed))) as exchange:
            doors = []
            for venue in itertools.islice(itertools.cycle(VENUES), connections):
                account = exchange.run.open_account()[1][venue]
                roots = exchange.endpoints(venue)
                doors.append(
                    Door(venue, roots["rest"], roots["stream"], account.key, account.secret)
                )
            await drive(doors, per_minute=per_minute, seconds=SIMULATED_S, seed=seed)
            documents = [exchange.truth.as_json(), exchange.truth.requests_json()]
            engines = [venue.stage.engine for venue in exchange.run.venues.values()]
        text = json.dumps([*documents, *(engine.digest() for engine in engines)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    return sim.run(run, seed=seed)


# -- the report -----------------------------------------------------------------------------------


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything, as one document."""
    seconds = args.seconds or args.minutes * 60
    shape = {"connections": args.connections, "per_minute": args.per_minute, "seed": args.seed}
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder) / "stderr"
        with served(args.seed, errors) as (process, first):
            tally, memory = asyncio.run(load(first, process.pid, **shape, seconds=seconds))
            # Asked for last: the document itself takes memory.
            rows = ask_control(first["control"], "requests")["requests"]
        said = errors.read_text().strip()
    own = [
        f"{row['path']}: {row['status']}"
        for row in rows
        if (row["status"] or 0) >= 500 and row["rule"] is None
    ]
    last_s = min(tally.seconds, FLAT_S)
    grown_mb = memory[-1] - memory[int((tally.seconds - last_s) / SAMPLE_S)]
    truths = [truth_of(**shape) for _ in range(2)]
    report = {
        "seconds": round(tally.seconds, 1),
        "connections": args.connections,
        "requests": tally.requests,
        "requests_per_minute": round(tally.requests / tally.seconds * 60),
        "answers": dict(sorted(tally.statuses.items())),
        "broken_by_rules": tally.broken,
        "stream_messages": tally.frames,
        "errors": {
            "stderr": said,
            "dials_refused": tally.refused,
            "5xx_without_a_rule": [*tally.strange, *own],
        },
        "rss_mb": [round(size, 1) for size in memory],
        "grown_mb_at_last": round(grown_mb, 1),
        "truths": truths,
    }
    report["holds"] = {
        "no error of the mock's own": not (said or tally.refused or tally.strange or own),
        f"under {RSS_MB_MAX} MB": max(memory) < RSS_MB_MAX,
        "the same seed, the same truth": truths[0] == truths[1],
    }
    if tally.seconds >= SETTLED_S:
        flat = f"flat: less than {GROWTH_MB_MAX} MB in the last two minutes"
        report["holds"][flat] = grown_mb < GROWTH_MB_MAX
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description="Load on a mock that misbehaves.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, help="instead of minutes")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--per-minute", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    report = measure(parser.parse_args())
    print(json.dumps(report, indent=2))
    return 0 if all(report["holds"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
