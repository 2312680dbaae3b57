"""The same seed and the same client: the same truth, to the letter; and the market is nobody's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scenario_text import Story, slugs
from stand import Stand, furnished, market_of, need_venue

from outlast import sim

SHORT_S = 45
"""Phases are cut to this: nothing in them is drawn by the hour."""
SCRIPT = (
    "time market.read orders.create account.balances orders.create orders.query orders.cancel "
    "orders.open market.read orders.create orders.amend fills.query orders.cancel_all"
).split()


async def truth_of(document: dict[str, Any], starts: list[float], market: Any, story: Story) -> Any:
    """Send the script into every phase, wait for all answers, and give the documents."""
    async with Stand(document, market) as stand:
        price = market.away(market.mid, "0.3")
        for start_s in starts[:-1]:
            await stand.goto(start_s + 0.25)
            sent = [
                stand.make(endpoint, order=_about(endpoint, n), price=price)
                for n, endpoint in enumerate(SCRIPT)
            ]
            await stand.ask_all(sent)
        await stand.goto(starts[-1])
        truth = await stand.tell("GET", "truth")
        requests = await stand.tell("GET", "requests")
        verdict = await stand.tell("GET", "verdict")
        return truth, requests, verdict


def _about(endpoint: str, number: int) -> str:
    return f"order-{number}" if endpoint == "orders.create" else "order-2"


def starts_of(story: Story) -> list[float]:
    """When its phases begin, and when the last one ends."""
    return [*(phase.start_s for phase in story.phases), story.duration_s]


def cases() -> list[object]:
    return [
        pytest.param(slug, venue, id=slug if len(Story(slug).venues) == 1 else f"{slug}@{venue}")
        for slug in slugs()
        for venue in Story(slug).venues[:1]
    ]


@pytest.mark.parametrize(("slug", "venue"), cases())
def test_two_runs_with_the_same_client_are_the_same(slug, venue):
    need_venue(venue)
    story = Story(slug, longest_s=SHORT_S)
    market = market_of(story, venue)
    document, starts = furnished(story, market), starts_of(story)

    def run(seed: int) -> Any:
        async def play() -> Any:
            return await truth_of(document | {"seed": seed}, starts, market, story)

        return sim.run(play, seed=1)

    first, second = run(document["seed"]), run(document["seed"])
    assert json.dumps(first) == json.dumps(second)
    assert first[1]["total"] >= len(SCRIPT) * len(story.phases) - len(SCRIPT)


def test_another_seed_is_another_market_and_draws_other_chances():
    story = Story("unknown-503-landed", longest_s=SHORT_S)
    market = market_of(story, "binance-um")
    document, starts = furnished(story, market), starts_of(story)

    def run(seed: int) -> Any:
        async def play() -> Any:
            return await truth_of(document | {"seed": seed}, starts, market, story)

        return sim.run(play, seed=1)

    rules = [[r["rule"] for r in run(seed)[1]["requests"]] for seed in (1, 2)]
    assert rules[0] != rules[1]


@pytest.mark.parametrize(
    ("slug", "venue"),
    [
        ("late-queue-execution", "binance-um"),
        ("zero-balances", "binance-spot"),
        ("kraken-degraded-cancel-only-recovery", "kraken-spot"),
    ],
)
def test_the_market_goes_its_way_whatever_the_client_does(slug, venue):
    """One client watches; the other trades at the touch, cancels and asks. A minute after its last
    order both see the same book to the last unit and, from then on, the same trades."""
    need_venue(venue)
    story = Story(slug)
    market = market_of(story, venue)
    document = furnished(story, market, limits={"enforce": False})
    watched = story.phases[0].start_s + 120.0

    async def play(*, trading: bool) -> Any:
        async with Stand(document, market) as stand:
            if trading:
                async with stand.behind_the_faults():
                    for number in range(6):
                        await stand.goto(5.0 + 5 * number)
                        _, asks = await stand.book()
                        order = stand.new_order(stand.main, price=asks[2][0])
                        heard = await stand.ask(order)
                        assert heard.status == 200, heard
                orders = await stand.orders()
                assert sum(order["filled_qty"] != "0" for order in orders.values()) == 6
            seen = []
            for at_s in (watched, watched + 20, watched + 40):
                await stand.goto(at_s)
                engine = stand.exchange.run.venues[venue].stage.engine
                tape = [
                    (trade.at_ms, trade.price, trade.qty)
                    for trade in engine.tape(market.symbol, 200)
                    if trade.at_ms >= story.t0_ms + 1000 * watched
                ]
                book = engine.book(market.symbol, 20)
                seen.append((book.bids, book.asks, engine.peer_price(market.symbol), tape))
            return seen

    quiet = sim.run(lambda: play(trading=False), seed=1)
    busy = sim.run(lambda: play(trading=True), seed=1)
    assert quiet == busy
    assert len(quiet[-1][3]) > 0
