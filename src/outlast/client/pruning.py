"""Letting a journal forget what nobody needs any more, while it stays provable: `core.pruning`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

from outlast.backends.journal import FileStore
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.core.journal import PRUNED, Chain, Gap, gap_record
from outlast.core.pruning import OLD_S_MIN, Pruning, Survey
from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.wire import Clock, Record, RecordStore

__all__ = ["PrunableStore", "prunable", "prune", "prune_for_ever"]

FIRST_S: Final = 600.0
"""A session that has just started has better things to do."""
EVERY_S: Final = 86_400.0
AT_MOST: Final = 100
"""Records in one transaction, about a millisecond: an intent that comes meanwhile waits for it."""
PAUSE_S: Final = 0.1
"""Between two of them, so that one intent in a hundred meets one at all."""
LOOK_PAUSE_S: Final = 0.02
"""Between two slices that are read: a thread that decodes keeps the event loop from its work."""


class PrunableStore(RecordStore, Protocol):
    """A `RecordStore` from which records can be dropped."""

    def read_apart(self, after: int) -> list[Record]:
        """Some of the records whose numbers are above `after`, oldest first; none at the end.

        Called in a thread, while `write` goes on in another.
        """
        ...

    def drop(self, gap: Record, *, first: int, at_most: int) -> int:
        """Put `gap` in the place of the records from `first` on; the number up to which it is done.

        The gap is written with the number, instant and hash of the last one that went: that of
        `gap` itself, or less where there are more than `at_most`. All of it or nothing.

        Raises:
            JournalUnavailable: it could not be written.
        """
        ...


def prunable(store: RecordStore) -> PrunableStore:
    """The store as one that can be pruned.

    Raises:
        ConfigurationError: it cannot.
    """
    if not (hasattr(store, "read_apart") and hasattr(store, "drop")):
        raise ConfigurationError(
            f"journal_kept_days is set, but {type(store).__name__} cannot drop records; give it "
            "`read_apart` and `drop` (outlast.client.pruning.PrunableStore), or leave it unset"
        )
    return cast("PrunableStore", store)


def prune(store: FileStore, *, before: float, at: float, archive: Callable[[], None]) -> Pruning:
    """Drop what is older than `before` and not needed, now and in one go, from a file at rest.

    `archive` is called before anything is dropped, where something is to be.

    Raises:
        ConfigurationError: the journal cannot be read.
        JournalUnavailable: it cannot be written; what was dropped so far is licensed.
    """
    survey = Survey(before)
    for record in store.records():
        survey.fold(record)
    judgement = survey.judge()
    for record in store.records():
        judgement.take(record)
    pruning = judgement.made()
    if pruning is None:
        return Pruning((), {}, 0, (), before)
    archive()
    last = store.last()
    assert last is not None
    chain = Chain(seq=last.seq, tip=last.chain_hash)
    store.write(chain.seal(PRUNED, pruning.licence(), at=at))
    for gap in pruning.gaps:
        store.drop(_stub(gap), first=gap.first, at_most=gap.last)
    store.compact()
    return pruning


async def prune_for_ever(
    journal: Journal, store: PrunableStore, *, clock: Clock, kept_s: float, venue: str
) -> None:
    """Once a day, drop what is older than `kept_s`; a little at a time, beside the event loop."""
    log = logger(venue=venue)
    await clock.sleep(FIRST_S)
    while True:
        try:
            pruning = await _plan(store, clock, before=clock.wall() - max(kept_s, OLD_S_MIN))
            if pruning is not None:
                await _carry_out(journal, store, pruning, clock)
                log.info("outlast.journal_pruned", records=pruning.count, orders=pruning.orders)
        except (ConfigurationError, JournalUnavailable) as error:
            log.warning("outlast.journal_not_pruned", error=str(error))  # it may work tomorrow
        await clock.sleep(EVERY_S)


async def _plan(store: PrunableStore, clock: Clock, *, before: float) -> Pruning | None:
    survey = Survey(before)
    await _through(store, clock, survey.fold)
    judgement = survey.judge()
    await _through(store, clock, judgement.take)
    return judgement.made()


async def _through(store: PrunableStore, clock: Clock, take: Callable[[Record], None]) -> None:
    after = 0
    while records := await asyncio.to_thread(store.read_apart, after):
        for record in records:
            take(record)
        after = records[-1].seq
        await clock.sleep(LOOK_PAUSE_S)


async def _carry_out(
    journal: Journal, store: PrunableStore, pruning: Pruning, clock: Clock
) -> None:
    # The licence comes first: should the process die among the rest, what is gone is licensed.
    journal.append(PRUNED, pruning.licence())
    for gap in pruning.gaps:
        done = 0
        while done < gap.last:
            done = await asyncio.to_thread(store.drop, _stub(gap), first=gap.first, at_most=AT_MOST)
            await clock.sleep(PAUSE_S)


def _stub(gap: Gap) -> Record:
    return gap_record(gap, at=0.0)  # the store has the instant of the last
