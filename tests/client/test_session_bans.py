"""A ban binds the address and the key, not the process that was told of it."""

from __future__ import annotations

import pytest
from venue_in_sim import BTC, PASSIVE, World, play

import outlast

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


async def be_banned(w: World, venue: outlast.Session, seconds: str) -> None:
    body = '{"code":-1003,"msg":"Too many requests."}'
    told = {"status": 429, "headers": {"Retry-After": seconds}, "body": body}
    w.fault("*", reply={"http": told}, times=1)
    with pytest.raises(outlast.OutlastError):
        await venue.mark_price(BTC)
    w.heal()


def test_a_restart_into_a_long_ban_sends_nothing_and_says_until_when(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await be_banned(w, venue, "600")
            sent = len(w.requests())
        ends_at = w.clock.wall() + 600
        with pytest.raises(outlast.BannedByVenue) as caught:
            async with w.connect():
                raise AssertionError("it opened")
        assert caught.value.retry_at == pytest.approx(ends_at, abs=6)  # some jitter
        assert len(w.requests()) == sent

    play(story, tmp_path)


def test_a_restart_into_a_short_ban_waits_for_its_end(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await be_banned(w, venue, "12")
            sent = len(w.requests())
        ends_at = w.clock.wall() + 12
        async with w.connect() as heir:
            first = w.requests()[sent]
            assert first.arrived_ms / 1000 >= ends_at - 0.1
            assert (await heir.submit(BUY)).status.may_be_live
        w.judge()

    play(story, tmp_path)


@pytest.mark.parametrize("step_s", [-86_400.0, -60.0, 60.0, 86_400.0])
def test_a_clock_that_was_set_neither_ends_a_ban_nor_makes_it_last(step_s, tmp_path):
    async def story(w: World):
        clock = w.clock.skewed(0.0)
        async with w.connect(clock=clock) as venue:
            await be_banned(w, venue, "100")
            sent = len(w.requests())
        clock.step(step_s)
        with pytest.raises(outlast.BannedByVenue) as caught:
            async with w.connect(clock=clock):
                raise AssertionError("it opened")
        assert caught.value.retry_at - clock.wall() <= 100 + 6  # and some jitter
        assert len(w.requests()) == sent
        await clock.sleep(110)
        async with w.connect(clock=clock):
            assert len(w.requests()) > sent

    play(story, tmp_path)


def test_a_ban_that_is_over_is_history(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await be_banned(w, venue, "20")
        await w.clock.sleep(21)
        began = w.clock.now()
        async with w.connect():
            assert w.clock.now() - began < 2

    play(story, tmp_path)


def test_the_way_back_from_a_ban_is_as_short_after_a_restart(tmp_path):
    """A ban says nothing of the venue, however long it was: the cool-down is the shortest."""

    async def story(w: World):
        async with w.connect() as venue:
            await be_banned(w, venue, "900")
            with pytest.raises(outlast.NotSent):
                await venue.submit(BUY)
        await w.clock.sleep(905)
        async with w.connect() as heir:
            back = w.clock.now()
            while heir.trading_state(BTC) is not outlast.ACTIVE:
                await w.clock.sleep(1)
            print(f"back {w.clock.now() - back:.0f} s after the restart")
            assert 60 <= w.clock.now() - back <= 90

    play(story, tmp_path)
