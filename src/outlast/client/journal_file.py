"""Opening a session's journal: made, migrated, mended or refused, and never silently begun anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from outlast.backends.journal import FileStore, JournalDamaged, MemoryStore
from outlast.backends.journal_pages import is_cut, records_in_pages
from outlast.backends.journal_salvage import finish_replacing, replace_journal, write_journal
from outlast.client.journal import ChainBroken, Journal
from outlast.client.logs import logger
from outlast.core.journal import SALVAGED, Chain
from outlast.core.salvage import Mended, mend
from outlast.errors import ConfigurationError
from outlast.wire import Record, RecordStore

__all__ = ["open_journal", "salvage"]


def open_journal(
    place: Path | RecordStore | None, make: Callable[[RecordStore], Journal], *, venue: str
) -> tuple[RecordStore, Journal]:
    """The store of a journal, and the journal on it; `place` as `Wiring.journal`.

    A file that ends too early is mended: what is whole is kept, the damaged file too, under another
    name, and it is said loudly. What an order's record was lost of, the venue shows.

    Raises:
        ConfigurationError: it cannot be used; the message names the remedy.
    """
    if not isinstance(place, Path):
        store = MemoryStore() if place is None else place
        return store, _made(store, make)
    log = logger(venue=venue)
    kept = finish_replacing(place)
    if kept is None:
        # Asked before: SQLite fills the file up with what the log has.
        ends_too_early = place.is_file() and is_cut(place)
        try:
            return _opened(place, make)
        except (JournalDamaged, ChainBroken) as error:
            if not ends_too_early:
                raise
            mended = _mended(place)
            if not mended.count:
                raise
            kept = replace_journal(place, _sealed(mended, place))
            log.critical(
                "outlast.journal_salvaged",
                reason=str(error),
                records=mended.count,
                lost=[list(run) for run in mended.lost],
                kept=str(kept),
            )
    else:
        log.critical("outlast.journal_salvaged", kept=str(kept))
    return _opened(place, make)


def salvage(path: Path, to: Path) -> Mended:
    """Write a new journal with every whole record of a damaged one, which is only read.

    Raises:
        ConfigurationError: there is no such file, nothing in it is whole, or `to` is there already.
    """
    if not path.is_file():
        raise ConfigurationError(f"journal {str(path)!r} does not exist; check the path")
    mended = _mended(path)
    if not mended.count:
        raise ConfigurationError(
            f"{str(path)!r} has no whole record of a journal; restore it from a copy"
        )
    write_journal(to, _sealed(mended, path))
    return mended


def _opened(path: Path, make: Callable[[RecordStore], Journal]) -> tuple[RecordStore, Journal]:
    store = FileStore(path)
    return store, _made(store, make)


def _made(store: RecordStore, make: Callable[[RecordStore], Journal]) -> Journal:
    try:
        return make(store)
    except BaseException:
        store.close()
        raise


def _mended(path: Path) -> Mended:
    return mend(records_in_pages(path))


def _sealed(mended: Mended, source: Path) -> list[Record]:
    """The mended records with the licence for their gaps."""
    last = mended.records[-1]
    chain = Chain(seq=last.seq, tip=last.chain_hash)
    fields = mended.licence() | {"source": source.name}
    return [*mended.records, chain.seal(SALVAGED, fields, at=time.time())]
