"""Which old records of a journal may go, and what must stay whatever its age.

What happened to an order stays together: all of it goes when the order is final and old, none of it
before. What a restart needs stays: the last word of each kind on bans, nonces, recovery, the
account, books and instruments. The runs of ids that only dropped records tell of are named in the
licence, so that no id is ever given twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import msgspec

from outlast.core.ids import run_of
from outlast.core.journal import GAP, PRUNED, SALVAGED, Gap, decode_fields, gap_in
from outlast.model import Execution, Order
from outlast.wire import Record

__all__ = ["EVIDENCE", "LAST_OF", "OLD_S_MIN", "Judgement", "Pruning", "Survey"]

OLD_S_MIN: Final = 86_400.0
"""Nothing younger than a day is dropped: lists of fills are asked for as far back, and a late word
about an order must find it."""

EVIDENCE: Final = frozenset(
    {
        "account.accepted",
        "account.doubted",
        "account.explained",
        "account.surveyed",
        "attempt",
        "ban.resumed",
        "book.distrusted",
        "book.trusted",
        "breaker.changed",
        "breaker.forced",
        "dead_mans_switch",
        "exit.ended",
        "gate.changed",
        "health.changed",
        "limits.squeezed",
        "maintenance.ahead",
        "stream.doubted",
        "stream.down",
        "stream.live",
        "stream.unrecognised",
        "stream.up",
        "venue.mode_changed",
    }
)
"""What nobody reads at a start. Kinds that are named nowhere here stay."""

LAST_OF: Final[Mapping[str, tuple[str, str | None]]] = {
    "account.believed": ("believed", None),
    "ban.began": ("ban", "scope"),
    "book.kept": ("book", "symbol"),
    "flows.read": ("flows", None),
    "gate.halted": ("gate", None),
    "gate.resumed": ("gate", None),
    "instrument.kept": ("instrument", "symbol"),
    "nonce.reserved": ("nonce", None),
    "recovery.changed": ("recovery", None),
}
"""Kinds of which a later record replaces an earlier one: what they tell of, and the field that says
of whose. Nonce floors only rise, so the last is the highest."""

_RUNS: Final = frozenset({"journal.resumed", PRUNED, SALVAGED})
"""What they tell that lasts are runs of ids; the licence has them."""


@dataclass(slots=True)
class _Life:
    """What the journal has of one order."""

    is_final: bool = False
    heard_at: float = -inf
    """When its last record was written."""
    has_fills: bool = False


@dataclass(frozen=True, slots=True)
class Pruning:
    """What to do: write the licence, then let the gaps come true."""

    gaps: tuple[Gap, ...]
    """Every gap that there will be, those that are there already included."""
    dropped: Mapping[str, int]
    """How many records go, by kind."""
    orders: int
    """Of how many orders."""
    runs: tuple[str, ...]
    before: float

    @property
    def count(self) -> int:
        return sum(self.dropped.values())

    def licence(self) -> dict[str, Any]:
        """The fields of its record, of the kind `PRUNED`."""
        return {
            "before": self.before,
            "dropped": self.count,
            "kinds": dict(sorted(self.dropped.items())),
            "orders": self.orders,
            "gaps": [[gap.first, gap.last, gap.tip] for gap in self.gaps],
            "runs": list(self.runs),
        }


@dataclass(slots=True)
class Survey:
    """Give `fold` every record of a journal; then `judge` says what may go."""

    before: float
    """What was written before (seconds since the epoch) is old."""
    _lives: dict[str, _Life] = field(default_factory=dict)
    _by_venue_id: dict[str, str] = field(default_factory=dict)
    _last: dict[tuple[str, Any], int] = field(default_factory=dict)
    """The number of the record that counts, by what it tells of."""
    _believed_at: float = inf
    _prefix: str = ""
    _runs: set[str] = field(default_factory=set)

    def fold(self, record: Record) -> None:
        """Raises msgspec.MsgspecError or KeyError for one that cannot be read."""
        kind = record.kind
        if kind in LAST_OF:
            fields = decode_fields(record.data)
            about, name = LAST_OF[kind]
            self._last[about, None if name is None else fields[name]] = record.seq
            if kind == "account.believed":
                self._believed_at = record.at
        elif kind == "journal.opened":
            self._prefix = decode_fields(record.data)["prefix"]
        elif kind in _RUNS:
            fields = decode_fields(record.data)
            self._runs.update([fields["run"]] if kind == "journal.resumed" else fields["runs"])
        elif kind == "execution" or kind.startswith("order."):
            self._fold_order(record)

    def _fold_order(self, record: Record) -> None:
        fields = decode_fields(record.data)
        if record.kind == "execution":
            life = self._lives.setdefault(self._owner(fields), _Life())
            life.has_fills = True
        else:
            order = msgspec.convert(fields["order"], Order)
            life = self._lives.setdefault(order.client_order_id, _Life())
            life.is_final = order.status.is_final
            life.has_fills = life.has_fills or order.filled_qty > 0
            if order.venue_order_id is not None:
                self._by_venue_id[order.venue_order_id] = order.client_order_id
        life.heard_at = max(life.heard_at, record.at)

    def _owner(self, fields: Mapping[str, Any]) -> str:
        execution = msgspec.convert(fields["execution"], Execution)
        return self._by_venue_id.get(execution.venue_order_id) or execution.client_order_id or ""

    def judge(self) -> Judgement:
        """Give it the same records again; later ones may have come by now."""
        return Judgement(self)

    def runs_with(self, orders: Iterable[str]) -> tuple[str, ...]:
        """The runs of ids that nothing else tells of, once these orders are gone."""
        runs = {run_of(name, self._prefix) for name in orders} if self._prefix else set()
        return tuple(sorted(self._runs | {run for run in runs if run is not None}))

    def may_go(self, record: Record) -> bool:
        """Whether nobody needs an old record any more."""
        kind = record.kind
        if kind in _RUNS:
            return True
        if kind in LAST_OF:
            about, name = LAST_OF[kind]
            key = None if name is None else decode_fields(record.data)[name]
            return self._last[about, key] != record.seq
        if kind == "attempt":
            return self._is_over(decode_fields(record.data).get("client_order_id"))
        if kind == "execution":
            return self._is_over(self._owner(decode_fields(record.data)))
        if kind.startswith("order."):
            return self._is_over(_order_of(record))
        return kind in EVIDENCE

    def _is_over(self, name: str | None) -> bool:
        """True for an order that is final and old; and where it is about none."""
        life = self._lives.get(name or "")
        if life is None:
            return True
        # What was believed of the account is brought up to date with the fills since.
        until = min(self.before, self._believed_at - OLD_S_MIN) if life.has_fills else self.before
        return life.is_final and life.heard_at < until


class Judgement:
    """What of a journal may go, once `take` has had all of its records."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._makes = _GapMaker()
        self._dropped: Counter[str] = Counter()
        self._orders: set[str] = set()
        self._is_old = True

    def take(self, record: Record) -> None:
        # All from the first young one on stays: a clock may have been set back in between.
        is_gap = record.kind == GAP
        self._is_old = self._is_old and (record.at < self._survey.before or is_gap)
        goes = self._is_old and not is_gap and self._survey.may_go(record)
        self._makes.take(record, goes=goes)
        if goes:
            self._dropped[record.kind] += 1
            if record.kind.startswith("order."):
                self._orders.add(_order_of(record))

    def made(self) -> Pruning | None:
        """None when nothing may go."""
        if not self._dropped:
            return None
        return Pruning(
            gaps=tuple(self._makes.all()),
            dropped=self._dropped,
            orders=len(self._orders),
            runs=self._survey.runs_with(self._orders),
            before=self._survey.before,
        )


def _order_of(record: Record) -> str:
    name: str = decode_fields(record.data)["order"]["client_order_id"]
    return name


class _GapMaker:
    """Joins what goes, and what has gone before, into gaps."""

    def __init__(self) -> None:
        self._gaps: list[Gap] = []
        self._first: int | None = None
        self._last: Record | None = None

    def take(self, record: Record, *, goes: bool) -> None:
        if record.kind == GAP:
            first = gap_in(record).first
        elif goes:
            first = record.seq
        else:
            self._close()
            return
        self._first = first if self._first is None else self._first
        self._last = record

    def _close(self) -> None:
        if self._first is not None and self._last is not None:
            self._gaps.append(Gap(self._first, self._last.seq, self._last.chain_hash))
        self._first = self._last = None

    def all(self) -> Iterator[Gap]:
        self._close()
        yield from self._gaps
