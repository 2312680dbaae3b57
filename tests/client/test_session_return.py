"""The way back, step by step, counted by the mock: no burst on any step, a relapse steps back."""

from __future__ import annotations

import asyncio

import pytest
from venue_in_sim import ETH, World, builder, calm, play

import outlast
from outlast.client.events import HealthChanged, TradingStateChanged
from outlast.core.recovery import RecoverySettings
from outlast.mock.records import RequestRecord

QUOTE = outlast.limit(ETH, "buy", "0.1", "1900")
EXIT = outlast.limit(ETH, "sell", "0.01", "2140", reduce_only=True)
LONG = {"ETHUSDT": ("2", "2050")}
PACE_S = 1.6
"""Between two quotes: less than the usual rate, which a busier minute would raise."""
USUAL = 40
STEPS = (0.10, 0.25, 0.50)
ALLOWED = [round(USUAL * share) for share in STEPS]


def settings(**terms) -> outlast.Settings:
    recovery = RecoverySettings(entries_per_minute=USUAL, steps=STEPS, **terms)
    return outlast.Settings(seed=1, recovery=recovery)


async def quote_once(venue: outlast.Session) -> bool:
    """Quote and withdraw; True when the quote was let through the gate."""
    try:
        placed = await venue.submit(QUOTE, deadline_s=5)
        await venue.cancel(placed.client_order_id)
    except outlast.TradingHalted:
        return False
    except outlast.OutlastError:
        return True
    return True


async def quote_until(w: World, venue: outlast.Session, until: float) -> None:
    while w.clock.now() < until:
        await quote_once(venue)
        await asyncio.sleep(PACE_S)


async def quote_until_let_in(w: World, venue: outlast.Session) -> float:
    while not await quote_once(venue):
        await asyncio.sleep(0.5)
    return w.clock.now()


async def shut(w: World, venue: outlast.Session) -> None:
    """An outage of half a minute, which the session has seen. Exits see it: the gate lets them."""
    w.fault("*", reply="unavailable")
    for _ in range(20):
        tries = [venue.submit(EXIT, deadline_s=1) for _ in range(4)]
        await asyncio.gather(*tries, return_exceptions=True)
        try:
            await venue.submit(QUOTE, deadline_s=1)
        except outlast.TradingHalted as held:
            if held.cause == "breaker" or "it is on" in str(held):
                break
        except outlast.OutlastError:
            continue
    else:
        raise AssertionError("the outage was not seen")
    await asyncio.sleep(20)
    w.heal()


def entries(w: World) -> list[float]:
    """When each quote first reached the venue (seconds), repeats of one left out."""
    first: dict[str, RequestRecord] = {}
    for record in w.requests("orders.create"):
        assert record.create is not None
        if record.create.reduces:
            continue
        first.setdefault(record.create.client_order_id, record)
    return [record.arrived_ms / 1000 for record in first.values()]


def most_in_a_minute(times: list[float]) -> int:
    return max((sum(at <= t < at + 60 for t in times) for at in times), default=0)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_relapse_on_any_step_comes_back_one_step_earlier(step, tmp_path):
    async def story(w: World):
        async with w.connect(settings=settings(cool_down_share=0)) as venue:
            await shut(w, venue)
            began = await quote_until_let_in(w, venue)
            await quote_until(w, venue, began + 60 * step + 30)
            await shut(w, venue)
            again = await quote_until_let_in(w, venue)
            assert again - began >= 60 * step + 30 + 60  # a cool-down lies between
            before = len(entries(w)) - 1
            await quote_until(w, venue, again + 55)
            assert len(entries(w)) - before == ALLOWED[max(0, step - 1)]
        w.judge()

    play(story, tmp_path, scenario=calm(positions=LONG))


@pytest.mark.parametrize("seed", [1, 2])
def test_while_a_venue_admits_ten_to_a_hundred_percent_there_is_no_burst_on_any_step(
    seed, tmp_path
):
    """Down for four minutes; then a tenth of the requests is admitted, and more by steps."""
    busy = {"match": "*", "reply": "unavailable"}
    scenario = (
        builder()
        .phase("normal", "3m")
        .phase("down", "4m", faults=[busy])
        .phase("ramp", "10m", ramp={"from": 0.1, "to": 1.0, "steps": 5}, faults=[busy])
        .phase("well", "rest")
        .build()
    )

    async def story(w: World):
        async with w.connect(settings=settings()) as venue:
            start = w.clock.now()
            await quote_until(w, venue, start + 45 * 60)
            times = [at - w.mock.run.clock.t0_ms / 1000 for at in entries(w)]
            late = [at for at in times if at > 270]  # the outage was seen by then
            print(f"seed {seed}: first back after {min(late):.0f} s")
            # Let in one in ten it is still down; it has to be well for as long as it was away.
            assert min(late) > 420 + 240
            steps = [at for at in late if at < min(late) + 177]
            assert most_in_a_minute([at for at in steps if at < min(late) + 57]) <= ALLOWED[0]
            assert most_in_a_minute([at for at in steps if at < min(late) + 117]) <= ALLOWED[1]
            assert most_in_a_minute(steps) <= ALLOWED[2]
            assert venue.trading_state(ETH) is outlast.ACTIVE
            assert most_in_a_minute(late) > ALLOWED[2]  # all the way back
        w.judge()

    play(story, tmp_path, scenario=scenario, seed=seed)


def test_three_hours_of_flapping_that_begin_badly_stay_bounded(tmp_path):
    scenario = (
        builder()
        .phase(
            "flapping",
            "3h",
            flap={"good": "5m", "bad": "5m", "start": "bad"},
            faults=[{"match": "*", "p": 0.85, "reply": {"html": "cdn-500"}, "effect": "none"}],
        )
        .phase("well", "rest")
        .build()
    )

    async def story(w: World):
        async with w.connect() as venue:
            events = venue.events()
            while w.clock.now() < 3 * 3600:
                await quote_once(venue)
                await asyncio.sleep(20)
        told = [e async for e in events]
        states = sum(isinstance(e, TradingStateChanged) for e in told)
        verdicts = sum(isinstance(e, HealthChanged) for e in told)
        asked = w.scorecard()["requests"]
        print(f"{states} states, {verdicts} verdicts, {asked} requests in three hours")
        t0_ms = w.mock.run.clock.t0_ms
        bad = [o for o in w.orders if (o.created_ms - t0_ms) // 300_000 % 2 == 0]
        assert [o for o in bad if o.created_ms - t0_ms >= 1_200_000] == []  # after the first two
        assert states <= 18
        assert verdicts <= 4 * 36
        assert asked <= 40 * 180

    play(story, tmp_path, scenario=scenario, time_limit_s=12_000)
