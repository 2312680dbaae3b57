"""The session's journal: the chain of `core.journal` over a store, and what is read back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec

from outlast.client.logs import logger
from outlast.core.ids import ClientOrderIds, new_prefix, new_uuid_prefix
from outlast.core.journal import (
    PRUNED,
    SALVAGED,
    Chain,
    ChainCheck,
    ChainFault,
    decode_fields,
    encode_fields,
)
from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.model import Balance, Execution, Instrument, Order, Position
from outlast.private_wire import AccountMoved
from outlast.wire import Clock, RecordStore

__all__ = [
    "BelievedState",
    "ChainBroken",
    "History",
    "Journal",
    "KeptBook",
    "KeptInstrument",
    "PastBan",
    "read_history",
]

_TURNS: Final = 2
"""How many turns of the event loop evidence waits for company. The answer to a request is noted in
one and wakes its caller in the next: what the caller makes of it, and the intent of what it sends
at once, come into the same transaction."""
_KEPT: Final = frozenset({"order.amend", "order.changed", "execution"})
_KEPT_MAX: Final = 80
"""So many of them wait for a journal that cannot be written; the latest, since each tells all."""
_WAITING_MAX: Final = 100
"""So much evidence is written without waiting for the turns to end."""

_BAN_S_MAX: Final = 259_200.0
"""Three days, the longest that any venue documents. Source: Binance Spot API docs, "IP Limits"."""


class ChainBroken(ConfigurationError):
    """A record is not as it was written, or is missing."""


@dataclass(frozen=True, slots=True)
class PastBan:
    """A ban that an earlier session was told of. It binds the address and the key, not the process.

    It is kept by two clocks: the wall clock may have been set since, and the monotonic one begins
    anew when the machine does.
    """

    until: float
    """Seconds since the epoch."""
    for_s: float
    """How long it was to last."""
    at: float
    """When it began, monotonic."""
    reason: str

    def left_s(self, *, now: float, wall: float) -> float:
        """How long it goes on, at most as long as it was to last; 0.0 when it is over."""
        lasts_s = min(self.for_s, _BAN_S_MAX)
        if now >= self.at:
            # The same boot, or a later one that is up for longer: so much has passed at least.
            return max(0.0, lasts_s - (now - self.at))
        return min(lasts_s, max(0.0, self.until - wall))


@dataclass(frozen=True, slots=True, kw_only=True)
class BelievedState:
    """What a session believed of its account when it last wrote that down: all that is not zero."""

    balances: list[Balance]
    positions: list[Position]
    at: dict[str, float]
    """The venue's time (s) of each, by `balances <currency>` and `positions <symbol>`."""
    until: dict[str, float] = field(default_factory=dict)
    """When the answer with it had come; without what an older journal does not say."""
    flat_since: float | None
    """The venue's time at which every other position was zero; None where they were never read."""
    flat_until: float | None = None
    """When the answer that said so had come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBook:
    """The best levels of a book that was trusted when it was written down."""

    symbol: str
    bids: list[tuple[Decimal, Decimal]]
    """(price, qty), best first."""
    asks: list[tuple[Decimal, Decimal]]
    as_of: float
    """Seconds since the epoch, by our clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptInstrument:
    """The rules of an instrument that was used."""

    symbol: str
    instrument: Instrument
    as_of: float
    """Seconds since the epoch, by our clock: when the venue's list had them."""


