"""The session's journal: the chain of `core.journal` over a store, and what is read back."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from outlast.client.logs import logger
from outlast.core.ids import ClientOrderIds, new_prefix, new_uuid_prefix
from outlast.core.journal import Chain, decode_fields
from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.model import Execution, Order
from outlast.wire import Clock, RecordStore

__all__ = ["History", "Journal", "read_history"]


UNWRITTEN_IDS_MAX: Final = 1_000
"""More orders than any session sends without a journal: three hours of exits."""


@dataclass(slots=True)
class History:
    """What an existing journal tells about the sessions before this one."""

    prefix: str | None = None
    venue: str | None = None
    orders: dict[str, Order] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    nonce_floor: int = 0
    """Every nonce that was used is at or below it."""


def read_history(store: RecordStore) -> History:
    """Fold the journal's records into what is needed to go on.

    Raises:
        ConfigurationError: a record cannot be read back; the message names it.
    """
    history = History()
    for record in store.records():
        try:
            _fold(history, record.kind, decode_fields(record.data))
        except (msgspec.MsgspecError, KeyError) as error:
            raise ConfigurationError(
                f"journal record #{record.seq} ({record.kind}) cannot be read: {error}; "
                "check the file with `outlast journal verify`, or start a new journal"
            ) from error
    return history


def _fold(history: History, kind: str, fields: dict[str, Any]) -> None:
    if kind == "journal.opened":
        history.prefix = fields["prefix"]
        history.venue = fields["venue"]
    elif kind in ("order.intent", "order.changed"):
        order = msgspec.convert(fields["order"], Order)
        history.orders[order.client_order_id] = order
    elif kind == "nonce.reserved":
        history.nonce_floor = max(history.nonce_floor, fields["floor"])
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
        last = store.last()
        self._chain = Chain() if last is None else Chain(seq=last.seq, tip=last.chain_hash)
        self.history = read_history(store)
        if self.history.venue not in (None, venue):
            raise ConfigurationError(
                f"journal belongs to {self.history.venue}, not {venue}; give each venue its own"
            )
        prefix = self.history.prefix
        if prefix is None:
            prefix = new_uuid_prefix(rng) if uuid_ids else new_prefix(rng)
            self.append("journal.opened", {"prefix": prefix, "venue": venue})
        self.ids = ClientOrderIds(prefix)
        for client_order_id in self.history.orders:
            self.ids.note_used(client_order_id)
        if self.history.orders:
            # An exit that went out while the disk was full left no trace here, and its id is used.
            self.ids.skip(UNWRITTEN_IDS_MAX)

    def append(self, kind: str, fields: Mapping[str, Any]) -> str:
        """Write one record; return its id once the operating system has it.

        Raises:
            JournalUnavailable: it could not be written.
        """
        record = self._chain.seal(kind, fields, at=self._clock.wall())
        self._store.write(record)
        self._chain.accept(record)
        return record.id

    def note(self, kind: str, **fields: Any) -> str | None:
        """Write one record of evidence; None when it could not be written.

        What already happened must not be undone by a full disk: it is said loudly, once per
        outage of the journal, and the session goes on. Intents use `append`, which raises.
        """
        try:
            written = self.append(kind, fields)
        except JournalUnavailable as error:
            if self._writable:
                self._writable = False
                self._log.critical("outlast.journal_unavailable", error=str(error))
            return None
        self._writable = True
        return written

    def checkpoint(self) -> None:
        """Tidy the store. May be slow: call it in a thread."""
        try:
            self._store.checkpoint()
        except JournalUnavailable as error:  # nothing is lost; the next time it may work
            self._log.error("outlast.journal_not_tidied", error=str(error))

    def close(self) -> None:
        self._store.close()
