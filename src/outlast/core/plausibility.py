"""Is it believable that the money is gone?

In outages venues show zero balances and empty position lists with status 200 (Binance futures,
10 October 2025, for half an hour; Coinbase, 28 February 2024). A bot that believes them opens its
position a second time, or leaves a real one unprotected. Money does not vanish without a fill, a
fee or a transfer, so a report that says so without one is doubted, however often it is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
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

    def __post_init__(self) -> None:
        if self.reports_min < 1:
            raise ConfigurationError(f"reports_min is {self.reports_min}; it must be at least 1")
        if not 0 <= self.over_s < inf:
            raise ConfigurationError(f"over_s is {self.over_s}; it must be finite, not negative")
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
_ZERO: Final = Decimal(0)


@dataclass(slots=True)
class _Doubt:
    qty: Decimal
    since: float
    stood_since: float
    reports: int = 1
    confirmed: bool = False


@dataclass(slots=True)
class _Entry:
    trusted: Decimal
    flows: list[Decimal] = field(default_factory=list)
    """Since the trusted report, in order, and not yet seen in one."""
    unbooked: Decimal = _ZERO
    """How much of the trusted value no flow has explained. Its flows may still come ..."""
    unbooked_at: float = -inf
    """... if they are dated before this."""
    doubt: _Doubt | None = None


class ZeroGuard:
    """Judges reports of named quantities: balances by currency, or positions by symbol.

    A fall that the flows since the last trusted report account for is believed at once. One that
    they do not account for is doubted until the flow turns up, or until the value has stood for
    some time *and* something independent of it confirms it (`confirm`): the history of transfers
    and executions, the closing order, the operator. Repetition alone never suffices. A rise is
    always believed: to think a position too large is the safe side.
    """

    def __init__(self, guarded: Guarded, settings: ZeroGuardSettings = DEFAULTS) -> None:
        self._guarded = guarded
        self._settings = settings
        self._entries: dict[str, _Entry] = {}

    def trust(self, name: str, qty: Decimal) -> None:
        """Take `qty` as true without asking: the last trusted value from the journal."""
        self._entries[name] = _Entry(qty)

    def trusted(self, name: str) -> Decimal | None:
        """The last value that was believed; None before the first."""
        entry = self._entries.get(name)
        return None if entry is None else entry.trusted

    def doubt(self, name: str) -> Doubted | None:
        """What is doubted about the latest report of `name`; None when it was believed."""
        entry = self._entries.get(name)
        return None if entry is None or entry.doubt is None else self._doubted(entry)

    def flow(self, name: str, qty: Decimal, *, at: float) -> None:
        """Book a fill, fee, funding payment, transfer or liquidation: `qty` is signed.

        `at` and the `as_of` of reports are instants of one and the same clock, best the venue's.
        """
        entry = self._entries.get(name)
        if entry is None:
            return  # Nothing is trusted yet, so there is nothing that could fall.
        if at <= entry.unbooked_at and entry.unbooked * qty > 0:
            # The trusted report had it already, before its execution reached us.
            known = min(abs(entry.unbooked), abs(qty)).copy_sign(qty)
            entry.unbooked -= known
            qty -= known
        if qty:
            entry.flows.append(qty)
        if len(entry.flows) > _FLOWS_MAX:
            entry.flows[:2] = [entry.flows[0] + entry.flows[1]]

    def assess(
        self, report: Mapping[str, Decimal], *, as_of: float, now: float, complete: bool = True
    ) -> Mapping[str, Verdict]:
        """Judge one report, name by name.

        A `complete` one lists everything there is: a name that it leaves out is reported as zero.
        """
        names = dict.fromkeys(report)
        if complete:
            names.update(dict.fromkeys(self._entries))
        return {
            name: self._assess(name, report.get(name, _ZERO), as_of=as_of, now=now)
            for name in names
        }

    def confirm(self, name: str, *, now: float) -> Verdict:
        """Something independent of the reports says that the doubted value of `name` is true.

        It counts for this value alone: should the reports change, it takes another one.
        """
        entry = self._entries.get(name)
        if entry is None or entry.doubt is None:
            return BELIEVED
        entry.doubt.confirmed = True
        return self._settle(entry, now)

    def _assess(self, name: str, qty: Decimal, *, as_of: float, now: float) -> Verdict:
        entry = self._entries.get(name)
        if entry is None:
            self._entries[name] = _Entry(qty)
            return BELIEVED
        seen = self._flows_seen(entry, qty)
        if seen is None and self._is_fall(entry.trusted, qty):
            doubt = entry.doubt
            if doubt is None or doubt.qty != qty:
                since = now if doubt is None else doubt.since
                entry.doubt = _Doubt(qty, since, stood_since=now)
            else:
                doubt.reports += 1
            return self._settle(entry, now)
        if seen is None:
            entry.unbooked = qty - entry.trusted - sum(entry.flows, _ZERO)
            entry.unbooked_at = as_of
            entry.flows.clear()
        else:
            del entry.flows[:seen]
        entry.trusted, entry.doubt = qty, None
        return BELIEVED

    def _settle(self, entry: _Entry, now: float) -> Verdict:
        """Believe a doubted value that is confirmed and has stood long enough."""
        doubt = entry.doubt
        assert doubt is not None
        stood = (
            doubt.reports >= self._settings.reports_min
            and now - doubt.stood_since >= self._settings.over_s
        )
        if not (doubt.confirmed and stood):
            return self._doubted(entry)
        entry.flows.clear()
        entry.trusted, entry.doubt = doubt.qty, None
        return BELIEVED

    def _is_fall(self, trusted: Decimal, qty: Decimal) -> bool:
        if self._guarded is Guarded.BALANCES:
            return qty == 0 and trusted > 0
        return trusted != 0 and (abs(qty) < abs(trusted) or qty * trusted < 0)

    def _flows_seen(self, entry: _Entry, qty: Decimal) -> int | None:
        """How many of the flows, in order, account for `qty`: as many as can; None if none do."""
        slack = _ZERO
        if self._guarded is Guarded.BALANCES:
            slack = abs(entry.trusted) * self._settings.balance_tolerance
        expected = entry.trusted
        seen = 0 if abs(expected - qty) <= slack else None
        for number, flow in enumerate(entry.flows, start=1):
            expected += flow
            if abs(expected - qty) <= slack:
                seen = number
        return seen

    def _doubted(self, entry: _Entry) -> Doubted:
        doubt = entry.doubt
        assert doubt is not None
        explained = sum(entry.flows, _ZERO)
        return Doubted(
            f"{self._guarded.value} report {doubt.qty} after {entry.trusted}, "
            f"but fills and transfers since account for {explained}; "
            f"reported {doubt.reports} times, "
            f"{'confirmed' if doubt.confirmed else 'not confirmed'}",
            doubt.since,
        )
