"""What the stream rules of every scenario do to real WebSocket clients.

Each phase with such rules is lived through twice with the same seed, once without its stream rules:
what the clients of the first run hear is what was due, and the difference is the fault.
"""

from __future__ import annotations

import asyncio
import copy
import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from scenario_text import Phase, Rule, Story, seconds, slugs
from stand import LIMITS_OFF, Stand, furnished, market_of, need_venue
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from outlast import sim

CROWD = 24
"""So many sockets where a rule takes a share of them."""
QUIET_S = 90
"""Phases need not be longer than this to show what becomes of a socket."""
STREAMS = {
    "binance-um": ["depth@100ms", "aggTrade", "markPrice@1s", "kline_1m", "bookTicker"],
    "binance-spot": ["depth@100ms", "trade", "kline_1m", "bookTicker"],
}
ALIKE = {"book": "depth", "markPriceUpdate": "markPrice", "depthUpdate": "depth"}


@dataclass
class Ear:
    """One socket and everything it heard: (seconds since the start of the scenario, text)."""

    stand: Stand
    socket: Any
    heard: list[tuple[float, str]] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    """Of each message, what channel it is of."""
    closed: tuple[int, float] | None = None
    task: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        try:
            while True:
                text = await self.socket.recv()
                self.heard.append((self.stand.clock.elapsed_s, text))
                self.channels.append(channel_of(json.loads(text)))
        except ConnectionClosed:
            self.closed = (self.socket.close_code or 1006, self.stand.clock.elapsed_s)

    def data(self) -> list[tuple[float, str]]:
        """What channels carried, in the order of its arrival; heartbeats are none of them."""
        both = zip(self.heard, self.channels, strict=True)
        return [message for message, channel in both if channel not in ("", "heartbeat")]

    def by_channel(self) -> dict[str, list[tuple[float, str]]]:
        """Data alone: answers to subscriptions and greetings have no channel of their own."""
        found = defaultdict(list)
        for message, channel in zip(self.heard, self.channels, strict=True):
            if channel:
                found[channel].append(message)
        return found


def channel_of(message: Any) -> str:
    if "stream" in message:
        name = message["stream"].partition("@")[2].partition("@")[0].partition("_")[0]
        return ALIKE.get(name, name)
    if "e" in message:
        return ALIKE.get(message["e"], message["e"])
    if message.get("channel") in (None, "status"):
        return ""
    return ALIKE.get(message["channel"], message["channel"])


SPOILS = ("gap", "bad_checksum", "reorder")


async def open_ears(stand: Stand, feed: str, count: int) -> list[Ear]:
    """Sockets with every stream of the feed; the handshakes are let through."""
    through = await stand.tell("POST", "faults", {"match": "ws.*.connect", "reply": "ok"})
    async with stand.behind_the_faults():
        path, said = await _what_to_say(stand, feed, book_alone=count > 1)
    ears = []
    for _ in range(count):
        url = stand.endpoints["stream"] + path
        socket = await connect(url, proxy=None, compression=None, ping_interval=None)
        ear = Ear(stand, socket)
        ear.task = asyncio.create_task(ear.listen())
        for message in said:
            await socket.send(json.dumps(message))
        ears.append(ear)
    await stand.tell("DELETE", f"faults/{through['id']}")
    return ears


async def _what_to_say(
    stand: Stand, feed: str, *, book_alone: bool = False
) -> tuple[str, list[Any]]:
    market, user = stand.market, feed == "user"
    if market.venue == "kraken-spot":
        if user:
            heard = await stand.ask(stand.make("stream.key"))
            params = {"channel": "executions", "token": heard.json["result"]["token"]}
            return "/v2/auth", [{"method": "subscribe", "params": params}]
        return "/v2", [
            {"method": "subscribe", "params": {"channel": channel, "symbol": [market.symbol]}}
            for channel in (("book",) if book_alone else ("book", "trade", "ticker"))
        ]
    if user:
        heard = await stand.ask(stand.make("stream.key"))
        return f"/ws/{heard.json['listenKey']}", []
    symbol = market.symbol.lower()
    wanted = STREAMS[market.venue][:1] if book_alone else STREAMS[market.venue]
    names = "/".join(f"{symbol}@{name}" for name in wanted)
    return f"/stream?streams={names}", []


