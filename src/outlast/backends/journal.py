"""Where the journal's records are kept: one SQLite file, or memory.

The file is in WAL mode with `synchronous=NORMAL`: a committed record is with the operating system
and survives `kill -9`; it may be lost when the machine itself loses power. Checkpoints, which can
take long on a busy disk, never run inside `append` but where the shell asks for them, in a thread.

Beside it lies `<name>.lock`, which one process holds at a time. It also says how many records there
were when they were last brought into the file, so that an emptied journal is not taken for a new
one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Final

from outlast.backends.journal_pages import is_cut
from outlast.backends.journal_schema import SELECT, known_version, prepare, select_of
from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.wire import Record

__all__ = ["FileStore", "JournalDamaged", "MemoryStore", "lock_of", "read_records"]

_SLICE: Final = 200
"""Records that are read at a time by whoever must not hold anybody up."""


class JournalDamaged(ConfigurationError):
    """A part of the file is gone or overwritten. Nothing was changed."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.is_cut = path.is_file() and is_cut(path)
        """It ends too early, and nothing else need be wrong with it."""
        super().__init__(
            f"journal {str(path)!r} cannot be read ({why}); it must be a journal file of outlast: "
            f"of a damaged one `outlast journal salvage {path.name} -o NEW` keeps every record "
            "that is whole, or restore it from a copy"
        )


@cache
def _insert(rows: int) -> str:
    return "INSERT INTO records VALUES " + ", ".join(["(?, ?, ?, ?, ?)"] * rows)  # noqa: S608 a constant


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

    def read_apart(self, after: int) -> list[Record]:
        """Some of the records whose numbers are above `after`, oldest first; none at the end."""
        return [record for record in self._records if record.seq > after][:_SLICE]

    def drop(self, gap: Record, *, first: int, at_most: int) -> int:
        """See `FileStore.drop`."""
        going = [r for r in self._records if first <= r.seq <= gap.seq][:at_most]
        last = going[-1]
        stub = Record(last.seq, last.at, gap.kind, gap.data, last.chain_hash)
        kept = [r for r in self._records if r.seq < first]
        self._records = [*kept, stub, *(r for r in self._records if r.seq > last.seq)]
        return last.seq

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
            _refuse_emptied(path, self._lock)
            _refuse_read_only(path)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                with _reading(path, doing="opened"):
                    prepare(self._db, path)
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
        # What was set above has made the log file; its name is on the disk from then on.
        self._log_path = path.with_name(path.name + "-wal")
        _sync_folder(path.parent)
        self._last_seq = 0

    def last(self) -> Record | None:
        with _reading(self._path):
            row = self._db.execute(f"{SELECT} ORDER BY seq DESC LIMIT 1").fetchone()
        if row is None:
            return None
        self._last_seq = row[0]
        return Record(*row)

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
        self._last_seq = records[-1].seq

    def records(self) -> Iterator[Record]:
        with _reading(self._path):
            for row in self._db.execute(f"{SELECT} ORDER BY seq"):
                yield Record(*row)

    def read_apart(self, after: int) -> list[Record]:
        """Some of the records whose numbers are above `after`, oldest first; none at the end.

        Over a connection of its own: for a thread, while `write` goes on in another.
        """
        with _reading(self._path), closing(self._connect_apart()) as db:
            rows = db.execute(f"{SELECT} WHERE seq > ? ORDER BY seq LIMIT {_SLICE}", (after,))
            return [Record(*row) for row in rows]

    def drop(self, gap: Record, *, first: int, at_most: int) -> int:
        """Put a gap in the place of the records from `first` on; the number up to which it is done.

        That is `gap.seq`, or less where there are more than `at_most`: then go on from the same
        `first`. Each call is one transaction, over a connection of its own. `write` waits for it
        where they meet, so it should be short.

        Raises:
            JournalUnavailable: it could not be written; nothing has changed.
        """
        try:
            with closing(self._connect_apart()) as db:
                db.execute("BEGIN IMMEDIATE")
                going = f"{SELECT} WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"
                *_, last = (Record(*row) for row in db.execute(going, (first, gap.seq, at_most)))
                db.execute("DELETE FROM records WHERE seq BETWEEN ? AND ?", (first, last.seq))
                stub = (last.seq, last.at, gap.kind, gap.data, last.chain_hash)
                db.execute(_insert(1), stub)
                db.execute("COMMIT")
        except sqlite3.Error as error:
            raise JournalUnavailable(
                f"journal {str(self._path)!r} cannot be pruned ({error}); free space on its disk "
                "or check its permissions"
            ) from error
        return last.seq

    def copy_to(self, to: Path) -> None:
        """Make a whole copy, a journal of its own, that is on the disk when this returns.

        Raises:
            ConfigurationError: there is such a file already, or it cannot be written.
        """
        if to.exists():
            raise ConfigurationError(f"{str(to)!r} is there already; pass another path")
        part = to.with_name(to.name + ".part")
        part.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(part)) as copy:
                self._db.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, whole by itself
            with part.open("rb") as written:
                _sync_file(written.fileno())
            part.replace(to)
        except (sqlite3.Error, OSError) as error:
            part.unlink(missing_ok=True)
            raise ConfigurationError(f"{str(to)!r} cannot be written ({error})") from error
        _sync_folder(to.parent)

    def compact(self) -> None:
        """Give the room of what was dropped back to the disk. Slow, and for nobody else's time.

        Raises:
            JournalUnavailable: there is no room for a second copy, which it takes meanwhile.
        """
        try:
            self._db.execute("VACUUM")
        except sqlite3.Error as error:
            raise JournalUnavailable(
                f"journal {str(self._path)!r} cannot be compacted ({error}); free as much room on "
                "its disk as it takes itself"
            ) from error

    def _connect_apart(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None)
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        return db

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
        self._note_count()

    def close(self) -> None:
        self._db.close()  # the last connection moves the log into the file, where there is room
        self._note_count()
        self._lock.close()

    def _note_count(self) -> None:
        """Write beside the file how far it goes, for `_refuse_emptied`."""
        if self._last_seq and not self._lock.closed:
            # Left out where the disk is full: the note of before is as good.
            with suppress(OSError):
                self._lock.seek(0)
                self._lock.write(f"{self._last_seq:<20}\n".encode())


