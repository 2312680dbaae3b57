"""Is it believable that the money is gone?

In outages venues show zero balances and empty position lists with status 200 (Binance futures,
10 October 2025, for half an hour; Coinbase, 28 February 2024). A bot that believes them opens its
position a second time, or leaves a real one unprotected. Money does not vanish without a fill, a
fee or a transfer, so a report that says so without one is doubted, however often it is repeated.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from itertools import accumulate
from math import inf
from typing import Final

from outlast.errors import ConfigurationError

__all__ = ["Believed", "Doubted", "Guarded", "Verdict", "ZeroGuard", "ZeroGuardSettings"]


class Guarded(Enum):
    """What the guarded numbers are."""

    BALANCES = "balances"
    """Any fall may have small causes that are not booked as flows (funding, interest, rebates), so
    only a fall to zero is asked for its reason."""
    POSITIONS = "positions"
    """Exactly the sum of the executions, so any fall and any change of side is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroGuardSettings:
    reports_min: int = 3
    """So many equal reports in a row ..."""
    over_s: float = 10.0
    """... over so long, at least, before a confirmation counts: longer than a cache of the venue's
    lags, so that report and confirmation cannot come from the same stale copy."""
    balance_tolerance: Decimal = Decimal("0.02")
    """How much of a balance may be missing from the flows that explain its zero (fees)."""
    near_s: float = 5.0
    """A flow so long before a report that the venue did not date itself may be missing from it.
    Caches lag by less."""
    clock_s: float = 1.0
    """A flow dated so long after the answer may be in it all the same. Clocks differ by less."""

    def __post_init__(self) -> None:
        if self.reports_min < 1:
            raise ConfigurationError(f"reports_min is {self.reports_min}; it must be at least 1")
        if not 0 <= self.over_s < inf:
            raise ConfigurationError(f"over_s is {self.over_s}; it must be finite, not negative")
        for name in ("near_s", "clock_s"):
            if not 0 <= getattr(self, name) < inf:
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)}; it must be finite, not negative"
                )
        if not 0 <= self.balance_tolerance < 1:
            raise ConfigurationError(
                f"balance_tolerance is {self.balance_tolerance}; it is a share, 0 to below 1"
            )


DEFAULTS: Final = ZeroGuardSettings()


@dataclass(frozen=True, slots=True)
class Believed:
    """The report may replace what was known."""


@dataclass(frozen=True, slots=True)
class Doubted:
    """The report must not be handed out as true; the value before it is stale since `since`."""

    reason: str
    since: float


Verdict = Believed | Doubted
BELIEVED: Final = Believed()
_FLOWS_MAX: Final = 512
_LAG_MAX_S: Final = 60.0
_ZERO: Final = Decimal(0)
_UNDATED: Final[Mapping[str, float]] = {}


@dataclass(slots=True)
class _Doubt:
    qty: Decimal
    dated_at: float | None
    """When the venue says that it came to be so; None where it does not say."""
    since: float
    stood_since: float
    reports: int = 1
    confirmed: bool = False


@dataclass(slots=True)
class _Entry:
    trusted: Decimal
    at: float
    """The venue's time of the trusted value."""
    is_dated: bool
    """The venue gave that time itself: what happened up to it is in the value, what came later is
    not. Otherwise it is only about when the report was asked for."""
    until: float = -inf
    """When the answer with it had come: what is dated later (and not by a clock's error) is not in
    it. For one that is not dated."""
    later_from: float = inf
    """Flows from here on are of after that answer, whatever the clocks say."""
    flows: list[tuple[float, Decimal]] = field(default_factory=list)
    """(at, qty) since the trusted report, by time, and not yet seen in one."""
    unbooked: Decimal = _ZERO
    """How much of the trusted value no flow has explained. Its flows may still come ..."""
    unbooked_at: float = -inf
    """... if they are dated before this."""
    doubt: _Doubt | None = None
    anchor: tuple[float, Decimal] | None = None
    """(at, qty) of the last value that the venue dated itself, while an undated zero that flows led
    to is trusted. Which of the flows near to a zero are in it nobody can tell; from here on all of
    them count."""