def stream_rules(phase: Phase, venue: str, feed: str) -> list[Rule]:
    name = f"ws.{feed}.stream"
    return [rule for rule in phase.rules if rule.stream and rule.covers(name, venue)]


def dial_rules(story: Story, venue: str) -> list[tuple[Phase, Rule]]:
    return [
        (phase, rule)
        for phase in story.phases
        for rule in phase.rules
        if rule.covers("ws.market.connect", venue)
    ]


def named(slug: str, venue: str) -> str:
    return slug if len(Story(slug).venues) == 1 else f"{slug}@{venue}"


PLACES = [(slug, venue) for slug in slugs() for venue in Story(slug).venues]
WITH_DIALS = [
    pytest.param(slug, venue, id=named(slug, venue))
    for slug, venue in PLACES
    if dial_rules(Story(slug), venue)
]
WITH_STREAMS = [
    pytest.param(slug, venue, feed, id=f"{named(slug, venue)}-{feed}")
    for slug, venue in PLACES
    for feed in ("market", "user")
    if any(stream_rules(phase, venue, feed) for phase in Story(slug).phases)
]


# --- handshakes ----------------------------------------------------------------------------------


async def dial(stand: Stand, path: str) -> int | str:
    """The status of the handshake, or what else came of it."""
    url = stand.endpoints["stream"] + path
    try:
        socket = await connect(url, proxy=None, compression=None, ping_interval=None)
    except InvalidStatus as refused:
        return refused.response.status_code
    except (InvalidMessage, OSError, EOFError):
        return "refused"
    await socket.close()
    return 101


@pytest.mark.parametrize(("slug", "venue"), WITH_DIALS)
def test_handshakes(slug, venue):
    need_venue(venue)
    story = Story(slug, longest_s=QUIET_S)
    market = market_of(story, venue)
    phases = dial_rules(story, venue)

    async def play():
        counts = []
        async with Stand(furnished(story, market, limits=LIMITS_OFF), market) as stand:
            async with stand.behind_the_faults():
                path, _ = await _what_to_say(stand, "market")
            for phase, rule in phases:
                await stand.goto(phase.start_s + 1)
                dials = 120 if rule.p < 1 else 6
                counts.append([await dial(stand, path) for _ in range(dials)])
        return counts

    for (phase, rule), heard in zip(phases, sim.run(play, seed=1), strict=True):
        kind, said = rule.reply
        due = "refused" if kind == "refuse" else said["status"]
        got, count = heard.count(due), len(heard)
        sigma = math.sqrt(count * rule.p * (1 - rule.p))
        assert abs(got - count * rule.p) <= 5 * sigma, (phase.name, heard)
        assert got + heard.count(101) == count, (phase.name, heard)


# --- running streams -----------------------------------------------------------------------------


def without_streams(document: dict[str, Any]) -> dict[str, Any]:
    """The same story with nothing done to its streams; the rules keep their places."""
    clean = copy.deepcopy(document)
    for phase in clean["phases"]:
        phase["faults"] = [rule for rule in phase.get("faults", []) if "stream" not in rule]
    return clean


def window_s(rules: list[Rule]) -> float:
    """How long to listen: past every delay, and until a share of one in a hundred shows."""
    longest = 30.0
    for rule in rules:
        kind, said = rule.stream
        if kind == "delay":
            longest = max(longest, seconds(said) + 15)
        if kind in ("gap", "bad_checksum", "reorder"):
            longest = max(longest, 60.0)
    return longest


async def listen_to(document: dict[str, Any], story: Story, venue: str, feed: str) -> Any:
    """{phase: (its rules, the ears)} of all phases with rules about this feed."""
    market = market_of(story, venue)
    found = {}
    # The same pace on every wire: else a message more or less here would shift all that follows.
    sim.network().link(sim.ANY, sim.ANY).latency = sim.fixed(0.004)
    async with Stand(document, market) as stand:
        for phase in story.phases:
            rules = stream_rules(phase, venue, feed)
            if not rules:
                continue
            await stand.goto(max(0.0, phase.start_s - 3))
            crowd = CROWD if any(rule.stream[0] in SPOILS for rule in rules) else 1
            ears = await open_ears(stand, feed, crowd)
            await asyncio.sleep(max(0.0, phase.start_s + 2 - stand.clock.elapsed_s))
            if feed == "user":
                await make_events(stand)
            length = min(window_s(rules), phase.length_s)
            await asyncio.sleep(max(0.0, phase.start_s + length - stand.clock.elapsed_s) + 1)
            for ear in ears:
                await ear.socket.close()
                await ear.task
            found[phase.name] = (rules, ears, stand.exchange.run.truth)
    return found


