"""For every invariant a bot that breaks it and one that does not, judged by what the mock saw.

The bots are plain HTTP on the wire. A verdict that is broken says when and, where a request is to
blame, by which one.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from scenario_text import Story
from stand import Stand, furnished, market_of
from venue_wires import Market
from wire_client import Heard

from outlast import sim
from outlast.mock.scenario.builder import ScenarioBuilder
from outlast.mock.scenario.vocabulary import EXPECTATIONS

Bot = Callable[[Stand], Awaitable[Any]]
"""What it gives, if anything, is its belief: the body of POST /_outlast/verdict."""

TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
REQUEST = re.compile(r"request (\d+)")


Verdict = dict[str, dict[str, Any]]


def judge(
    story: Story | dict[str, Any], bot: Bot, *, until: float | None = None, venue: str = ""
) -> Verdict:
    """Let the bot live through the scenario; the verdict by invariant."""

    async def one(stand: Stand) -> list[Any]:
        return [await bot(stand)]

    (verdict,) = judge_each(story, one, until=until, venue=venue)
    return verdict


def judge_each(
    story: Story | dict[str, Any], bot: Bot, *, until: float | None = None, venue: str = ""
) -> list[Verdict]:
    """The same for a bot that gives several beliefs: one life, a verdict for each of them."""
    if isinstance(story, Story):
        venue = venue or story.venues[0]
        market = market_of(story, venue)
        document = furnished(story, market, held=0)
        end_s = story.duration_s if until is None else until
    else:
        market = Market(
            "binance-um", "BTCUSDT", "BTCUSDT", Decimal(68000), Decimal("0.1"), Decimal("0.002")
        )
        document, end_s = story, until or 0.0

    async def play() -> Any:
        async with Stand(document, market) as stand:
            beliefs = await bot(stand)
            await stand.goto(end_s)
            return [
                await stand.tell("GET" if belief is None else "POST", "verdict", belief)
                for belief in beliefs
            ]

    told = sim.run(play, seed=1)
    return [{entry["invariant"]: entry for entry in each["verdict"]} for each in told]


def assert_broken(verdict: Verdict, name: str, *, request: bool = True, time: bool = True) -> str:
    entry = verdict[name]
    assert entry["holds"] is False, entry
    if time:
        assert TIME.search(entry["evidence"]), entry
    if request:
        assert REQUEST.search(entry["evidence"]), entry
    return str(entry["evidence"])


def assert_held(verdict: Verdict, *names: str) -> None:
    for name in names:
        assert verdict[name]["holds"] is True, verdict[name]


def test_every_invariant_has_an_offender_here_and_one_who_keeps_it():
    named: dict[str, set[str]] = {"assert_broken": set(), "assert_held": set()}
    for call in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            words = {a.value for a in call.args if isinstance(a, ast.Constant)}
            named.get(call.func.id, set()).update(words)
    assert named["assert_broken"] == named["assert_held"] == set(EXPECTATIONS)


# --- what all bots do ----------------------------------------------------------------------------


async def place(stand: Stand, name: str, price: Decimal, **terms: Any) -> Heard:
    return await stand.ask(stand.make("orders.create", order=name, price=price, **terms))


def says(heard: Heard) -> Any:
    """The body, or nothing where there is none that a program can read."""
    try:
        return heard.json
    except ValueError:
        return None


def is_open(heard: Heard) -> bool:
    """Nobody knows whether it landed: no answer, or one that says so."""
    if heard.error or heard.status == 408:
        return True
    return heard.status == 503 and "Unknown error" in says(heard)["msg"]


async def find(stand: Stand, name: str, *, wait_s: float = 5.0) -> bool:
    """Ask until the venue says whether it has the order."""
    while True:
        heard = await stand.ask(stand.make("orders.query", order=name))
        if heard.status == 200:
            return True
        if says(heard)["code"] == -2013:
            return False
        await asyncio.sleep(wait_s)


async def send_carefully(stand: Stand, name: str, price: Decimal) -> None:
    """One order: ask what became of it before sending it again."""
    for _ in range(7):
        heard = await place(stand, name, price)
        if heard.status == 200:
            return
        await asyncio.sleep(25)
        if is_open(heard) and await find(stand, name):
            return


def prices(stand: Stand, count: int) -> list[Decimal]:
    """Prices far below the market; each is an intent of its own."""
    market = stand.market
    return [market.away(market.mid, "0.2") + 10 * n * market.tick for n in range(count)]


# --- one intent, one order -----------------------------------------------------------------------


def test_blind_repeats_make_duplicates_orphans_and_open_ends():
    """On "status unknown" it sends the same again under another id, and never asks."""

    async def blind(stand: Stand) -> None:
        await stand.goto(125)
        for number, price in enumerate(prices(stand, 12)):
            for attempt in range(6):
                heard = await place(stand, f"b{number}-{attempt}", price)
                if heard.status == 200:
                    break

    verdict = judge(Story("unknown-503-landed"), blind, until=1000)
    evidence = assert_broken(verdict, "no_duplicate_exposure")
    assert "a second order for one intent (buy 0.002 BTCUSDT limit" in evidence
    assert "never shown to the client" in assert_broken(verdict, "no_orphans", request=False)
    assert "resolved never" in assert_broken(verdict, "unknowns_resolved")


def test_hammering_one_order_is_too_many_attempts():
    """The same id again and again; that it is refused as a duplicate teaches it nothing."""

    async def hammer(stand: Stand) -> None:
        await stand.goto(125)
        for number, price in enumerate(prices(stand, 30)):
            for _ in range(12):
                heard = await place(stand, f"h{number}", price)
                if heard.status == 200:
                    break

    verdict = judge(Story("unknown-503-landed"), hammer, until=1500)
    evidence = assert_broken(verdict, "attempts_per_intent")
    assert "attempt 9 of" in evidence
    assert "8 allowed" in evidence


def test_who_asks_before_sending_again_keeps_all_four():
    async def careful(stand: Stand) -> None:
        await stand.goto(125)
        for number, price in enumerate(prices(stand, 12)):
            await send_carefully(stand, f"k{number}", price)

    verdict = judge(Story("unknown-503-landed"), careful, until=1800)
    assert_held(
        verdict,
        "no_duplicate_exposure",
        "no_orphans",
        "unknowns_resolved",
        "attempts_per_intent",
    )


# --- budgets -------------------------------------------------------------------------------------


def narrow(**expect: Any) -> dict[str, Any]:
    """A healthy venue with a hundredth of its limits: 24 of weight a minute."""
    builder = ScenarioBuilder("narrow", venue="binance-um", seed=4)
    builder.limits(factor=0.01, ban={"after_429": 5, "first": "2m", "grow": 4, "max": "72h"})
    return builder.phase("calm", "1h").expect("no_ban", **expect).document()


async def poll(stand: Stand, times: int, *, patient: bool, pause_s: float = 0.0) -> None:
    for _ in range(times):
        await asyncio.sleep(pause_s)
        heard = await stand.ask(stand.make("market.read"))
        if patient and heard.status in (418, 429):
            await asyncio.sleep(float(heard.headers["retry-after"]) + 1)


def test_asking_on_after_a_429_is_impatience_and_then_a_ban():
    verdict = judge(
        narrow(requests_total=1000), lambda s: poll(s, 15, patient=False, pause_s=2.0), until=60
    )
    assert "before the Retry-After" in assert_broken(verdict, "no_ban")
    verdict = judge(narrow(requests_total=1000), lambda s: poll(s, 20, patient=True), until=900)
    assert_held(verdict, "no_ban", "requests_total")


def test_a_ban_itself_is_evidence_too():
    """The first 418 is named even where the 429s came too fast to be read in between."""
    verdict = judge(narrow(), lambda s: poll(s, 20, patient=False), until=60)
    assert "banned the client" in assert_broken(verdict, "no_ban")


def test_more_requests_than_allowed():
    verdict = judge(narrow(requests_total=12), lambda s: poll(s, 15, patient=True), until=900)
    assert "request number 13 of 15, 12 allowed" in assert_broken(verdict, "requests_total")


# --- safety first --------------------------------------------------------------------------------


async def exit_all(stand: Stand, name: str) -> Heard:
    """A reduce-only sale of a part of the DOGE position."""
    return await stand.ask(
        stand.make(
            "orders.create",
            order=name,
            type="MARKET",
            timeInForce=None,
            side="SELL",
            quantity="1000000",
            reduceOnly="true",
        )
    )


@pytest.mark.parametrize("adds", [True, False])
def test_new_exposure_while_an_exit_waits(adds):
    """In the lockout nearly every exit is refused. One bot buys meanwhile, the other insists."""

    async def bot(stand: Stand) -> None:
        await stand.goto(9 * 60 + 5)
        price = stand.market.away(Decimal("0.15"), "0")
        for number in range(10):
            heard = await exit_all(stand, f"exit-{number}")
            if heard.status == 200:
                return
            await asyncio.sleep(5)
            if adds:
                await place(stand, f"more-{number}", price)

    verdict = judge(Story("binance-reduce-only-lockout-2025-10-11"), bot, until=700)
    if adds:
        evidence = assert_broken(verdict, "risk_first")
        assert "the exit of DOGEUSDT waits, refused by request" in evidence
    else:
        assert_held(verdict, "risk_first")


@pytest.mark.parametrize("waits", [False, True])
def test_new_exposure_in_a_false_dawn(waits):
    """Between two crashes the venue takes a few orders again; the way back is gated."""

    story = Story("double-restart-failover", longest_s=300)
    _, dawn, *_, trading = story.phases

    async def bot(stand: Stand) -> None:
        await stand.goto(trading.start_s + 30 if waits else dawn.start_s + 5)
        for number, price in enumerate(prices(stand, 25)):
            heard = await place(stand, f"n{number}", price)
            if heard.status == 200:
                return

    verdict = judge(story, bot)
    if waits:
        assert_held(verdict, "no_new_exposure_before")
    else:
        evidence = assert_broken(verdict, "no_new_exposure_before")
        assert "was taken and adds exposure before 'trading'" in evidence


# --- untruth -------------------------------------------------------------------------------------


@pytest.mark.parametrize("believes", [True, False])
def test_buying_after_a_balance_of_zero_was_read(believes):
    async def bot(stand: Stand) -> None:
        await stand.goto(125)
        heard = await stand.ask(stand.make("account.balances"))
        assert Decimal(heard.json[0]["balance"]) == 0
        if believes:
            await stand.goto(180)
            await place(stand, "rebuild", stand.market.away(stand.market.mid, "0.2"))

    verdict = judge(Story("zero-balances"), bot, until=300, venue="binance-um")
    if believes:
        evidence = assert_broken(verdict, "no_trade_on_untrusted")
        assert "the venue lies (balances:zero" in evidence
    else:
        assert_held(verdict, "no_trade_on_untrusted")


KRAKEN_BOOK = {
    "method": "subscribe",
    "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10},
}


def test_a_book_that_stands_still_on_a_socket_that_lives():
    """From second 60 to 155 the socket beats and says nothing; five seconds are allowed."""
    story = Story("engine-frozen-socket-alive")

    def noticed(after_s: float) -> Any:
        at_ms = story.t0_ms + 60_000 + round(1000 * after_s)
        mark = {"symbol": "BTC/USD", "at_ms": at_ms, "until_ms": at_ms + 100_000}
        return {"stale": [mark]}

    async def bot(stand: Stand) -> Any:
        socket = await stand.dial("/v2")
        assert socket is not None
        await socket.send(json.dumps(KRAKEN_BOOK))
        await asyncio.sleep(160)
        return [{"stale": []}, noticed(20.0), noticed(3.0)]

    never, late, soon = judge_each(story, bot, until=200)
    assert_held(soon, "stale_within")
    for verdict in (never, late):
        evidence = assert_broken(verdict, "stale_within", request=False)
        assert evidence.startswith("2026-03-02T14:01:00.000Z: the books on kraken-spot")


def test_a_book_with_a_hole_in_it():
    """An update in a hundred is lost; who goes by the venue's ids sees it at the next one."""
    story = Story("gap-and-checksum")
    streams = "/stream?streams=btcusdt@depth@100ms"

    async def bot(stand: Stand) -> Any:
        marks: list[dict[str, Any]] = []
        for _ in range(6):
            # A gap befalls half of the subscriptions, a wrong id or a swap the others.
            socket = await stand.dial(streams)
            assert socket is not None
            last, opened = 0, asyncio.get_running_loop().time()
            async for text in socket:
                data = json.loads(text)["data"]
                if last and data["U"] != last + 1:
                    marks.append({"symbol": "BTCUSDT", "at_ms": stand.clock.now_ms})
                    break
                last = data["u"]
                if asyncio.get_running_loop().time() > opened + 120:
                    break
            await asyncio.sleep(1.5)  # it goes on trusting what it has, or knows better
            await socket.close()
            if marks:
                marks[-1]["until_ms"] = stand.clock.now_ms
        assert len(marks) >= 3
        return [{"stale": marks}, {"stale": []}]

    notices, sleeps = judge_each(story, bot, until=1000, venue="binance-spot")
    assert_held(notices, "stale_within")
    evidence = assert_broken(sleeps, "stale_within", request=False)
    assert "the book of BTCUSDT on binance-spot became untrue" in evidence


