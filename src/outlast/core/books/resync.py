"""When which book is resynchronised: one at a time, paced, and rarer the more often it failed."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Final

from outlast.core.books.trust import Action
from outlast.errors import ConfigurationError

__all__ = ["RESYNC", "ResyncPlan", "ResyncSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncSettings:
    """Seconds. After an outage every book wants a snapshot at once, and each costs weight.

    A book is tried again soon, because the fault may be over: what bounds the weight is that one
    book is tried at a time, that repeated tries ask for few levels (see `BookRoom`), and the share
    of the limits that lane DATA has.
    """

    spacing_s: float = 0.25
    """From one start to the next, whatever the symbol."""
    answer_s: float = 10.0
    """An attempt without a word after so long is over."""
    retry_s: float = 0.25
    """The same book again, at the soonest; doubles with each attempt, with jitter."""
    retry_s_max: float = 1.0
    calm_s: float = 10.0
    """A book that has been whole for so long begins to count its attempts anew."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not 0 < value < inf:
                raise ConfigurationError(f"{name} is {value}; it must be finite and above 0")
        if self.retry_s > self.retry_s_max:
            raise ConfigurationError(
                f"retry_s is {self.retry_s}; it must not be above retry_s_max ({self.retry_s_max})"
            )


RESYNC: Final = ResyncSettings()
_DOUBLINGS_MAX: Final = 30


@dataclass(slots=True)
class _Wish:
    since: float
    attempts: int = 0
    not_before: float = -inf
    whole_since: float | None = None


class ResyncPlan:
    """Picks the next action out of what all books need."""

    __slots__ = ("_free_at", "_rng", "_running", "_settings", "_until", "_wishes")

    def __init__(self, rng: Random, settings: ResyncSettings = RESYNC) -> None:
        self._rng = rng
        self._settings = settings
        self._wishes: dict[str, _Wish] = {}
        self._running: str | None = None
        self._until = -inf
        self._free_at = -inf

    def pick(
        self, needs: Iterable[Action], now: float, *, first: Container[str] = ()
    ) -> Action | None:
        """What to do now; None while one is under way or it is too soon.

        `needs` is what all books need at this moment; `first` are symbols that go before others,
        those with orders or positions. Whoever carries it out tells `done`.
        """
        wanted = {action.symbol: action for action in needs}
        for symbol in self._wishes.keys() - wanted.keys() - {self._running}:
            self._leave(symbol, now)
        for symbol in wanted:
            wish = self._wishes.setdefault(symbol, _Wish(now))
            if wish.whole_since is not None:
                wish.whole_since, wish.since = None, now
        if self._running is not None and now >= self._until:
            self.done(self._running, now)
        if self._running is not None or now < self._free_at:
            return None
        ready = [symbol for symbol in wanted if now >= self._wishes[symbol].not_before]
        if not ready:
            return None
        symbol = min(
            ready,
            key=lambda name: (
                not wanted[name].urgent, name not in first, self._wishes[name].since, name
            ),
        )  # fmt: skip
        wish = self._wishes[symbol]
        wish.attempts += 1
        self._running = symbol
        self._until = now + self._settings.answer_s
        self._free_at = now + self._settings.spacing_s
        return wanted[symbol]

    def done(self, symbol: str, now: float, *, wait_s: float = 0.0) -> None:
        """The attempt has ended, well or not; the book knows which by what it needs now.

        `wait_s`: nothing can be had sooner, by the venue's word or our own limits.
        """
        if symbol != self._running:
            return
        self._running = None
        wish = self._wishes[symbol]
        doublings = min(wish.attempts - 1, _DOUBLINGS_MAX)
        ceiling = min(self._settings.retry_s * 2.0**doublings, self._settings.retry_s_max)
        wish.not_before = now + max(wait_s, self._rng.uniform(ceiling / 2, ceiling))

    def _leave(self, symbol: str, now: float) -> None:
        """It is whole: if that lasts, the next time counts from one."""
        wish = self._wishes[symbol]
        if wish.whole_since is None:
            wish.whole_since = now
        elif now - wish.whole_since >= self._settings.calm_s:
            del self._wishes[symbol]

    def attempts(self, symbol: str) -> int:
        """How often it was tried since it last was whole for a while."""
        wish = self._wishes.get(symbol)
        return wish.attempts if wish else 0

    def next_at(self) -> float | None:
        """When to ask again at the latest; None when nobody waits."""
        if self._running is not None:
            return self._until
        waiting = [wish.not_before for wish in self._wishes.values() if wish.whole_since is None]
        return max(self._free_at, min(waiting)) if waiting else None