async def make_events(stand: Stand) -> None:
    """A few orders, placed and cancelled again as far as the engine takes them."""
    price = stand.market.away(stand.market.mid, "0.3")
    async with stand.behind_the_faults():
        for number in range(3):
            name = f"event-{stand.clock.elapsed_s:.0f}-{number}"[:18]
            await stand.ask(stand.make("orders.create", order=name, price=price))
            await stand.ask(stand.make("orders.cancel", order=name))


@pytest.mark.parametrize(("slug", "venue", "feed"), WITH_STREAMS)
def test_running_streams(slug, venue, feed):
    need_venue(venue)
    story = Story(slug, longest_s=QUIET_S)
    market = market_of(story, venue)
    document = furnished(story, market, limits=LIMITS_OFF)
    due = sim.run(lambda: listen_to(without_streams(document), story, venue, feed), seed=1)
    got = sim.run(lambda: listen_to(document, story, venue, feed), seed=1)
    for phase in story.phases:
        if phase.name in got:
            rules, ears, _ = got[phase.name]
            compare(phase, rules, due[phase.name][1], ears, feed)


def compare(phase: Phase, rules: list[Rule], due: list[Ear], got: list[Ear], feed: str) -> None:
    """One of the checks below for each rule; a crowd is told apart by what it lived through."""
    if len(got) > 1:
        compare_crowd(phase, rules, due, got)
        return
    (rule,) = rules
    kind, said = rule.stream
    CHECKS[kind](phase, rule, said, due[0], got[0], feed)


def silent_on(phase: Phase, clean: Ear, ear: Ear, silent: set[str] | None, *, spare=()) -> None:
    """Nothing on these channels (None: on any but those spared), the rest as if nothing were."""
    due, got = clean.by_channel(), ear.by_channel()
    lost = 0
    for channel, messages in due.items():
        after = [m for m in messages if m[0] > phase.start_s + 0.5]
        still = [m for m in got[channel] if m[0] > phase.start_s + 0.5]
        muted = channel not in spare if silent is None else channel in silent
        if muted:
            lost += len(after)
            assert still == [], (phase.name, channel, still[:2])
        else:
            assert [text for _, text in still] == [text for _, text in after], (phase.name, channel)
    if phase.part("engine").get("mode", "online") == "online":
        assert lost, f"{phase.name}: there was nothing to be silent about"


def check_mute(phase, rule, said, clean, ear, feed):
    said = said or {"channels": ["*"]}
    silent = {ALIKE.get(name, name) for name in said["channels"]}
    spare = set(said.get("keep", []))
    silent_on(phase, clean, ear, None if "*" in silent else silent - spare, spare=spare)
    assert ear.closed is not None
    assert ear.closed[1] > phase.start_s + 25, "a muted socket stays open"


def check_ack_only(phase, rule, said, clean, ear, feed):
    channels = set(rule.where.get("channel", [])) or None
    silent_on(phase, clean, ear, channels)


def check_delay(phase, rule, said, clean, ear, feed):
    """Everything comes, so much later."""
    late_s, end_s = seconds(said), ear.closed[1]
    due = [m for m in clean.data() if m[0] > phase.start_s + 0.5]
    got = [m for m in ear.data() if m[0] > phase.start_s + 0.5]
    assert got, phase.name
    expected = [(at_s + late_s, text) for at_s, text in due if at_s + late_s < end_s - 0.5]
    assert [text for _, text in got[: len(expected)]] == [text for _, text in expected]
    for (at_s, _), (due_s, _) in zip(got, expected, strict=False):
        assert abs(at_s - due_s) < 0.5, (at_s, due_s)


