"""Venue time: it follows the loop, stops at everything on its way, and never goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from outlast.mock.clock import VenueClock

T0 = 1_760_000_000_000


@dataclass(eq=False)
class Wake:
    when: float
    action: Callable[[], None]
    wakes: list[Wake]

    def cancel(self) -> None:
        if self in self.wakes:
            self.wakes.remove(self)


class Hands:
    """An event loop's clock that only moves when told, with the wake-ups asked for."""

    def __init__(self) -> None:
        self.now = 100.0
        self.wakes: list[Wake] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when, action, *args):
        entry = Wake(when, lambda: action(*args), self.wakes)
        self.wakes.append(entry)
        return entry

    def run_until(self, now: float) -> None:
        while self.wakes and min(wake.when for wake in self.wakes) <= now:
            wake = min(self.wakes, key=lambda wake: wake.when)
            wake.cancel()
            self.now = max(self.now, wake.when)
            wake.action()
        self.now = now


def running(speed: float = 1.0) -> tuple[VenueClock, Hands]:
    clock, hands = VenueClock(t0_ms=T0, speed=speed), Hands()
    clock._loop = hands
    clock._rebase()
    clock._arm()
    return clock, hands


def test_time_follows_the_loop_times_speed():
    clock, hands = running(speed=60)
    hands.run_until(101.0)
    clock.catch_up()
    assert clock.elapsed_s == pytest.approx(60)
    assert clock.now_ms == T0 + 60_000
    assert clock.loop_seconds(30) == 0.5


def test_the_clock_wakes_itself_every_second_of_venue_time():
    clock, hands = running()
    seen: list[float] = []
    clock.on_step(lambda: seen.append(clock.elapsed_s))
    hands.run_until(105.5)
    assert seen == pytest.approx([1, 2, 3, 4, 5])


def test_at_high_speed_it_wakes_seldom_and_still_steps_every_second():
    clock, hands = running(speed=1000)
    seen: list[float] = []
    clock.on_step(lambda: seen.append(clock.elapsed_s))
    hands.run_until(101.0)
    clock.catch_up()
    assert clock.elapsed_s == pytest.approx(1000)
    gaps = [b - a for a, b in zip([0.0, *seen], seen, strict=False)]
    assert max(gaps) <= 1.0 + 1e-9


def test_alarms_go_off_at_their_instant_and_in_order():
    clock, hands = running()
    log: list[tuple[str, float]] = []

    def note(name):
        return lambda: log.append((name, clock.elapsed_s))

    clock.at(2.5, note("b"))
    clock.at(2.5, note("c"))
    clock.at(2.5, note("script"), first=True)
    clock.later(0.3, note("a"))
    clock.at(2.6, note("never")).cancel()
    hands.run_until(101.0)
    assert log == [("a", 0.3)]
    hands.run_until(103.0)
    assert log == [("a", 0.3), ("script", 2.5), ("b", 2.5), ("c", 2.5)]


def test_alarm_of_the_past_goes_off_next():
    clock, hands = running()
    hands.run_until(105.0)
    log: list[float] = []
    clock.at(1.0, lambda: log.append(clock.elapsed_s))
    hands.run_until(105.0)
    assert log == pytest.approx([5.0])


def test_an_alarm_may_set_the_next_one_within_the_same_jump():
    clock, hands = running()
    log: list[float] = []

    def again() -> None:
        log.append(clock.elapsed_s)
        if len(log) < 4:
            clock.later(0.25, again)

    clock.later(0.25, again)
    hands.now = 110.0
    clock.catch_up()
    assert log == [0.25, 0.5, 0.75, 1.0]


def test_a_jump_lives_through_everything_that_waiting_would():
    def story(jump: bool):
        clock, hands = running()
        log: list[float] = []
        clock.on_step(lambda: log.append(round(clock.elapsed_s, 6)))
        clock.at(12.25, lambda: log.append(-1.0))
        if jump:
            asyncio.run(clock.advance_to(400.0))
        else:
            hands.run_until(500.0)
            clock.catch_up()
        return log

    assert story(jump=True) == story(jump=False)


def test_after_a_jump_time_runs_on_from_there():
    clock, hands = running()
    asyncio.run(clock.advance_to(300.0))
    hands.run_until(101.0)
    clock.catch_up()
    assert clock.elapsed_s == pytest.approx(301.0)


def test_time_does_not_go_backwards():
    clock, _ = running()
    asyncio.run(clock.advance_to(10.0))
    with pytest.raises(ValueError, match="backwards"):
        asyncio.run(clock.advance_to(9.0))
    assert clock.elapsed_s == 10.0


def test_paused_time_stands_and_goes_on_without_catching_up():
    clock, hands = running()
    hands.run_until(102.0)
    clock.pause()
    assert clock.paused
    assert hands.wakes == []
    hands.run_until(200.0)
    clock.catch_up()
    assert clock.elapsed_s == pytest.approx(2.0)
    clock.resume()
    hands.run_until(201.0)
    clock.catch_up()
    assert clock.elapsed_s == pytest.approx(3.0)


def test_a_paused_clock_can_be_advanced_by_hand():
    clock, _ = running()
    clock.pause()
    log: list[float] = []
    clock.at(5.0, lambda: log.append(clock.elapsed_s))
    asyncio.run(clock.advance_to(6.0))
    assert (clock.elapsed_s, log) == (6.0, [5.0])


def test_changing_the_speed_does_not_move_the_clock():
    clock, hands = running()
    hands.run_until(110.0)
    clock.set_speed(60)
    assert clock.elapsed_s == pytest.approx(10.0)
    hands.run_until(111.0)
    clock.catch_up()
    assert clock.elapsed_s == pytest.approx(70.0)


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_speed_has_to_be_a_positive_number(speed):
    with pytest.raises(ValueError, match="speed"):
        VenueClock(t0_ms=T0, speed=speed)


def test_a_failing_alarm_does_not_stop_the_clock():
    clock, hands = running()
    log: list[float] = []
    clock.at(1.0, lambda: 1 / 0)
    clock.at(2.0, lambda: log.append(clock.elapsed_s))
    with pytest.raises(ZeroDivisionError):
        hands.run_until(103.0)
    hands.run_until(103.0)
    assert log == [2.0]


def test_stopped_clock_leaves_no_timer_on_the_loop():
    async def story():
        clock = VenueClock(t0_ms=T0, speed=100)
        clock.start()
        clock.later(1000, lambda: None)
        await asyncio.sleep(0.03)
        clock.catch_up()
        assert clock.elapsed_s > 1
        clock.stop()
        before = clock.elapsed_s
        await asyncio.sleep(0.03)
        clock.catch_up()
        assert clock.elapsed_s == before

    asyncio.run(story())
