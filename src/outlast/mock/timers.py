"""What a dialect has planned, as alarms of the venue's clock."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from outlast.mock.clock import Alarm, VenueClock

__all__ = ["VenueTimers"]


class VenueTimers:
    """One alarm a key; what is planned anew replaces what was planned before."""

    def __init__(self, clock: VenueClock) -> None:
        self._clock = clock
        self._alarms: dict[Hashable, Alarm] = {}

    def later(self, key: Hashable, delay_s: float, action: Callable[[], None]) -> None:
        self.drop(key)

        def go_off() -> None:
            del self._alarms[key]
            action()

        self._alarms[key] = self._clock.later(delay_s, go_off)

    def drop(self, key: Hashable) -> None:
        alarm = self._alarms.pop(key, None)
        if alarm is not None:
            alarm.cancel()
