"""What the streams say is on record: orders that they show, books that they get wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from short_story import ALL, BEGINS_S, ENDS_S, play, rule
from stand import Stand
from venue_wires import Sent

BOOKS = {
    "binance-um": ("/public/stream?streams=btcusdt@depth@100ms", None),
    "binance-spot": ("/stream?streams=btcusdt@depth@100ms", None),
    "kraken-spot": ("/v2", {"channel": "book", "symbol": ["BTC/USD"]}),
}
OTHERS = {
    "binance-um": ("/market/stream?streams=btcusdt@aggTrade", None),
    "binance-spot": ("/stream?streams=btcusdt@trade", None),
    "kraken-spot": ("/v2", {"channel": "trade", "symbol": ["BTC/USD"]}),
}


# --- orders --------------------------------------------------------------------------------------


async def unanswered(stand: Stand) -> Sent:
    """An order of which nothing but the stream can tell that it is there."""
    price = stand.market.away(stand.market.mid, "0.1")
    sent = stand.new_order(stand.main, price=price)
    lost = rule("orders.create", reply={"empty": 200}, effect="apply", times=1)
    await stand.tell("POST", "faults", lost)
    assert (await stand.ask(sent)).body == b""
    return sent


async def shown_after_s(stand: Stand, sent: Sent) -> float | None:
    """How long after its birth the truth has its owner know of it; None: never."""
    order = (await stand.orders())[stand.main.name, sent.order]
    born, shown = order["created_ms"], order["shown_ms"]
    return None if shown is None else (shown - born) / 1000


@pytest.mark.parametrize("venue", ALL)
@pytest.mark.parametrize(
    ("said", "low", "high"),
    [
        (None, 0.0, 0.5),
        ({"stream": {"delay": "40s"}}, 40.0, 41.0),
        ({"stream": "mute"}, None, None),
    ],
)
def test_an_order_is_known_from_when_the_stream_has_said_so(venue, said, low, high):
    async def bot(stand: Stand) -> Any:
        heard = await stand.user_stream(stand.main)
        await stand.goto(BEGINS_S + 10)
        sent = await unanswered(stand)
        await asyncio.sleep(60)
        told = [at_s for at_s, message in heard if sent.order in json.dumps(message)]
        return await shown_after_s(stand, sent), told

    faults = [rule("ws.user.stream", **said)] if said else []
    shown, told = play(venue, bot, faults=faults)
    if low is None:
        assert (shown, told) == (None, [])
    else:
        assert shown is not None
        assert low <= shown <= high
        assert told[0] - BEGINS_S - 10 == pytest.approx(shown, abs=0.5)


@pytest.mark.parametrize("venue", ALL)
def test_who_listens_to_nothing_is_told_nothing(venue):
    async def bot(stand: Stand) -> Any:
        await stand.goto(10)
        sent = await unanswered(stand)
        await asyncio.sleep(30)
        before = await shown_after_s(stand, sent)
        if venue == "kraken-spot":
            await stand.user_stream(stand.main)  # the snapshot of `executions` has it
        else:
            await stand.ask(stand.make("orders.open"))
        return before, await shown_after_s(stand, sent)

    before, after = play(venue, bot)
    assert before is None
    assert after is not None


@pytest.mark.parametrize("venue", ALL)
def test_what_was_muted_comes_in_a_burst_and_is_known_then(venue):
    async def bot(stand: Stand) -> Any:
        heard = await stand.user_stream(stand.main)
        mute = await stand.tell("POST", "faults", rule("ws.user.stream", stream="mute"))
        await stand.goto(20)
        sent = await unanswered(stand)
        await asyncio.sleep(20)
        before = await shown_after_s(stand, sent)
        burst = rule("ws.user.stream", stream={"burst_on_resume": 5000})
        await stand.tell("POST", "faults", burst)
        await stand.tell("DELETE", f"faults/{mute['id']}")
        await asyncio.sleep(5)
        told = [at_s for at_s, message in heard if sent.order in json.dumps(message)]
        return before, await shown_after_s(stand, sent), told

    # A scenario that never bursts keeps nothing: this one has such a rule, in a later phase.
    later = [rule("ws.user.stream", stream={"burst_on_resume": 5000})]
    before, after, told = play(venue, bot, faults=later)
    assert before is None
    assert after == pytest.approx(20, abs=1)
    assert told


# --- books ---------------------------------------------------------------------------------------


async def lies(stand: Stand) -> list[str]:
    truth = await stand.tell("GET", "truth")
    return list(truth["venues"][stand.market.venue]["lies"])


async def follow(stand: Stand, where: tuple[str, Any]) -> Any:
    path, params = where
    socket = await stand.dial(path)
    assert socket is not None
    if params is not None:
        await socket.send(json.dumps({"method": "subscribe", "params": params}))
    stand.listen(socket)
    await asyncio.sleep(1)
    return socket


UNTRUE: list[Any] = [
    "mute",
    {"mute": {"channels": ["book"]}},
    {"delay": "20s"},
    {"gap": 0.5},
    {"reorder": 0.5},
    {"bad_checksum": 0.5},
]
TRUE: list[Any] = [
    {"dup": 0.5},
    "no_pong",
    {"mute": {"channels": ["*"], "keep": ["book"]}},
    {"mute": {"channels": ["trade", "aggTrade"]}},
    {"burst_on_resume": 100},
]


async def lies_while(stand: Stand, stream: Any, *where: tuple[str, Any]) -> list[list[str]]:
    """What is a lie before a client's streams meet this fault, then, and when it has left."""
    sockets = [await follow(stand, path) for path in where]
    told = [await lies(stand)]
    fault = await stand.tell("POST", "faults", rule("ws.market.stream", stream=stream))
    await asyncio.sleep(6)
    told.append(await lies(stand))
    for socket in sockets:
        await socket.close()
    await asyncio.sleep(1)
    told.append(await lies(stand))
    await stand.tell("DELETE", f"faults/{fault['id']}")
    return told


