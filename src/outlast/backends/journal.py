"""Where the journal's records are kept: one SQLite file, or memory.

The file is in WAL mode with `synchronous=NORMAL`: a committed record is with the operating system
and survives `kill -9`; it may be lost when the machine itself loses power. Checkpoints, which can
take long on a busy disk, never run inside `append` but where the shell asks for them, in a thread.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Final

from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.wire import Record

__all__ = ["FileStore", "MemoryStore", "read_records"]

SCHEMA_VERSION: Final = 1
_APPLICATION_ID: Final = 0x6F75746C  # "outl"

_SELECT: Final = "SELECT seq, at, kind, data, chain_hash FROM records"


@cache
def _insert(rows: int) -> str:
    return "INSERT INTO records VALUES " + ", ".join(["(?, ?, ?, ?, ?)"] * rows)  # noqa: S608 a constant


_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    data BLOB NOT NULL,
    chain_hash TEXT NOT NULL
) STRICT;
"""


class MemoryStore:
    """The same promises for as long as the process lives. For tests and read-only sessions."""

    def __init__(self) -> None:
        self._records: list[Record] = []

    def last(self) -> Record | None:
        return self._records[-1] if self._records else None

    def records(self) -> Iterator[Record]:
        return iter(self._records)

    def write(self, *records: Record) -> None:
        self._records.extend(records)

    def sync(self) -> None:
        """Memory does not outlive the power."""

    def checkpoint(self) -> None:
        """Nothing to move."""

    def close(self) -> None:
        """Nothing to close."""


class FileStore:
    """One journal file, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create `path`.

        Raises:
            ConfigurationError: the folder is missing or read-only, the file is not a journal, is
                newer than this version, or another process holds it. The message names the remedy.
        """
        self._path = path
        self._lock = _hold(path)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        except sqlite3.Error as error:
            self._lock.close()
            raise ConfigurationError(
                f"journal {str(path)!r} cannot be opened ({error}); it must be a journal file of "
                "outlast on a disk that can be written"
            ) from error
        except BaseException:
            self._lock.close()
            raise

    def _prepare(self) -> None:
        db = self._db
        # What is not ours is found out before anything is written to it.
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        holds_tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] > 0
        if holds_tables and application != _APPLICATION_ID:
            raise ConfigurationError(
                f"journal {str(self._path)!r} is a database of another program; "
                "pass a path of its own"
            )
        if version > SCHEMA_VERSION:
            raise ConfigurationError(
                f"journal {str(self._path)!r} has schema {version}, this version of outlast knows "
                f"{SCHEMA_VERSION}; install a newer outlast or start a new journal"
            )
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.executescript(_SCHEMA)
        # What was set above has made the log file; its name is on the disk from then on.
        self._log_path = self._path.with_name(self._path.name + "-wal")
        _sync_folder(self._path.parent)

    def last(self) -> Record | None:
        with _reading(self._path):
            row = self._db.execute(f"{_SELECT} ORDER BY seq DESC LIMIT 1").fetchone()
        return None if row is None else Record(*row)

    def write(self, *records: Record) -> None:
        values: list[object] = []
        for record in records:
            values += record.seq, record.at, record.kind, record.data, record.chain_hash
        try:
            # One statement, so that it is one transaction: each costs more than all of its rows.
            self._db.execute(_insert(len(records)), values)
        except sqlite3.Error as error:
            raise JournalUnavailable(
                f"journal {str(self._path)!r} cannot be written ({error}); free space on its disk "
                "or check its permissions: nothing is sent that cannot be written down first"
            ) from error

    def records(self) -> Iterator[Record]:
        with _reading(self._path):
            for row in self._db.execute(f"{_SELECT} ORDER BY seq"):
                yield Record(*row)

    def sync(self) -> None:
        """Wait for the disk, as SQLite itself does after each commit with `synchronous=FULL`.

        Apart from the commit, so that many commits share one wait, in a thread. The write-ahead
        log's own name is made durable when the file is opened.

        Source: SQLite docs, Write-Ahead Logging, and PRAGMA synchronous.
        """
        try:
            with self._log_path.open("rb") as log:
                _sync_file(log.fileno())
        except OSError as error:
            raise JournalUnavailable(
                f"journal {str(self._path)!r} did not reach its disk ({error.strerror}); check the "
                "disk: nothing is sent that could be lost with the power"
            ) from error

    def checkpoint(self) -> None:
        """Move what is in the write-ahead log into the file. Slow on a busy disk: use a thread.

        Over a connection of its own, so that `write` never waits for it.

        Raises:
            JournalUnavailable: the file cannot be written; nothing is lost, the log keeps growing.
        """
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as db:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            raise JournalUnavailable(
                f"journal {str(self._path)!r} cannot be tidied ({error}); free space on its disk "
                "or check its permissions"
            ) from error

    def close(self) -> None:
        self._db.close()  # the last connection moves the log into the file, where there is room
        self._lock.close()


def read_records(path: Path) -> Iterator[Record]:
    """The records of a journal file, read-only; also while a session holds it.

    Raises:
        ConfigurationError: there is no such file, or it is not a journal.
    """
    if not path.is_file():
        raise ConfigurationError(f"journal {str(path)!r} does not exist; check the path")
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with _reading(path), closing(sqlite3.connect(uri, uri=True)) as db:
        holds_tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] > 0
        if not holds_tables and path.stat().st_size > 0:
            return  # its first session was killed while it made the file
        if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise ConfigurationError(f"{str(path)!r} is not a journal of outlast")
        for row in db.execute(f"{_SELECT} ORDER BY seq"):
            yield Record(*row)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ConfigurationError(
            f"journal {str(path)!r} cannot be read ({error}); restore it from a copy, "
            "or start a new journal"
        ) from error


def _hold(path: Path) -> IO[bytes]:
    """Take the journal for this process: two bots on one journal would share order ids.

    The lock belongs to the open file and goes with the process, however that ends.
    """
    try:
        lock = path.with_name(path.name + ".lock").open("ab")
    except FileNotFoundError:
        raise ConfigurationError(
            f"journal is {str(path)!r}, but the folder {str(path.parent)!r} does not exist; "
            "create it, or pass another path (journal=None keeps it in memory)"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"journal is {str(path)!r}, but nothing can be written beside it ({error.strerror}); "
            "check the permissions of its folder, or pass another path"
        ) from error
    try:
        _lock_file(lock)
    except OSError:
        lock.close()
        raise ConfigurationError(
            f"journal {str(path)!r} is in use by another process or session; "
            "give each its own journal"
        ) from None
    return lock


_sync_file = getattr(os, "fdatasync", os.fsync)  # macOS and Windows have no fdatasync


def _sync_folder(folder: Path) -> None:
    """Make the names of new files durable, where folders can be opened (not on Windows)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


try:
    import fcntl

    def _lock_file(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

except ImportError:  # Windows
    import msvcrt

    def _lock_file(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