# --- knowing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reads", [False, True])
def test_reports_that_come_late_have_to_be_read_late(reads):
    """A fill happens, the venue reports it twelve minutes later and shows old positions."""

    async def bot(stand: Stand) -> None:
        await stand.goto(120)
        heard = await stand.ask(
            stand.make("orders.create", order="late", type="MARKET", timeInForce=None)
        )
        assert heard.status == 200
        if reads:
            await stand.goto(27 * 60)
        for endpoint in ("orders.open", "account.positions", "account.balances"):
            assert (await stand.ask(stand.make(endpoint))).status == 200
        assert (await stand.ask(stand.make("orders.query", order="late"))).status == 200

    verdict = judge(Story("fills-reported-late"), bot)
    if reads:
        assert_held(verdict, "reconciled_by_end", "no_duplicate_exposure")
    else:
        evidence = assert_broken(verdict, "reconciled_by_end", request=False)
        assert "no true and complete answer about" in evidence or "no answer after" in evidence


def test_a_belief_is_compared_to_the_letter():
    async def bot(stand: Stand) -> Any:
        await stand.goto(120)
        await stand.ask(stand.make("orders.create", order="late", type="MARKET", timeInForce=None))
        return [
            {"orders": {"late": "filled"}, "positions": {"BTCUSDT": qty}}
            for qty in ("0.002", "0.001")
        ]

    right, wrong = judge_each(Story("fills-reported-late"), bot)
    assert_held(right, "reconciled_by_end")
    evidence = assert_broken(wrong, "reconciled_by_end", request=False)
    assert "a position of BTCUSDT of 0.001, in truth it is 0.002" in evidence


