"""The journal file's schema: how it is made, and how an older one becomes the present one."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from outlast.errors import ConfigurationError

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "SELECT", "prepare", "select_of"]

APPLICATION_ID: Final = 0x6F75746C  # "outl"

SCHEMA_VERSION: Final = 2

PAGE_BYTES: Final = 1024
"""Of a new file. What is torn with a page is a record or two, not the dozen of SQLite's own 4,096;
and it costs nothing (`benchmarks/journal.py`)."""

SELECT: Final = "SELECT seq, at, kind, data, chain_hash FROM records"

_TABLE: Final = """
CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    data BLOB NOT NULL,
    chain_hash TEXT NOT NULL
) STRICT
"""


class Step(NamedTuple):
    """From one version of the schema to the next."""

    select: str
    """Reads the records, oldest first, from a file of the earlier version."""
    statements: tuple[str, ...]


STEPS: Mapping[int, Step] = {
    # Since 2 a journal may have gaps where old records were dropped. They are records like others:
    # nothing in the file changes, but who does not know of gaps must not judge it.
    1: Step(SELECT, ()),
}
"""By the version that each starts from. No step changes a record: the chain goes on as it was."""


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make a new journal of an empty file, and the present schema of an older one.

    Raises:
        ConfigurationError: it is another program's, or of a newer outlast. Nothing was changed.
    """
    # What is not ours is found out before anything is written to it.
    version = known_version(db, path)
    db.execute(f"PRAGMA page_size={PAGE_BYTES}")  # heard by an empty file only
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA wal_autocheckpoint=0")
    if version == SCHEMA_VERSION:
        return
    with _transaction(db):
        if version is None:
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(_TABLE)
        else:
            _migrate(db, path, version)
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def known_version(db: sqlite3.Connection, path: Path) -> int | None:
    """The schema version of a journal; None for a file in which nothing is yet.

    Raises:
        ConfigurationError: it is another program's, or of a newer outlast.
    """
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
        return None  # new, or its first session was killed while it made the file
    if application != APPLICATION_ID:
        raise ConfigurationError(
            f"{str(path)!r} is not a journal of outlast but a database of another program; "
            "pass a path of its own"
        )
    if version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"journal {str(path)!r} has schema {version}, this version of outlast knows "
            f"{SCHEMA_VERSION}; install a newer outlast or start a new journal"
        )
    if version != SCHEMA_VERSION and version not in STEPS:
        raise ConfigurationError(
            f"journal {str(path)!r} has schema {version}, which no version of outlast has written; "
            "restore it from a copy, or start a new journal"
        )
    return version


def select_of(version: int) -> str:
    """The query for the records of a file of this version."""
    return SELECT if version == SCHEMA_VERSION else STEPS[version].select


def _migrate(db: sqlite3.Connection, path: Path, version: int) -> None:
    before = _fingerprint(db, select_of(version))
    for each in range(version, SCHEMA_VERSION):
        for statement in STEPS[each].statements:
            db.execute(statement)
    if _fingerprint(db, SELECT) != before:
        raise ConfigurationError(
            f"journal {str(path)!r} could not be brought from schema {version} to "
            f"{SCHEMA_VERSION} without changing records; it is as it was: use the outlast that "
            "wrote it, and report this"
        )


def _fingerprint(db: sqlite3.Connection, select: str) -> bytes:
    """Of all records, to the byte."""
    made = hashlib.sha256()
    for row in db.execute(f"{select} ORDER BY seq"):
        made.update(repr(row).encode())
    return made.digest()


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, whatever happens to the process meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
