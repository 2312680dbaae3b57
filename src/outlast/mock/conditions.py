"""Under which conditions a client acted: phases, prices, lies, willingness, each over time.

Everything is kept as steps, one entry a change, so that a long quiet run costs nothing. Instants
are venue time in milliseconds since the epoch.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Generic, TypeVar

__all__ = ["Conditions", "Dial", "Quote", "Span", "Steps", "utc"]

T = TypeVar("T")
D = TypeVar("D")

DEVIATION: Final = Decimal("0.02")
"""A price or mark further than this share from the peers is not to be trusted. Wider than the
spreads and lags of healthy venues on a wild day, narrower than every deviation on record."""
_MOVED: Final = Decimal("0.001")
_KEPT_EVERY_MS: Final = 60_000
_DIALS_KEPT: Final = 1_000
"""Old dials that the truth's document still lists."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def utc(at_ms: int) -> str:
    """Venue time as a person reads it: `2025-10-10T21:16:03.250Z`."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Span(Generic[T]):
    """A value and how long it held: from `start_ms` up to, not including, `end_ms`."""

    start_ms: int
    end_ms: int
    value: T


class Steps(Generic[T]):
    """A value over time: what was put last at or before an instant holds there."""

    __slots__ = ("_times", "_values")

    def __init__(self) -> None:
        self._times: list[int] = []
        self._values: list[T] = []

    def put(self, at_ms: int, value: T) -> None:
        """Let `value` hold from `at_ms` on. Late reports of earlier instants find their place."""
        index = bisect_right(self._times, at_ms)
        if index and self._times[index - 1] == at_ms:
            self._values[index - 1] = value
        else:
            self._times.insert(index, at_ms)
            self._values.insert(index, value)

    def put_change(self, at_ms: int, value: T) -> None:
        """The same, for what is reported in order and often: nothing is kept of no change."""
        if not self._values or self._values[-1] != value:
            self.put(at_ms, value)

    def at(self, at_ms: int, default: D) -> T | D:
        """The value that holds at `at_ms`; `default` before the first step."""
        index = bisect_right(self._times, at_ms)
        return self._values[index - 1] if index else default

    def before(self, at_ms: int, default: D) -> T | D:
        """The value that held just before `at_ms`."""
        index = bisect_left(self._times, at_ms)
        return self._values[index - 1] if index else default

    def last(self, default: D) -> T | D:
        return self._values[-1] if self._values else default

    def since(self, at_ms: int) -> int | None:
        """When the value that holds at `at_ms` began; None before the first step."""
        index = bisect_right(self._times, at_ms) - 1
        while index > 0 and self._values[index - 1] == self._values[index]:
            index -= 1
        return self._times[index] if index >= 0 else None

    def spans(self, end_ms: int) -> Iterator[Span[T]]:
        """Every value with its time, the last one up to `end_ms`; later steps are left out."""
        start = 0
        for index, value in enumerate(self._values):
            following = index + 1
            if following < len(self._values) and self._values[following] == value:
                continue
            begin = self._times[start]
            start = following
            if begin < end_ms:
                end = self._times[following] if following < len(self._times) else end_ms
                yield Span(begin, min(end, end_ms), value)

    def within(self, start_ms: int, end_ms: int, default: D) -> list[T | D]:
        """All values that held at some instant of `start_ms`..`end_ms`, both included."""
        first = bisect_right(self._times, start_ms)
        last = bisect_right(self._times, end_ms)
        return [self.at(start_ms, default), *self._values[first:last]]

    def forget_before(self, at_ms: int) -> None:
        """Keep what is needed to know the value at `at_ms` and since when it holds, and all later.

        What was before that is as if it had never been.
        """
        index = bisect_right(self._times, at_ms) - 1
        while index > 0 and self._values[index - 1] == self._values[index]:
            index -= 1
        if index > 0:
            del self._times[:index], self._values[:index]

    def __len__(self) -> int:
        return len(self._times)


@dataclass(frozen=True, slots=True)
class Quote:
    """One instrument's prices here and at its peers; `mark` is None on spot."""

    venue_price: Decimal
    peer_price: Decimal
    mark: Decimal | None

    def doubt(self) -> str:
        """Why these prices are not to be traded on, in words; empty when they are fine."""
        if self.peer_price <= 0:
            return ""
        off = self.venue_price / self.peer_price - 1
        if abs(off) > DEVIATION:
            return f"the venue's price is {_percent(off)} off its peers"
        if self.mark is None:
            return ""
        off = self.mark / self.peer_price - 1
        return f"the mark is {_percent(off)} off the peers' price" if abs(off) > DEVIATION else ""

    def has_moved(self, since: Quote) -> bool:
        """Whether it differs from `since` by enough to be kept."""
        if self.doubt() != "" and since.doubt() == "":
            return True
        if self.doubt() == "" and since.doubt() != "":
            return True
        pairs = [(self.venue_price, since.venue_price), (self.peer_price, since.peer_price)]
        if self.mark is not None and since.mark is not None:
            pairs.append((self.mark, since.mark))
        return any(abs(new - old) > abs(old) * _MOVED for new, old in pairs)