class ZeroGuard:
    """Judges reports of named quantities: balances by currency, or positions by symbol.

    A fall that the flows since the last trusted report account for is believed at once. One that
    they do not account for is doubted until its flows turn up: one by one (`flow`), or in the
    venue's own complete list of them (`explain`). Where there are none to turn up it takes
    something independent (`confirm`, `accept`). Repetition alone never suffices. A rise is always
    believed: to think a position too large is the safe side. A report that is older than the
    trusted one, by the venue's own dates, is doubted whatever it says.

    All instants `at` are those of one and the same clock, best the venue's, in seconds.
    """

    def __init__(self, guarded: Guarded, settings: ZeroGuardSettings = DEFAULTS) -> None:
        self._guarded = guarded
        self._settings = settings
        self._entries: dict[str, _Entry] = {}
        self._doubted: set[str] = set()

    def trust(
        self,
        name: str,
        qty: Decimal,
        *,
        at: float = -inf,
        is_dated: bool = False,
        until: float | None = None,
    ) -> None:
        """Take `qty` as true without asking: the last trusted value from the journal.

        `at`: the venue's time of it; `is_dated`: the venue gave that time itself. `until`: when the
        answer with it had come, where that is known.
        """
        until = at + self._settings.near_s if until is None else until
        self._entries[name] = _Entry(qty, at, is_dated, until)
        self._doubted.discard(name)

    def trusted(self, name: str) -> Decimal | None:
        """The last value that was believed; None before the first."""
        entry = self._entries.get(name)
        return None if entry is None else entry.trusted

    def trusted_at(self, name: str) -> float | None:
        """The venue's time of the last value that was believed; None before the first."""
        entry = self._entries.get(name)
        return None if entry is None else entry.at

    def trusted_until(self, name: str) -> float | None:
        """The venue's time when the answer with it had come; None before the first value."""
        entry = self._entries.get(name)
        return None if entry is None else entry.until

    def listed_from(self, name: str) -> float | None:
        """The venue's time from which `explain` needs all flows; None before the first value."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        return entry.at if entry.anchor is None else entry.anchor[0]

    def is_dated(self, name: str) -> bool:
        """True when the venue itself gave the time of the value that is trusted."""
        entry = self._entries.get(name)
        return entry is not None and entry.is_dated

    def held(self, name: str) -> Decimal | None:
        """The trusted value, brought up to date with the flows since; None before the first."""
        entry = self._entries.get(name)
        return None if entry is None else entry.trusted + _sum(entry.flows)

    def is_ahead(self, name: str) -> bool:
        """True while flows are known that no report has shown yet."""
        entry = self._entries.get(name)
        return entry is not None and bool(entry.flows)

    def doubt(self, name: str) -> Doubted | None:
        """What is doubted about the latest report of `name`; None when it was believed."""
        return self._reason(self._entries[name]) if name in self._doubted else None

    def doubted(self) -> AbstractSet[str]:
        """The names whose latest report is not believed."""
        return self._doubted

    def flow(self, name: str, qty: Decimal, *, at: float, is_later: bool = False) -> None:
        """Book a fill, fee, funding payment, transfer or liquidation: `qty` is signed.

        `at` may be later than it was, and must not be earlier. `is_later`: its order was sent after
        the last report had come, so that none has it.
        """
        entry = self._entries.get(name)
        if entry is None:
            return  # Nothing is trusted yet, so there is nothing that could fall.
        if at <= entry.unbooked_at and entry.unbooked * qty > 0:
            # The trusted report had it already, before its execution reached us.
            known = min(abs(entry.unbooked), abs(qty)).copy_sign(qty)
            entry.unbooked -= known
            qty -= known
        if entry.is_dated and at <= entry.at:
            return
        if entry.anchor is not None and at <= entry.anchor[0]:
            return
        if qty:
            insort(entry.flows, (at, qty), key=_at)
            if is_later:
                entry.later_from = min(entry.later_from, at)
        if len(entry.flows) > _FLOWS_MAX:
            (_, first), (at, second) = entry.flows[:2]
            entry.flows[:2] = [(at, first + second)]

    def assess(
        self,
        report: Mapping[str, Decimal],
        *,
        as_of: float,
        now: float,
        complete: bool = True,
        dated_at: Mapping[str, float] = _UNDATED,
        until: float | None = None,
    ) -> Mapping[str, Verdict]:
        """Judge one report, name by name: asked for at `as_of`, answered at `until`.

        A `complete` one lists everything there is: a name that it leaves out is reported as zero.
        `dated_at` has the venue's own word of when each value came to be so, where it gives that.
        """
        names = dict.fromkeys(report)
        if complete:
            names.update(dict.fromkeys(self._entries))
        return {
            name: self._assess(
                name,
                report.get(name, _ZERO),
                as_of=as_of,
                dated_at=dated_at.get(name),
                now=now,
                until=as_of if until is None else until,
            )
            for name in names
        }

    def explain(self, name: str, flows: Sequence[tuple[float, Decimal]]) -> Verdict:
        """Judge the latest report of `name` again, by all flows that the venue lists: (at, qty).

        The list must be complete from `near_s` before `listed_from` on. The report is believed
        when the value of that time and a run of these flows give it: a run that begins with the
        first that this value did not have (of those near to it, it may have had some, where the
        venue did not date it), and ends anywhere, since a report may lag behind the list. What
        comes after the run is kept as known.
        """
        entry = self._entries.get(name)
        if entry is None:
            return BELIEVED
        doubt = entry.doubt
        listed = sorted(flows, key=_at)
        target = entry.trusted if doubt is None else doubt.qty
        run = self._run(entry, listed, target, None if doubt is None else doubt.dated_at)
        if run is None:
            return self._unexplained(entry) if doubt is None else self._reason(entry)
        at, is_dated = entry.at, entry.is_dated
        if doubt is not None:
            is_dated = doubt.dated_at is not None
            at = max(at, listed[run - 1][0] if run else at)
            at = at if doubt.dated_at is None else doubt.dated_at
        self._believe(name, entry, target, at=at, is_dated=is_dated, explained=True)
        entry.flows = listed[run:]
        return BELIEVED

    def confirm(self, name: str, *, now: float) -> Verdict:
        """Something independent of the reports says that the doubted value of `name` is true.

        It counts for this value alone: should the reports change, it takes another one.
        """
        entry = self._entries.get(name)
        if entry is None or entry.doubt is None:
            return BELIEVED
        entry.doubt.confirmed = True
        return self._settle(name, entry, now)

    def accept(self, name: str) -> bool:
        """A person has checked it: the doubted value is true. False when nothing is doubted."""
        entry = self._entries.get(name)
        if entry is None or entry.doubt is None:
            return False
        doubt = entry.doubt
        at = entry.at if doubt.dated_at is None else doubt.dated_at
        self._believe(name, entry, doubt.qty, at=at, is_dated=doubt.dated_at is not None)
        return True

    def _assess(
        self,
        name: str,
        qty: Decimal,
        *,
        as_of: float,
        dated_at: float | None,
        now: float,
        until: float,
    ) -> Verdict:
        entry = self._entries.get(name)
        is_dated = dated_at is not None
        at = as_of if dated_at is None else dated_at
        if entry is None:
            self._entries[name] = _Entry(qty, at, is_dated, until)
            return BELIEVED
        is_old = is_dated and entry.is_dated and at < entry.at
        seen = None if is_old else self._flows_seen(entry, qty)
        if seen is None and (is_old or self._is_fall(entry.trusted, qty)):
            return self._note_doubt(name, entry, qty, dated_at, now)
        if seen is None:
            entry.unbooked = qty - entry.trusted - _sum(entry.flows)
            entry.unbooked_at = as_of
        later = [] if seen is None and not is_dated else entry.flows[seen or 0 :]
        if self._guarded is Guarded.BALANCES:
            # What a report has not shown by then, it shows no more: something else hides it.
            later = [flow for flow in later if flow[0] > as_of - _LAG_MAX_S]
        if self._guarded is Guarded.POSITIONS and not is_dated and qty == entry.trusted:
            at = entry.at  # to repeat an undated zero is no proof that nothing happened since
        if is_dated:
            later = [flow for flow in later if flow[0] > at]
        elif later:
            # A report that lags behind the flows is of before the first of them.
            at = min(at, max(entry.at, later[0][0] - self._settings.near_s))
        if at != entry.at:
            entry.until = until if at == as_of else at
        self._believe(name, entry, qty, at=at, is_dated=is_dated, explained=seen is not None)
        entry.flows = later
        return BELIEVED

    def _note_doubt(
        self, name: str, entry: _Entry, qty: Decimal, dated_at: float | None, now: float
    ) -> Verdict:
        doubt = entry.doubt
        if doubt is None or doubt.qty != qty:
            since = now if doubt is None else doubt.since
            entry.doubt = _Doubt(qty, dated_at, since, stood_since=now)
        else:
            doubt.reports += 1
            doubt.dated_at = dated_at
        self._doubted.add(name)
        return self._settle(name, entry, now)

    def _settle(self, name: str, entry: _Entry, now: float) -> Verdict:
        """Believe a doubted value that is confirmed and has stood long enough."""
        doubt = entry.doubt
        assert doubt is not None
        stood = (
            doubt.reports >= self._settings.reports_min
            and now - doubt.stood_since >= self._settings.over_s
        )
        if not (doubt.confirmed and stood):
            return self._reason(entry)
        self.accept(name)
        return BELIEVED

    def _believe(
        self,
        name: str,
        entry: _Entry,
        qty: Decimal,
        *,
        at: float,
        is_dated: bool,
        explained: bool = False,
    ) -> None:
        """`explained`: flows that are known led to it, or there were none and nothing changed."""
        if is_dated or not explained or self._guarded is not Guarded.POSITIONS:
            entry.anchor = None
        elif entry.is_dated:
            entry.anchor = (entry.at, entry.trusted)
        if (qty, at) != (entry.trusted, entry.at):
            entry.later_from = inf
        entry.trusted, entry.at, entry.is_dated = qty, at, is_dated
        entry.flows, entry.doubt = [], None
        self._doubted.discard(name)

    def _is_fall(self, trusted: Decimal, qty: Decimal) -> bool:
        if self._guarded is Guarded.BALANCES:
            return qty == 0 and trusted > 0
        return trusted != 0 and (abs(qty) < abs(trusted) or qty * trusted < 0)

    def _slack(self, entry: _Entry) -> Decimal:
        if self._guarded is Guarded.BALANCES:
            return abs(entry.trusted) * self._settings.balance_tolerance
        return _ZERO

    def _flows_seen(self, entry: _Entry, qty: Decimal) -> int | None:
        """How many of the flows, in order, account for `qty`: as many as can; None if none do."""
        slack = self._slack(entry)
        reached = accumulate((flow for _, flow in entry.flows), initial=entry.trusted)
        fitting = [number for number, sum_ in enumerate(reached) if abs(sum_ - qty) <= slack]
        return fitting[-1] if fitting else None

    def _run(
        self,
        entry: _Entry,
        listed: Sequence[tuple[float, Decimal]],
        target: Decimal,
        dated_at: float | None,
    ) -> int | None:
        """Where in the list a run ends that leads from the trusted value to `target`.

        The one that takes in the most of the list; None when there is none.
        """
        slack = self._slack(entry)
        first, last_at, from_ = entry.at, entry.at, entry.trusted
        is_near = entry.anchor is None and not entry.is_dated
        if entry.anchor is not None:
            first, from_ = entry.anchor
            last_at = first
        elif is_near:
            first -= self._settings.near_s
            last_at = max(last_at, entry.until) + self._settings.clock_s
        starts = range(
            bisect_right(listed, first, key=_at) if is_near else _after_one(listed, first),
            min(
                bisect_right(listed, last_at, key=_at),
                bisect_left(listed, entry.later_from, key=_at),
            )
            + 1,
        )
        ends = range(len(listed) + 1)
        if dated_at is not None:
            ends = range(_after_one(listed, dated_at), bisect_right(listed, dated_at, key=_at) + 1)
        best = None
        for start in starts:
            reached = accumulate((flow for _, flow in listed[start:]), initial=from_)
            for end, sum_ in enumerate(reached, start=start):
                if abs(sum_ - target) <= slack and end in ends:
                    best = end if best is None else max(best, end)
        return best

    def _unexplained(self, entry: _Entry) -> Doubted:
        return Doubted(
            f"the {self._guarded.value} list says {entry.trusted}, which the venue's list of fills "
            "does not lead to",
            entry.at,
        )

    def _reason(self, entry: _Entry) -> Doubted:
        doubt = entry.doubt
        assert doubt is not None
        if doubt.dated_at is not None and entry.is_dated and doubt.dated_at < entry.at:
            why = f"which is older than that by {entry.at - doubt.dated_at:.3f} s"
        else:
            why = f"but fills and transfers since account for {_sum(entry.flows)}"
        return Doubted(
            f"{self._guarded.value} report {doubt.qty} after {entry.trusted}, {why}; "
            f"reported {doubt.reports} times, "
            f"{'confirmed' if doubt.confirmed else 'not confirmed'}",
            doubt.since,
        )


def _at(flow: tuple[float, Decimal]) -> float:
    return flow[0]


def _after_one(listed: Sequence[tuple[float, Decimal]], at: float) -> int:
    """Where the list goes on after the first flow of this instant, or after what was before it.

    What a venue dates came to be so by a flow of that instant. Where there were several of them, it
    may have been any but the last as well: streams tell of a position after each.
    """
    end = bisect_right(listed, at, key=_at)
    return min(bisect_left(listed, at, key=_at) + 1, end)


def _sum(flows: Sequence[tuple[float, Decimal]]) -> Decimal:
    return sum((qty for _, qty in flows), _ZERO)