def test_a_journal_that_lacks_a_request_is_no_evidence():
    whole = {"records": 6, "verified": True, "requests": 3}

    async def bot(stand: Stand) -> Any:
        for _ in range(3):
            await stand.ask(stand.make("account.balances"))
        journals = (whole, {**whole, "verified": False}, {**whole, "requests": 2})
        return [*({"journal": journal} for journal in journals), None]

    story = Story("binance-um-halt-2025-08-29")
    held, unproved, lacking, nothing = judge_each(story, bot, until=60)
    assert_held(held, "evidence_complete")
    for verdict, words in (
        (unproved, "the chain"),
        (lacking, "2 requests are journaled and 3 arrived"),
        (nothing, ""),
    ):
        says = assert_broken(verdict, "evidence_complete", request=False, time=False)
        assert says.startswith(words)


# --- other products ------------------------------------------------------------------------------


@pytest.mark.parametrize("stops", [True, False])
def test_a_breaker_that_takes_spot_down_with_futures(stops):
    """Spot is healthy all through the halt of futures: its requests have to go on."""
    story = Story("binance-um-halt-2025-08-29", longest_s=300)
    market = market_of(story, "binance-um")
    document = furnished(story, market, held=0)
    settled = story.phases[-1].start_s

    async def play() -> Any:
        async with Stand(document, market, venues=story.venues) as stand:
            spot = stand.client(stand.rest_of("binance-spot"))
            loop = asyncio.get_running_loop()
            began = loop.time()
            for at_s in range(5, int(story.duration_s), 6):
                await asyncio.sleep(max(0.0, at_s - (loop.time() - began)))
                if not stops or not 300 <= at_s < settled:
                    await spot.get("/api/v3/ticker/price")
                await stand.ask(stand.make("account.balances"))
            return await stand.tell("GET", "verdict")

    told = sim.run(play, seed=1)
    verdict = {entry["invariant"]: entry for entry in told["verdict"]}
    if stops:
        evidence = assert_broken(verdict, "breaker_scope", request=False)
        assert "other requests on spot" in evidence
    else:
        assert_held(verdict, "breaker_scope")


# --- dials ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dials", "holds"), [(60, False), (12, True)])
def test_dialling_without_a_pause_is_a_storm(dials, holds):
    """Twelve minutes in which the gateway refuses nineteen of twenty."""

    async def bot(stand: Stand) -> None:
        for number in range(dials):
            await stand.goto(5 + 700 * number / dials)
            await stand.dial("/v2")

    verdict = judge(Story("reconnect-storm"), bot, until=760)
    if holds:
        assert_held(verdict, "connects_max", "no_ban")
    else:
        evidence = assert_broken(verdict, "connects_max", request=False)
        assert "dial number 41 of 60, 40 allowed" in evidence
