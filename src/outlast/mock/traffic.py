"""The requests that reached the mock: a narrow table, and the whole of those that matter.

Whole are the requests for orders of which something may still be asked (`folding.py`), and the
newest `reads_max` others. Of older requests for orders the parameters are dropped. The table loses
its rows (36 bytes each) when what follows from them has been taken (`take_out`).
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from operator import attrgetter
from typing import Final, NamedTuple

from outlast.mock.records import RequestRecord, Told

__all__ = ["QUERIES", "WRITES", "Quiet", "Row", "Traffic", "settled_ms"]

WRITES: Final = frozenset(
    {"orders.create", "orders.amend", "orders.cancel", "orders.cancel_all", "orders.deadman"}
)
QUERIES: Final = frozenset({"orders.query", "orders.open", "fills.query"})
"""The calls by which a client finds out what became of an order."""

NEVER_ANSWERED: Final = frozenset({"hang", "dribble"})
"""Replies that no client waits for to the end: what it knows, it knows from asking elsewhere."""

_COMPLETE, _LIED, _BALANCES, _POSITIONS, _OPEN_ORDERS, _LIMITED, _BANNED, _DIALS = (
    1 << bit for bit in range(8)
)
_PICTURE_FLAGS: Final = {
    "balances": _BALANCES,
    "positions": _POSITIONS,
    "open_orders": _OPEN_ORDERS,
}

# Which answers show an account as a whole. Source: Binance USD-M futures docs, Account Information
# V2/V3, Futures Account Balance, Position Information, Current All Open Orders; Binance spot docs,
# Account information.
_PICTURES_BY_PATH: Final = {
    ("um", "account"): ("balances", "positions"),
    ("um", "balance"): ("balances",),
    ("um", "positionRisk"): ("positions",),
    ("um", "openOrders"): ("open_orders",),
    ("spot", "account"): ("balances",),
    ("spot", "openOrders"): ("open_orders",),
}
_PICTURES_BY_ENDPOINT: Final = {
    "account.balances": ("balances",),
    "account.positions": ("positions",),
    "orders.open": ("open_orders",),
}


class Row(NamedTuple):
    """One request of the narrow table."""

    arrived_ms: int
    settled_ms: int
    """When the client knew what it would ever know from the reply."""
    state_ms: int
    """Venue time of what the reply shows."""
    ordinal: int
    account: str | None
    venue: str
    product: str
    endpoint: str
    complete: bool
    """The reply was an answer to the question, not an error, half a reply or none."""
    lied: bool
    pictures: tuple[str, ...]
    limited: bool
    banned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """A time in which the venue had asked not to be asked."""

    account: str | None
    venue: str
    start_ms: int
    end_ms: int
    orders_only: bool
    """The order counter was full, not the request weight: reads and cancels may go on."""
    ordinal: int


def settled_ms(record: RequestRecord) -> int:
    """When the client knew all that the reply would ever tell it; for no reply, its arrival."""
    if record.replied_ms is None or record.reply in NEVER_ANSWERED:
        return record.arrived_ms
    return record.replied_ms


def state_ms(record: RequestRecord) -> int:
    """Venue time of the state that the reply shows."""
    if record.rendered_ms is not None:
        return record.rendered_ms
    # A body that drips for 45 s was written when it started to.
    return settled_ms(record)


def answers(record: RequestRecord) -> bool:
    """True when the reply answers the question: success, or a proper "there is no such order"."""
    return record.told is Told.OK or (record.told is Told.REFUSED and bool(record.told_absent))


def pictures(record: RequestRecord) -> tuple[str, ...]:
    """What the reply shows as a whole: `open_orders`, `positions`, `balances`."""
    if record.told is not Told.OK:
        return ()
    if record.pictures:
        return record.pictures
    if record.endpoint == "orders.open" and record.params.get("symbol"):
        return ()  # one symbol is not the whole
    if record.path and record.venue.startswith("binance"):
        if record.method not in ("", "GET"):
            return ()
        return _PICTURES_BY_PATH.get((record.product, record.path.rsplit("/", 1)[-1]), ())
    return _PICTURES_BY_ENDPOINT.get(record.endpoint, ())


class Traffic:
    """The requests of all accounts of one run."""

    def __init__(self, *, reads_max: int) -> None:
        assert reads_max >= 0
        self._kinds: dict[tuple[str | None, str, str, str], int] = {}
        self._kind = array("H")
        self._flags = array("B")
        self._arrived = array("q")
        self._settled = array("q")
        self._state = array("q")
        self._ordinal = array("q")
        self._has_arrived = array("B")  # whether a row has been taken by its arrival
        self._gone = 0
        # As last asked for: by account, with whether a row has been taken by its arrival.
        self._table: dict[str | None, list[tuple[Row, bool]]] | None = None
        self._told: dict[str | None, list[Row]] = {}
        self._fresh: list[RequestRecord] = []
        self._writes: list[RequestRecord] = []
        self._reads: deque[RequestRecord] = deque(maxlen=reads_max)
        self._recent_writes: deque[RequestRecord] = deque()
        self._reads_max = reads_max
        self._listeners: list[Callable[[RequestRecord], None]] = []
        self.quiets: list[Quiet] = []

    def __len__(self) -> int:
        """How many requests arrived."""
        return self._gone + len(self._arrived)

    def listen(self, listener: Callable[[RequestRecord], None]) -> None:
        """Show every request to `listener` when it is settled, while its record is still whole."""
        self._listeners.append(listener)

    def note(self, record: RequestRecord) -> None:
        """Take one settled request. From here on the record belongs to the truth."""
        key = (record.account, record.venue, record.product, record.endpoint)
        self._kind.append(self._kinds.setdefault(key, len(self._kinds)))
        self._flags.append(_flags(record))
        self._arrived.append(record.arrived_ms)
        self._settled.append(settled_ms(record))
        self._state.append(state_ms(record))
        self._ordinal.append(record.ordinal)
        self._has_arrived.append(False)
        self._table = None
        if record.retry_after_s is not None and (record.limited or record.status in (418, 429)):
            self._be_quiet(record, record.retry_after_s)
        if record.endpoint in WRITES:
            self._fresh.append(record)
            self._writes.append(record)
            self._recent_writes.append(record)
            if len(self._recent_writes) > self._reads_max:
                self._recent_writes.popleft().params = {}
        else:
            self._reads.append(record)
        for listener in self._listeners:
            listener(record)

    def _be_quiet(self, record: RequestRecord, retry_after_s: float) -> None:
        start = settled_ms(record)
        quiet = Quiet(
            account=record.account,
            venue=record.venue,
            start_ms=start,
            end_ms=start + round(retry_after_s * 1000),
            # -1015 is the order counter alone. Source: Binance USD-M futures docs, Error Codes.
            orders_only=record.code == "-1015",
            ordinal=record.ordinal,
        )
        last = self.quiets[-1] if self.quiets else None
        if (
            last is not None
            and (last.account, last.venue, last.orders_only)
            == (quiet.account, quiet.venue, quiet.orders_only)
            and last.start_ms <= quiet.start_ms
            and quiet.end_ms <= last.end_ms
        ):
            return  # the same wait, told once more
        self.quiets.append(quiet)

    def rows(self, account: str) -> Iterator[Row]:
        """The requests in the table of `account` and those of nobody in particular, in no order."""
        return (row for row, _taken in self._rows(account))

    def arrivals(self, account: str) -> Iterator[Row]:
        """Those of `rows` that have not been taken out by their arrival."""
        return (row for row, taken in self._rows(account) if not taken)

    def answers(self, account: str) -> Iterator[Row]:
        """Those of `rows` by which the client could find out what became of an order."""
        self._read_all()
        return chain(self._told.get(None, ()), self._told.get(account, ()))

    def take_out(self, until_ms: int) -> tuple[list[Row], list[Row]]:
        """The rows that arrived before `until_ms`, each once, and those settled before it.

        The latter leave the table.
        """
        arrived, settled, stay = [], [], []
        for index, (row, taken) in enumerate(self._read_table()):
            if row.arrived_ms < until_ms and not taken:
                arrived.append(row)
                self._has_arrived[index] = True
            if row.settled_ms < until_ms:
                settled.append(row)
            else:
                stay.append(index)
        columns = (self._kind, self._flags, self._arrived, self._settled)
        for column in (*columns, self._state, self._ordinal, self._has_arrived):
            column[:] = array(column.typecode, [column[index] for index in stay])
        self._gone += len(settled)
        self._table, self._told = None, {}
        return arrived, settled

    def _rows(self, account: str) -> Iterator[tuple[Row, bool]]:
        table = self._read_all()
        return chain(table.get(None, ()), table.get(account, ()))

    def _read_all(self) -> dict[str | None, list[tuple[Row, bool]]]:
        if self._table is None:
            self._table, self._told = {}, {}
            for row, taken in self._read_table():
                self._table.setdefault(row.account, []).append((row, taken))
                if row.complete and row.endpoint in QUERIES:
                    self._told.setdefault(row.account, []).append(row)
        return self._table

    def _read_table(self) -> Iterator[tuple[Row, bool]]:
        kinds = list(self._kinds)
        for index, kind in enumerate(self._kind):
            flags = self._flags[index]
            shown = (
                tuple(name for name, flag in _PICTURE_FLAGS.items() if flags & flag)
                if flags & (_BALANCES | _POSITIONS | _OPEN_ORDERS)
                else ()
            )
            row = Row(
                self._arrived[index],
                self._settled[index],
                self._state[index],
                self._ordinal[index],
                *kinds[kind],
                bool(flags & _COMPLETE),
                bool(flags & _LIED),
                shown,
                bool(flags & (_LIMITED | _DIALS)),
                bool(flags & (_BANNED | _DIALS)),
            )
            yield row, bool(self._has_arrived[index])

    @property
    def backlog(self) -> int:
        """How many rows the table has."""
        return len(self._arrived)

    def fresh_writes(self, account: str) -> list[RequestRecord]:
        """The requests that may change orders and that nothing follows from yet, as they came.

        Those of `account` and of nobody in particular.
        """
        mine = (record for record in self._fresh if record.account in (None, account))
        return sorted(mine, key=attrgetter("arrived_ms", "ordinal"))

    def keep_writes(self, until_ms: int, wanted: Callable[[RequestRecord], bool]) -> None:
        """What follows from all before `until_ms` has been taken.

        Of the requests that may change orders those wanted stay whole, and the newest.
        """
        self._fresh = [
            record
            for record in self._fresh
            # An order that is asked for counts from its arrival, a cancel from its answer.
            if (record.arrived_ms if record.endpoint == "orders.create" else settled_ms(record))
            >= until_ms
        ]
        fresh = {id(record) for record in self._fresh}
        newest = len(self._writes) - self._reads_max
        self._writes = [
            record
            for index, record in enumerate(self._writes)
            if index >= newest or id(record) in fresh or wanted(record)
        ]
        self.quiets = [quiet for quiet in self.quiets if quiet.start_ms >= until_ms]

    def kept(self) -> list[RequestRecord]:
        """All records that are still whole, in the order of their arrival."""
        return sorted([*self._writes, *self._reads], key=attrgetter("arrived_ms", "ordinal"))

    @property
    def kept_count(self) -> int:
        """How many records are still whole."""
        return len(self._writes) + len(self._reads)

    def newest(self, count: int, endpoint: str | None = None) -> list[RequestRecord]:
        """The last `count` records that are still whole, of one class if asked, oldest first."""
        assert count >= 1
        found: list[RequestRecord] = []
        for records in (self._writes, self._reads):
            wanted = (r for r in reversed(records) if endpoint in (None, r.endpoint))
            found += islice(wanted, count)
        return sorted(found, key=attrgetter("arrived_ms", "ordinal"))[-count:]

    def accounts(self) -> list[str]:
        """The accounts that sent anything."""
        return sorted({key[0] for key in self._kinds if key[0] is not None})

    def venues(self, account: str | None = None) -> list[str]:
        """The venues that `account` sent anything to."""
        return sorted({key[1] for key in self._kinds if account is None or key[0] == account})


def _flags(record: RequestRecord) -> int:
    flags = 0
    if answers(record):
        flags |= _COMPLETE
    if record.lied:
        flags |= _LIED
    for name in pictures(record):
        flags |= _PICTURE_FLAGS.get(name, 0)
    if record.limited == "429":
        flags |= _LIMITED
    elif record.limited == "418":
        flags |= _LIMITED | _BANNED
    elif record.limited is not None:
        flags |= _DIALS
    return flags