def _percent(share: Decimal) -> str:
    return f"{share * 100:+.1f} %"


@dataclass(frozen=True, slots=True)
class Dial:
    """One attempt to connect. `kind` is the endpoint class, `ws.market.connect`, or `http`."""

    at_ms: int
    kind: str
    outcome: str
    venue: str
    account: str | None


class Conditions:
    """What the pipeline reports besides requests and engine events.

    A venue of `""` in `lies` and `market` means every venue; what is said of one venue by name goes
    before it.
    """

    def __init__(self) -> None:
        self.phases: Steps[str] = Steps()
        self.modes: dict[str, str] = {}
        """By venue, as last told: what holds now, for the truth's document."""
        self.dials: list[Dial] = []
        self._lies: dict[str, Steps[tuple[str, ...]]] = {}
        self._quotes: dict[tuple[str, str], Steps[Quote]] = {}
        self._quoted_ms: dict[tuple[str, str], int] = {}
        self._willing: dict[str, Steps[bool]] = {}

    def dialled(self, dial: Dial) -> None:
        insort(self.dials, dial, key=lambda known: known.at_ms)

    def lie(self, at_ms: int, what: Iterable[str], venue: str) -> None:
        self._lies.setdefault(venue, Steps()).put_change(at_ms, tuple(sorted(set(what))))

    def lies_at(self, at_ms: int, venue: str) -> tuple[str, ...]:
        """What the venue does not tell the truth about at this instant."""
        everywhere: tuple[str, ...] = ()
        for name in ("", venue):
            if name in self._lies:
                everywhere += self._lies[name].at(at_ms, ())
        return tuple(sorted(set(everywhere)))

    def lies_about(self, venue: str, about: str) -> list[tuple[str, int, int | None]]:
        """(what, from, until) of every lie about `about` (`book`); until None: not yet over."""
        found: list[tuple[str, int, int | None]] = []
        for name in sorted({"", venue} & set(self._lies)):
            running: dict[str, int] = {}
            for span in self._lies[name].spans(_FAR):
                over = [what for what in running if what not in span.value]
                found.extend((what, running.pop(what), span.start_ms) for what in over)
                for what in span.value:
                    if what.partition(":")[0] == about:
                        running.setdefault(what, span.start_ms)
            found.extend((what, start, None) for what, start in running.items())
        return sorted(found, key=lambda lie: (lie[1], lie[0]))

    def running_lies(self, venue: str) -> dict[str, int]:
        """What the venue does not tell the truth about now, and since when."""
        return {
            what: start
            for about in ("balances", "positions")
            for what, start, until in self.lies_about(venue, about)
            if until is None
        }

    def quote(self, at_ms: int, venue: str, symbol: str, quote: Quote) -> None:
        key = (venue, symbol)
        steps = self._quotes.setdefault(key, Steps())
        last = steps.last(quote)
        due = at_ms - self._quoted_ms.get(key, 0) >= _KEPT_EVERY_MS
        if len(steps) == 0 or due or quote.has_moved(last):
            steps.put(at_ms, quote)
            self._quoted_ms[key] = at_ms

    def quotes(self, venue: str, symbol: str) -> Steps[Quote] | None:
        return self._quotes.get((venue, symbol)) or self._quotes.get(("", symbol))

    def be_willing(self, at_ms: int, account: str, *, yes: bool) -> None:
        self._willing.setdefault(account, Steps()).put_change(at_ms, yes)

    def willingness(self, account: str) -> Steps[bool] | None:
        return self._willing.get(account)

    def forget_before(self, at_ms: int) -> None:
        """Nobody will ask for prices and willingness before `at_ms` any more, nor for old dials.

        Phases and lies are kept for ever: they change as often as the scenario says.
        """
        for quotes in self._quotes.values():
            quotes.forget_before(at_ms)
        for willing in self._willing.values():
            willing.forget_before(at_ms)
        old = bisect_left(self.dials, at_ms, key=lambda dial: dial.at_ms)
        del self.dials[: max(0, min(old, len(self.dials) - _DIALS_KEPT))]


_FAR: Final = 1 << 62