def read_records(path: Path) -> Iterator[Record]:
    """The records of a journal file, read-only; also while a session holds it.

    Raises:
        ConfigurationError: there is no such file, or it is not a journal.
    """
    if not path.is_file():
        raise ConfigurationError(f"journal {str(path)!r} does not exist; check the path")
    if _is_empty(path):
        raise ConfigurationError(f"{str(path)!r} is empty; restore it from a copy")
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with _reading(path), closing(sqlite3.connect(uri, uri=True)) as db:
        version = known_version(db, path)
        if version is None:
            return  # its first session was killed while it made the file
        for row in db.execute(f"{select_of(version)} ORDER BY seq"):
            yield Record(*row)


@contextmanager
def _reading(path: Path, *, doing: str = "read") -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if type(error) is not sqlite3.DatabaseError:  # which it is for a malformed file, and only
            raise ConfigurationError(
                f"journal {str(path)!r} cannot be {doing} ({error}); it must be a journal file of "
                "outlast on a disk that can be written"
            ) from error
        raise JournalDamaged(path, str(error)) from error


def _refuse_read_only(path: Path) -> None:
    """SQLite opens such a file all the same, and only the first write would fail."""
    if path.is_file():
        try:
            path.open("r+b").close()
        except OSError as error:
            raise ConfigurationError(
                f"journal {str(path)!r} cannot be written ({error.strerror}); check its permissions"
            ) from error


def _is_empty(path: Path) -> bool:
    """As SQLite sees it: on Unix a file of one byte counts as empty (os_unix.c, unixFileSize)."""
    return path.is_file() and path.stat().st_size <= 1


def _refuse_emptied(path: Path, lock: IO[bytes]) -> None:
    """An empty file is a new journal only where none was before.

    Raises:
        ConfigurationError: there were records.
    """
    log = path.with_name(path.name + "-wal")
    has_log = log.is_file() and log.stat().st_size > 0  # reading commands leave empty ones behind
    if path.exists() and not _is_empty(path):
        return
    lock.seek(0)
    noted = lock.read(20).strip().decode(errors="replace")
    if not path.exists():
        if has_log:  # SQLite would throw it away
            raise ConfigurationError(
                f"journal {str(path)!r} is gone, but {path.name}-wal with its latest records is "
                "there; restore the one, or delete the other to start a new journal"
            )
        lock.truncate(0)  # somebody has taken it away: a new one begins
    elif noted or has_log or path.stat().st_size:
        count = noted or "an unknown number of"
        raise ConfigurationError(
            f"journal {str(path)!r} is empty, but had {count} records; restore it from a copy, or "
            f"delete it and {path.name}.lock to start a new one"
        )


@contextmanager
def lock_of(path: Path) -> Iterator[None]:
    """Hold the journal as a session does, without opening it.

    Raises:
        ConfigurationError: another process holds it, or there is no such folder.
    """
    lock = _hold(path)
    try:
        yield
    finally:
        lock.close()


def _hold(path: Path) -> IO[bytes]:
    """Take the journal for this process: two bots on one journal would share order ids.

    The lock belongs to the open file and goes with the process, however that ends.
    """
    try:
        name = path.with_name(path.name + ".lock")
        lock = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
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