def check_close(phase, rule, said, clean, ear, feed):
    code, every_s = said["code"], seconds(said["every"])
    assert ear.closed is not None
    assert ear.closed[0] == code, ear.closed
    assert abs(ear.closed[1] - phase.start_s - every_s) < 0.1, ear.closed


def check_burst(phase, rule, said, clean, ear, feed):
    """So many messages at once when the phase begins, besides what is due anyway."""
    at_once = [m for m in ear.heard if phase.start_s <= m[0] <= phase.start_s + 1]
    usual = [m for m in clean.heard if phase.start_s <= m[0] <= phase.start_s + 1]
    if feed == "user":
        # A burst brings back what was held back; nothing was, and orders are not made up.
        assert len(at_once) == len(usual)
        return
    assert abs(len(at_once) - len(usual) - said) <= 10, (len(at_once), len(usual))


CHECKS = {
    "mute": check_mute,
    "ack_only": check_ack_only,
    "delay": check_delay,
    "close": check_close,
    "burst_on_resume": check_burst,
}


# --- crowds --------------------------------------------------------------------------------------


def compare_crowd(phase: Phase, rules: list[Rule], due: list[Ear], got: list[Ear]) -> None:
    """Rules with a share of the subscriptions: which of them befell the book of each socket?"""
    left, expected = 1.0, {}
    for rule in rules:
        expected[rule.stream[0]] = left * rule.p
        left *= 1 - rule.p
    expected["same"] = left
    seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for clean, ear in zip(due, got, strict=True):
        before = [text for at_s, text in clean.by_channel()["depth"] if at_s > phase.start_s + 0.5]
        after = [text for at_s, text in ear.by_channel()["depth"] if at_s > phase.start_s + 0.5]
        kind, spoilt = what_befell(before, after)
        seen[kind].append((spoilt, len(before)))
    for kind, share in expected.items():
        count = len(seen[kind])
        if kind == "same":
            # A share of a thousandth may pass a socket by in a minute: it counts as untouched.
            assert count >= len(got) * share - 5 * math.sqrt(len(got) * share * (1 - share))
            continue
        sigma = math.sqrt(len(got) * share * (1 - share))
        assert abs(count - len(got) * share) <= 5 * sigma, (phase.name, kind, count)
        assert count > 0, (phase.name, kind, {k: len(v) for k, v in seen.items()})
    for rule in rules:
        kind, share = rule.stream
        spoilt = sum(n for n, _ in seen[kind])
        messages = sum(n for _, n in seen[kind])
        bound = 5 * math.sqrt(messages * share * (1 - share))
        assert abs(spoilt - messages * share) <= bound, (phase.name, kind, spoilt, messages)


def what_befell(due: list[str], got: list[str]) -> tuple[str, int]:
    """How a book's messages differ from those that were due: the kind of fault, how many."""
    if got == due:
        return "same", 0
    if len(got) == len(due) - 1 and sorted(got) == sorted([*due[:-2], due[-1]]):
        due = [*due[:-2], due[-1]]  # the last one waits for the next to change places with
    elif len(got) == len(due) - 1 and sorted(got) == sorted(due[:-1]):
        due = due[:-1]
    if sorted(got) == sorted(due):
        swapped = [n for n in range(len(due)) if got[n] != due[n]]
        assert all(got[n] == due[n + 1] for n in swapped[::2]), "neighbours change places"
        return "reorder", len(swapped) // 2
    if len(got) == len(due):
        wrong = [(a, b) for a, b in zip(due, got, strict=True) if a != b]
        for a, b in wrong:
            assert only_the_proof_differs(json.loads(a), json.loads(b)), (a, b)
        return "bad_checksum", len(wrong)
    rest = iter(due)
    assert all(text in rest for text in got), "what came was due, in this order"
    return "gap", len(due) - len(got)


def only_the_proof_differs(one: Any, other: Any) -> bool:
    """Same prices and quantities; another checksum, or other ids in the chain of updates."""
    for message in (one, other):
        data = message["data"]
        data = data[0] if isinstance(data, list) else data
        for name in ("checksum", "U", "u", "pu"):
            data.pop(name, None)
    return bool(one == other)