@pytest.mark.parametrize("venue", ALL)
def test_a_book_that_is_not_the_engines_is_a_lie_for_as_long_as_somebody_has_it(venue):
    async def bot(stand: Stand) -> Any:
        return [await lies_while(stand, stream, BOOKS[venue]) for stream in UNTRUE]

    name = "BTC/USD" if venue == "kraken-spot" else "BTCUSDT"
    for stream, told in zip(UNTRUE, play(venue, bot), strict=True):
        assert told == [[], [f"book:{name}"], []], stream


@pytest.mark.parametrize("venue", ALL)
def test_a_book_that_is_confirmed_and_never_comes_is_a_lie(venue):
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 5)
        await follow(stand, BOOKS[venue])
        await asyncio.sleep(2)
        during = await lies(stand)
        await stand.goto(ENDS_S + 5)
        return during, await lies(stand)

    during, after = play(venue, bot, faults=[rule("ws.market.stream", stream="ack_only")])
    assert len(during) == 1
    assert after == during, "only another subscription helps"


@pytest.mark.parametrize("venue", ALL)
def test_what_leaves_the_book_as_it_is_is_no_lie_about_it(venue):
    async def bot(stand: Stand) -> Any:
        return [await lies_while(stand, stream, BOOKS[venue], OTHERS[venue]) for stream in TRUE]

    for stream, told in zip(TRUE, play(venue, bot), strict=True):
        assert told == [[], [], []], stream


@pytest.mark.parametrize("venue", ALL)
def test_a_delayed_book_is_true_again_when_all_of_it_has_come(venue):
    async def bot(stand: Stand) -> Any:
        await follow(stand, BOOKS[venue])
        seen = []
        for at_s in (BEGINS_S + 30, ENDS_S + 30):
            await stand.goto(at_s)
            seen.append(len(await lies(stand)))
        return seen

    assert play(venue, bot, faults=[rule("ws.market.stream", stream={"delay": "20s"})]) == [1, 0]


@pytest.mark.parametrize("venue", ALL)
def test_a_frozen_market_is_a_lie_whoever_listens(venue):
    async def bot(stand: Stand) -> Any:
        seen = []
        for at_s in (10, BEGINS_S + 10, ENDS_S + 10):
            await stand.goto(at_s)
            seen.append(await lies(stand))
        return seen

    assert play(venue, bot, market={"frozen": True}) == [[], ["book"], []]


def test_a_mark_that_stands_or_is_off_is_a_lie():
    async def bot(stand: Stand) -> Any:
        seen = []
        for at_s in (10, BEGINS_S + 10, ENDS_S + 10):
            await stand.goto(at_s)
            seen.append(await lies(stand))
        return seen

    frozen, off = {"mark": "frozen"}, {"mark": {"offset": -0.05}}
    assert play("binance-um", bot, engine=frozen) == [[], ["mark:frozen"], []]
    assert play("binance-um", bot, engine=off) == [[], ["mark:shifted"], []]
