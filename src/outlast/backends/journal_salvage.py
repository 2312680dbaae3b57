"""Putting a mended journal in the place of a damaged one, which is kept beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from outlast.backends.journal import FileStore, lock_of
from outlast.errors import ConfigurationError
from outlast.wire import Record

__all__ = ["finish_replacing", "replace_journal", "write_journal"]

_MENDED: Final = ".mended"
_BATCH: Final = 200


def write_journal(path: Path, records: Iterable[Record]) -> None:
    """Make a new journal of these records; it is on the disk when this returns.

    Raises:
        ConfigurationError: there is such a file already, or it cannot be written.
    """
    if path.exists():
        raise ConfigurationError(f"{str(path)!r} is there already; pass another path")
    with closing(FileStore(path)) as store:
        batch: list[Record] = []
        for record in records:
            batch.append(record)
            if len(batch) == _BATCH:
                store.write(*batch)
                batch.clear()
        if batch:
            store.write(*batch)
        store.sync()


def replace_journal(path: Path, records: Iterable[Record]) -> Path:
    """Put a journal of these records in the place of a damaged one; where that is kept now.

    Whatever happens meanwhile, one of the two is there whole, or `finish_replacing` goes on.

    Raises:
        ConfigurationError: it cannot be written, or another process holds the journal.
    """
    mended, part = _beside(path, _MENDED), _beside(path, f"{_MENDED}.part")
    with lock_of(path):
        for name in ("", "-wal", "-shm", ".lock"):
            _beside(part, name).unlink(missing_ok=True)
        write_journal(part, records)
        _beside(part, ".lock").unlink(missing_ok=True)
        part.replace(mended)  # from here on it is what counts
        kept = _put_in_place(path, mended)
    assert kept is not None
    return kept


def finish_replacing(path: Path) -> Path | None:
    """Go on where a process died in `replace_journal`; None where none did."""
    mended = _beside(path, _MENDED)
    if not mended.is_file():
        return None
    with lock_of(path):
        return _put_in_place(path, mended)


def _put_in_place(path: Path, mended: Path) -> Path:
    """Move the damaged file and its log away, then the mended one to its name. May be repeated."""
    nth = 1
    while _beside(path, f".damaged-{nth}").exists():
        nth += 1
    kept = _beside(path, f".damaged-{nth}")
    log = _beside(path, "-wal")
    if log.exists():  # first: a log beside a file that it does not belong to would be taken for it
        log.replace(_beside(kept, "-wal"))
    _beside(path, "-shm").unlink(missing_ok=True)
    if path.exists():
        os.link(path, kept)
    mended.replace(path)
    return kept


def _beside(path: Path, name: str) -> Path:
    return path.with_name(path.name + name)