@dataclass(slots=True)
class History:
    """What an existing journal tells about the sessions before this one."""

    prefix: str | None = None
    runs: set[str] = field(default_factory=set)
    """Of ids, each taken by one opening."""
    venue: str | None = None
    orders: dict[str, Order] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    nonce_floor: int = 0
    """Every nonce that was used is at or below it."""
    bans: dict[str, PastBan] = field(default_factory=dict)
    """The last of each scope."""
    recovery: str = ""
    """The stage of the way back from an outage that was told of last."""
    recovery_since: float | None = None
    recovery_is_ours: bool = False
    """It was a ban, and nothing else."""
    hedges: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last that was written of each hedge of an exit elsewhere, by that venue and symbol."""
    """When that outage began, in seconds since the epoch."""
    halted: str | None = None
    """Why somebody has halted new risk; None when nobody has, or it was resumed."""
    believed: BelievedState | None = None
    books: dict[str, KeptBook] = field(default_factory=dict)
    """The last one of each symbol."""
    instruments: dict[str, KeptInstrument] = field(default_factory=dict)
    """The last word on each that was used."""
    moved: list[AccountMoved] = field(default_factory=list)
    """What moved the account besides its orders, as far as it was told."""
    flows_first_ms: int | None = None
    """From when on the venue's list of that counts (venue's time); None: it was never read."""
    flows_read_ms: int = 0
    """When it was last read to its end."""


def read_history(store: RecordStore) -> History:
    """Fold the journal's records into what is needed to go on, and check that they are all there.

    Raises:
        ConfigurationError: a record cannot be read back, or is not as it was written; the message
            names it.
    """
    history, check = History(), ChainCheck()
    for record in store.records():
        _hold(check.take(record))
        try:
            _fold(history, record.kind, decode_fields(record.data))
        except (msgspec.MsgspecError, KeyError) as error:
            raise ConfigurationError(
                f"journal record #{record.seq} ({record.kind}) cannot be read: {error}; "
                "check the file with `outlast journal verify`, or start a new journal"
            ) from error
    _hold(check.end())
    return history


def _hold(fault: ChainFault | None) -> None:
    if fault is not None:
        raise ChainBroken(
            f"the journal is not as it was written: record #{fault.seq}: {fault.problem}; "
            "`outlast journal salvage FILE -o NEW` keeps every record that is whole"
        )


def _fold(history: History, kind: str, fields: dict[str, Any]) -> None:
    if kind == "journal.opened":
        history.prefix = fields["prefix"]
        history.venue = fields["venue"]
        history.runs.add(fields.get("run", ""))
    elif kind == "journal.resumed":
        history.runs.add(fields["run"])
    elif kind in (PRUNED, SALVAGED):
        history.runs.update(fields["runs"])
    elif kind in ("order.intent", "order.amend", "order.changed"):
        order = msgspec.convert(fields["order"], Order)
        history.orders[order.client_order_id] = order
    elif kind == "nonce.reserved":
        history.nonce_floor = max(history.nonce_floor, fields["floor"])
    elif kind == "ban.began":
        reason = fields["reason"]
        ban = PastBan(fields["until"], fields["for_s"], fields["at"], reason)
        history.bans[fields["scope"]] = ban
    elif kind == "book.kept":
        history.books[fields["symbol"]] = msgspec.convert(fields, KeptBook)
    elif kind == "instrument.kept":
        history.instruments[fields["symbol"]] = msgspec.convert(fields, KeptInstrument)
    elif kind == "account.believed":
        history.believed = msgspec.convert(fields, BelievedState)
    elif kind == "gate.halted":
        history.halted = fields["reason"]
    elif kind == "gate.resumed":
        history.halted = None
    elif kind == "recovery.changed":
        history.recovery = fields["stage"]
        history.recovery_since = fields.get("out_since")
        history.recovery_is_ours = fields.get("is_ours", False)  # older journals do not say
    elif kind == "account.moved":
        if "moved" in fields:  # older journals spell it otherwise, and without an id
            history.moved.append(msgspec.convert(fields["moved"], AccountMoved))
    elif kind == "flows.read":
        history.flows_first_ms, history.flows_read_ms = fields["first_ms"], fields["until_ms"]
    elif kind == "hedge.changed":
        history.hedges[f"{fields['venue']} {fields['symbol']}"] = fields
    elif kind == "execution":
        history.executions.append(msgspec.convert(fields["execution"], Execution))


class Journal:
    """Everything that is decided, sent, answered and changed, in order, without secrets."""

    def __init__(
        self,
        store: RecordStore,
        *,
        venue: str,
        clock: Clock,
        rng: random.Random,
        uuid_ids: bool = False,
    ) -> None:
        """Raises ConfigurationError when the store belongs to another venue or cannot be read."""
        self._store = store
        self._clock = clock
        self._log = logger(venue=venue)
        self._writable = True
        self.tidying_wanted = asyncio.Event()
        """Set when a record should be on the disk itself soon, safe from a loss of power."""
        self._waiting: list[tuple[str, bytes, float]] = []
        """Kind, fields and instant of what has happened and is not written yet."""
        self._turns_left = 0
        """Of the event loop, until it is."""
        last = store.last()
        self._chain = Chain() if last is None else Chain(seq=last.seq, tip=last.chain_hash)
        self.history = read_history(store)
        if self.history.venue not in (None, venue):
            raise ConfigurationError(
                f"journal belongs to {self.history.venue}, not {venue}; give each venue its own"
            )
        prefix, is_new = self.history.prefix, self.history.prefix is None
        if prefix is None:
            prefix = new_uuid_prefix(rng) if uuid_ids else new_prefix(rng)
        # With a fixed seed each opening draws alike; the instant and the chain tell them apart,
        # even where a loss of power has taken what the one before wrote.
        tip = None if last is None else last.chain_hash
        opening = f"{rng.getrandbits(64)} {clock.wall()!r} {clock.now()!r} {tip}"
        self.ids = ClientOrderIds(prefix, random.Random(opening))  # noqa: S311 - ids are no secret
        for run in self.history.runs:
            self.ids.note_run(run)
        for client_order_id in self.history.orders:
            self.ids.note_used(client_order_id)
        if is_new:
            opened = {"prefix": prefix, "run": self.ids.run, "venue": venue}
            self.append("journal.opened", opened)
        else:
            self.note_now("journal.resumed", run=self.ids.run)

    def wall(self) -> float:
        """The clock that dates the records, in seconds since the epoch."""
        return self._clock.wall()

    def append(self, kind: str, fields: Mapping[str, Any]) -> str:
        """Write one record, after the evidence that waits; its id once the system has it.

        Raises:
            JournalUnavailable: it could not be written, nor could what waited.
        """
        self._put(kind, fields)
        return self._write()

    def note(self, kind: str, **fields: Any) -> None:
        """Take one record of evidence; it is written by the end of the loop's next few turns.

        Together with what happens in these turns, since each transaction costs more than all of
        its records; before any intent that comes later, in any case. A process that is killed
        within these turns loses it, and its heir finds out by asking the venue. What must not be
        lost so uses `append` or `note_now`.
        """
        self._put(kind, fields)
        if len(self._waiting) >= _WAITING_MAX:
            self.flush()
        elif not self._turns_left:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # nobody's turn: a journal may be used without a loop
                self.flush()
            else:
                self._turns_left = _TURNS
                loop.call_soon(self._turn_over)

    def note_now(self, kind: str, **fields: Any) -> str | None:
        """Write one record that the next request builds on; None when it could not be written.

        What already happened, or must happen, is not stopped by a full disk: it is said loudly,
        once per outage of the journal, and the session goes on. Intents that add risk use
        `append`, which raises.
        """
        self._put(kind, fields)
        return self.flush()

    def flush(self) -> str | None:
        """Write what waits; None when there was nothing, or it could not be written."""
        if not self._waiting:
            return None
        try:
            return self._write()
        except JournalUnavailable:
            return None

    def _put(self, kind: str, fields: Mapping[str, Any]) -> None:
        self._waiting.append((kind, encode_fields(fields), self._clock.wall()))

    def _write(self) -> str:
        """Write what waits, in one transaction; the id of the last of it."""
        waiting, self._waiting = self._waiting, []
        records = self._chain.seal_all(waiting)
        try:
            self._store.write(*records)
        except JournalUnavailable as error:
            if self._writable:
                self._writable = False
                self._log.critical("outlast.journal_unavailable", error=str(error))
            # Evidence may be lost, and is said to be. What became of orders is written later: else
            # the next session would have to find it out anew.
            kept = [entry for entry in waiting if entry[0] in _KEPT]
            self._waiting = kept[-_KEPT_MAX:] + self._waiting
            raise
        self._writable = True
        self._chain.accept(*records)
        return records[-1].id

    def _turn_over(self) -> None:
        self._turns_left = self._turns_left - 1 if self._waiting else 0
        if self._turns_left:
            asyncio.get_running_loop().call_soon(self._turn_over)
        else:
            self.flush()

    def checkpoint(self) -> None:
        """Tidy the store, which brings all of it to the disk. May be slow: call it in a thread."""
        try:
            self._store.checkpoint()
        except JournalUnavailable as error:  # nothing is lost; the next time it may work
            self._log.error("outlast.journal_not_tidied", error=str(error))

    def close(self) -> None:
        """Write what waits, and close the store."""
        self.flush()
        self._store.close()
